//! EventBridge Scheduler: the schedule of the retry function.

use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use gateway::{ServiceError, describe};
use serde::Serialize;

pub struct Scheduler {
    client: Client,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    pub name: String,
    pub expression: String,
    /// `ENABLED` or `DISABLED`.
    pub state: String,
}

impl Scheduler {
    pub fn new(config: &SdkConfig) -> Scheduler {
        Scheduler { client: Client::new(config) }
    }

    /// `None` when there is no such schedule.
    pub async fn schedule(&self, name: &str) -> Result<Option<Schedule>, ServiceError> {
        match self.client.get_schedule().name(name).send().await {
            Ok(answer) => Ok(Some(Schedule {
                name: name.to_owned(),
                expression: answer.schedule_expression().unwrap_or_default().to_owned(),
                state: answer.state().map_or("UNKNOWN", |state| state.as_str()).to_owned(),
            })),
            Err(error) => match describe(&error) {
                error if error.is("ResourceNotFoundException") => Ok(None),
                error => Err(error),
            },
        }
    }
}
