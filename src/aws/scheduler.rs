//! EventBridge Scheduler: the schedule of the retry function.

use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::ScheduleState;
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

    /// Changes what is given and nothing else: an update replaces the whole schedule (EventBridge Scheduler API
    /// reference, `UpdateSchedule`), so all the rest is read and written back. `None` when there is no such
    /// schedule.
    pub async fn change(
        &self,
        name: &str,
        enabled: Option<bool>,
        expression: Option<&str>,
    ) -> Result<Option<Schedule>, ServiceError> {
        let found = match self.client.get_schedule().name(name).send().await.map_err(|error| describe(&error)) {
            Err(error) if error.is("ResourceNotFoundException") => return Ok(None),
            answer => answer?,
        };
        let state = enabled.map(|enabled| if enabled { ScheduleState::Enabled } else { ScheduleState::Disabled });
        let expression = expression.map(str::to_owned).or(found.schedule_expression);
        let state = state.or(found.state);
        self.client
            .update_schedule()
            .name(name)
            .set_group_name(found.group_name)
            .set_schedule_expression(expression.clone())
            .set_schedule_expression_timezone(found.schedule_expression_timezone)
            .set_start_date(found.start_date)
            .set_end_date(found.end_date)
            .set_description(found.description)
            .set_state(state.clone())
            .set_kms_key_arn(found.kms_key_arn)
            .set_target(found.target)
            .set_flexible_time_window(found.flexible_time_window)
            .set_action_after_completion(found.action_after_completion)
            .send()
            .await
            .map_err(|error| describe(&error))?;
        Ok(Some(Schedule {
            name: name.to_owned(),
            expression: expression.unwrap_or_default(),
            state: state.map_or("UNKNOWN".to_owned(), |state| state.as_str().to_owned()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::{answers, requests};

    #[tokio::test]
    async fn a_change_of_the_state_keeps_all_the_rest() {
        let found = r#"{"Name":"s","GroupName":"default","ScheduleExpression":"rate(1 minute)",
            "ScheduleExpressionTimezone":"UTC","State":"ENABLED","Description":"d",
            "FlexibleTimeWindow":{"Mode":"OFF"},"ActionAfterCompletion":"NONE","KmsKeyArn":"arn:key",
            "Target":{"Arn":"arn:function","RoleArn":"arn:role","Input":"{}",
                "RetryPolicy":{"MaximumRetryAttempts":2,"MaximumEventAgeInSeconds":300},
                "DeadLetterConfig":{"Arn":"arn:queue"}}}"#;
        let (config, client) = answers(&[(200, found), (200, "{}"), (404, "{}")]).await;
        let changed = Scheduler::new(&config).change("s", Some(false), None).await.expect("changed").expect("there");
        assert_eq!((changed.state.as_str(), changed.expression.as_str()), ("DISABLED", "rate(1 minute)"));
        let sent: serde_json::Value = serde_json::from_str(&requests(&client)[1]).expect("JSON");
        let mut kept: serde_json::Value = serde_json::from_str(found).expect("JSON");
        kept["State"] = "DISABLED".into();
        kept.as_object_mut().expect("an object").remove("Name");
        let mut sent = sent;
        sent.as_object_mut().expect("an object").remove("ClientToken");
        assert_eq!(sent, kept);
    }
}
