//! CloudWatch: the alarm that is the breaker, its history and its datapoints.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Datapoint as Point, Dimension, HistoryItemType, MetricAlarm, ScanBy, Statistic};
use futures::{Stream, TryStreamExt, stream};
use gateway::{ServiceError, describe};
use outbox::EpochMs;
use outbox::hold::{Hold, Position, Settings, Standing};
use serde::Serialize;

use crate::outbox::alarm::Transition;

/// Items in one page of an alarm's history: the most that the service gives (API reference, `MaxRecords`).
const PAGE: i32 = 100;

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
    /// Who holds it, which way, until when and why; also one whose time is over, until it is given back.
    pub hold: Option<Hold>,
    /// Its threshold is one of a hold, and no hold is written.
    #[serde(skip)]
    pub lost: bool,
}

/// What an alarm watches.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    pub namespace: String,
    pub metric: String,
    pub dimensions: BTreeMap<String, String>,
    pub statistic: String,
    pub comparison: String,
    /// Of a held alarm the one that it goes back to.
    pub threshold: f64,
    pub period_seconds: i32,
    pub evaluation_periods: i32,
    pub treat_missing_data: String,
}

/// The value of a statistic in one period.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Datapoint {
    /// When the period begins.
    pub time: EpochMs,
    pub value: f64,
    /// Publishes, or other things that were measured.
    pub samples: f64,
}

impl Alarm {
    /// Whether the breaker is: the pipeline goes by a hold before it goes by the state.
    pub fn is_open(&self) -> bool {
        match &self.hold {
            Some(hold) => hold.breaker == Position::Open,
            None => self.state == "ALARM",
        }
    }
}

impl CloudWatch {
    pub fn new(config: &SdkConfig) -> CloudWatch {
        CloudWatch { client: Client::new(config) }
    }

    /// `None` when there is no such alarm.
    pub async fn alarm(&self, name: &str) -> Result<Option<Alarm>, ServiceError> {
        Ok(self.watched(name).await?.map(|(alarm, _)| alarm))
    }

    /// An alarm with what it watches. `None` when there is no such alarm.
    pub async fn watched(&self, name: &str) -> Result<Option<(Alarm, Watch)>, ServiceError> {
        let answer = self.client.describe_alarms().alarm_names(name).send().await.map_err(|error| describe(&error))?;
        Ok(answer.metric_alarms().first().map(|found| (alarm(name, found), watch(found))))
    }

    /// Several alarms with what they watch; those that are missing are left out.
    pub async fn alarms(&self, names: &[String]) -> Result<Vec<(Alarm, Watch)>, ServiceError> {
        let request = self.client.describe_alarms().set_alarm_names(Some(names.to_vec()));
        let answer = request.send().await.map_err(|error| describe(&error))?;
        let found = answer.metric_alarms().iter();
        Ok(found.map(|one| (alarm(one.alarm_name().unwrap_or_default(), one), watch(one))).collect())
    }

    /// The changes of an alarm's state, the latest first, page by page. AWS keeps them for 30 days (API
    /// reference, `DescribeAlarmHistory`).
    pub fn transitions<'a>(
        &'a self,
        name: &'a str,
        since: Option<EpochMs>,
    ) -> impl Stream<Item = Result<Transition, ServiceError>> + 'a {
        let pages = stream::try_unfold(Some(None), move |token: Option<Option<String>>| async move {
            let Some(token) = token else { return Ok(None) };
            let answer = self
                .client
                .describe_alarm_history()
                .alarm_name(name)
                .history_item_type(HistoryItemType::StateUpdate)
                .scan_by(ScanBy::TimestampDescending)
                .set_start_date(since.map(DateTime::from_millis))
                .max_records(PAGE)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| describe(&error))?;
            let items = answer.alarm_history_items().iter().map(|item| {
                let time = item.timestamp().and_then(|time| time.to_millis().ok()).unwrap_or(0);
                let summary = item.history_summary().unwrap_or_default();
                Ok(Transition::of(time, summary, item.history_data().unwrap_or_default()))
            });
            let items: Vec<_> = items.collect();
            Ok::<_, ServiceError>(Some((stream::iter(items), answer.next_token.map(Some))))
        });
        pages.try_flatten()
    }

    /// The datapoints of what an alarm watches, the latest first.
    pub async fn datapoints(
        &self,
        watch: &Watch,
        since: EpochMs,
        until: EpochMs,
    ) -> Result<Vec<Datapoint>, ServiceError> {
        let statistic = Statistic::from(watch.statistic.as_str());
        let dimensions = watch.dimensions.iter();
        let dimensions = dimensions.map(|(name, value)| Dimension::builder().name(name).value(value).build());
        let answer = self
            .client
            .get_metric_statistics()
            .namespace(&watch.namespace)
            .metric_name(&watch.metric)
            .set_dimensions(Some(dimensions.collect()))
            .start_time(DateTime::from_millis(since))
            .end_time(DateTime::from_millis(until))
            .period(watch.period_seconds)
            .statistics(statistic.clone())
            .statistics(Statistic::SampleCount)
            .send()
            .await
            .map_err(|error| describe(&error))?;
        let mut found: Vec<Datapoint> =
            answer.datapoints().iter().filter_map(|point| datapoint(point, &statistic)).collect();
        found.sort_by_key(|point| -point.time);
        Ok(found)
    }
}

fn standing(alarm: &MetricAlarm) -> Standing {
    let description = alarm.alarm_description().map(str::to_owned);
    Settings { threshold: alarm.threshold().unwrap_or_default(), description }.standing()
}

fn alarm(name: &str, alarm: &MetricAlarm) -> Alarm {
    let (hold, lost) = match standing(alarm) {
        Standing::Held { hold, .. } => (Some(hold), false),
        standing => (None, standing == Standing::Lost),
    };
    Alarm {
        hold,
        lost,
        name: name.to_owned(),
        state: alarm.state_value().map_or("UNKNOWN", |state| state.as_str()).to_owned(),
        reason: alarm.state_reason().unwrap_or_default().to_owned(),
        since: alarm
            .state_transitioned_timestamp()
            .or_else(|| alarm.state_updated_timestamp())
            .and_then(|time| time.to_millis().ok()),
    }
}

fn watch(alarm: &MetricAlarm) -> Watch {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let dimension = |one: &Dimension| (text(one.name()), text(one.value()));
    Watch {
        namespace: text(alarm.namespace()),
        metric: text(alarm.metric_name()),
        dimensions: alarm.dimensions().iter().map(dimension).collect(),
        statistic: text(alarm.statistic().map(|statistic| statistic.as_str())),
        comparison: text(alarm.comparison_operator().map(|operator| operator.as_str())),
        threshold: match standing(alarm) {
            Standing::Held { original, .. } => original.threshold,
            _ => alarm.threshold().unwrap_or(0.0),
        },
        period_seconds: alarm.period().unwrap_or(60),
        evaluation_periods: alarm.evaluation_periods().unwrap_or(1),
        treat_missing_data: text(alarm.treat_missing_data()),
    }
}

fn datapoint(point: &Point, statistic: &Statistic) -> Option<Datapoint> {
    let value = match statistic {
        Statistic::Average => point.average(),
        Statistic::Maximum => point.maximum(),
        Statistic::SampleCount => point.sample_count(),
        Statistic::Sum => point.sum(),
        _ => point.minimum(),
    };
    Some(Datapoint {
        time: point.timestamp()?.to_millis().ok()?,
        value: value?,
        samples: point.sample_count().unwrap_or(0.0),
    })
}
