//! CloudWatch: the alarm that is the breaker.

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use gateway::{ServiceError, describe};
use outbox::EpochMs;
use serde::Serialize;

pub struct CloudWatch {
    client: Client,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    pub reason: String,
    pub since: Option<EpochMs>,
}

impl Alarm {
    pub fn is_open(&self) -> bool {
        self.state == "ALARM"
    }
}

impl CloudWatch {
    pub fn new(config: &SdkConfig) -> CloudWatch {
        CloudWatch { client: Client::new(config) }
    }

    /// `None` when there is no such alarm.
    pub async fn alarm(&self, name: &str) -> Result<Option<Alarm>, ServiceError> {
        let answer = self.client.describe_alarms().alarm_names(name).send().await.map_err(|error| describe(&error))?;
        Ok(answer.metric_alarms().first().map(|alarm| Alarm {
            name: name.to_owned(),
            state: alarm.state_value().map_or("UNKNOWN", |state| state.as_str()).to_owned(),
            reason: alarm.state_reason().unwrap_or_default().to_owned(),
            since: alarm
                .state_transitioned_timestamp()
                .or_else(|| alarm.state_updated_timestamp())
                .and_then(|time| time.to_millis().ok()),
        }))
    }
}
