//! CloudWatch: the alarm that is the breaker.

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{self, HistoryItemType};
use gateway::{ServiceError, describe};
use outbox::EpochMs;
use serde::Serialize;

/// A metric, and what of it.
#[derive(Clone, Debug)]
pub struct Metric {
    pub namespace: String,
    pub name: String,
    /// Name and value.
    pub dimension: (String, String),
    pub statistic: Statistic,
}

#[derive(Clone, Copy, Debug)]
pub enum Statistic {
    Sum,
    Average,
}

/// A change of an alarm's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    pub state: String,
    pub time: EpochMs,
}

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

    /// The latest changes of an alarm's state, newest first.
    pub async fn history(&self, name: &str, limit: i32) -> Result<Vec<StateChange>, ServiceError> {
        let request = self
            .client
            .describe_alarm_history()
            .alarm_name(name)
            .history_item_type(HistoryItemType::StateUpdate)
            .max_records(limit);
        let answer = request.send().await.map_err(|error| describe(&error))?;
        Ok(answer
            .alarm_history_items()
            .iter()
            .filter_map(StateChange::of)
            .take(limit.unsigned_abs() as usize)
            .collect())
    }

    /// The values of a metric by minutes since a time, oldest first; minutes without data are left out.
    pub async fn per_minute(&self, metric: &Metric, since: EpochMs) -> Result<Vec<(EpochMs, f64)>, ServiceError> {
        let (name, value) = &metric.dimension;
        let statistic = match metric.statistic {
            Statistic::Sum => types::Statistic::Sum,
            Statistic::Average => types::Statistic::Average,
        };
        let request = self
            .client
            .get_metric_statistics()
            .namespace(&metric.namespace)
            .metric_name(&metric.name)
            .dimensions(types::Dimension::builder().name(name).value(value).build())
            .start_time(DateTime::from_millis(since))
            .end_time(DateTime::from(std::time::SystemTime::now()))
            .period(60)
            .statistics(statistic);
        let answer = request.send().await.map_err(|error| describe(&error))?;
        let mut values: Vec<(EpochMs, f64)> = answer
            .datapoints()
            .iter()
            .filter_map(|point| {
                let value = match metric.statistic {
                    Statistic::Sum => point.sum(),
                    Statistic::Average => point.average(),
                };
                Some((point.timestamp()?.to_millis().ok()?, value?))
            })
            .collect();
        values.sort_by_key(|(time, _)| *time);
        Ok(values)
    }
}

impl StateChange {
    /// The new state stands in the item's data, which is JSON (CloudWatch API reference, `AlarmHistoryItem`).
    fn of(item: &types::AlarmHistoryItem) -> Option<StateChange> {
        let data: serde_json::Value = serde_json::from_str(item.history_data().unwrap_or_default()).unwrap_or_default();
        let state = data["newState"]["stateValue"].as_str().map(str::to_owned);
        // Without it, the summary ends with it: "Alarm updated from OK to ALARM".
        let state = state.or_else(|| item.history_summary()?.rsplit(' ').next().map(str::to_owned))?;
        Some(StateChange { state, time: item.timestamp()?.to_millis().ok()? })
    }
}
