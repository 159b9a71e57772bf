//! Starting executions of the state machine.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use outbox::execution::Execution;

use crate::{ServiceError, describe};

#[derive(Clone, Debug)]
pub struct StateMachine {
    client: Client,
    arn: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    Now,
    /// An execution of this name exists: the same messages, attempts and all, were started before.
    Before,
}

impl StateMachine {
    pub fn new(client: Client, arn: impl Into<String>) -> StateMachine {
        StateMachine { client, arn: arn.into() }
    }

    /// Starts an execution once: its name is unique for 90 days (Step Functions service quotas).
    pub async fn start(&self, execution: &Execution) -> Result<Started, ServiceError> {
        let input = serde_json::to_string(&execution.input).map_err(|error| ServiceError {
            code: "BadRequest".to_owned(),
            text: error.to_string(),
            status: None,
            request_id: None,
        })?;
        let request = self.client.start_execution().state_machine_arn(&self.arn).name(&execution.name).input(input);
        match request.send().await {
            Ok(_) => Ok(Started::Now),
            Err(error) => match describe(&error) {
                error if error.is("ExecutionAlreadyExists") => Ok(Started::Before),
                error => Err(error),
            },
        }
    }

    /// Whether an execution whose name begins with `prefix` is running. Looks at the latest 1,000 only, the
    /// most that one call lists; the list is eventually consistent.
    pub async fn is_running(&self, prefix: &str) -> Result<bool, ServiceError> {
        let request = self
            .client
            .list_executions()
            .state_machine_arn(&self.arn)
            .status_filter(ExecutionStatus::Running)
            .max_results(1000);
        let answer = request.send().await.map_err(|error| describe(&error))?;
        Ok(answer.executions().iter().any(|execution| execution.name().starts_with(prefix)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::answers;
    use outbox::execution::{Budget, Task, batches};
    use outbox::item::Delivery;
    use outbox::policy::Policy;

    fn execution() -> Execution {
        let task = Task::new(&Delivery::pending("a", 1), Budget::Counts, &Policy::default(), 0, 0.5);
        batches("stream", vec![task], 100, 0).remove(0)
    }

    #[tokio::test]
    async fn an_execution_that_exists_was_started_before() {
        let exists = r#"{"__type":"com.amazonaws.states#ExecutionAlreadyExists","message":"exists"}"#;
        let started = r#"{"executionArn":"arn","startDate":1.7E9}"#;
        let throttled = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
        let (config, _) = answers(&[(200, started), (400, exists), (400, throttled)]).await;
        let machine = StateMachine::new(Client::new(&config), "arn");
        assert_eq!(machine.start(&execution()).await, Ok(Started::Now));
        assert_eq!(machine.start(&execution()).await, Ok(Started::Before));
        assert_eq!(machine.start(&execution()).await.expect_err("throttled").code, "ThrottlingException");
    }
}
