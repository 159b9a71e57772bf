//! Step Functions: the latest executions.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use gateway::{ServiceError, describe};
use outbox::EpochMs;
use serde::Serialize;

pub struct Sfn {
    client: Client,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    pub name: String,
    pub arn: String,
    pub status: String,
    pub started: Option<EpochMs>,
    pub stopped: Option<EpochMs>,
}

impl Sfn {
    pub fn new(config: &SdkConfig) -> Sfn {
        Sfn { client: Client::new(config) }
    }

    /// The latest executions, at most 1,000. `None` when there is no such state machine.
    pub async fn latest(&self, state_machine_arn: &str, limit: i32) -> Result<Option<Vec<Execution>>, ServiceError> {
        let request = self.client.list_executions().state_machine_arn(state_machine_arn).max_results(limit);
        let answer = match request.send().await.map_err(|error| describe(&error)) {
            Ok(answer) => answer,
            Err(error) if error.is("StateMachineDoesNotExist") => return Ok(None),
            Err(error) => return Err(error),
        };
        let executions = answer.executions().iter().map(|execution| Execution {
            name: execution.name().to_owned(),
            arn: execution.execution_arn().to_owned(),
            status: execution.status().as_str().to_owned(),
            started: execution.start_date().to_millis().ok(),
            stopped: execution.stop_date().and_then(|time| time.to_millis().ok()),
        });
        Ok(Some(executions.collect()))
    }
}
