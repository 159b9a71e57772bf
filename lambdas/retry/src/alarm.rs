//! The breaker is the alarm.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::StateValue;
use gateway::describe;
use outbox::EpochMs;

pub struct Alarm {
    client: Client,
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    Open,
    /// For how long, when the alarm has ever been evaluated.
    Closed {
        since_ms: Option<i64>,
    },
}

impl Alarm {
    pub fn new(client: Client, name: String) -> Alarm {
        Alarm { client, name }
    }

    /// Only `ALARM` opens the breaker. A state that cannot be read closes nothing off: then sending is tried,
    /// as in the state machine.
    pub async fn breaker(&self, now: EpochMs) -> Breaker {
        let answer = self.client.describe_alarms().alarm_names(&self.name).send().await;
        let alarm = match &answer {
            Ok(answer) => answer.metric_alarms().first(),
            Err(error) => {
                let error = describe(error);
                tracing::warn!(code = error.code, text = error.text, "the alarm was not read");
                None
            }
        };
        let changed = alarm.and_then(|a| a.state_transitioned_timestamp().or_else(|| a.state_updated_timestamp()));
        let since_ms = changed.and_then(|time| time.to_millis().ok()).map(|time| now - time);
        match alarm.and_then(|a| a.state_value()) {
            Some(StateValue::Alarm) => Breaker::Open,
            Some(StateValue::Ok) => Breaker::Closed { since_ms },
            _ => Breaker::Closed { since_ms: None },
        }
    }
}
