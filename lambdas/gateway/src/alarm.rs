//! The breaker's alarm as it is changed: read whole, and written back whole.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use outbox::EpochMs;
use outbox::hold::{Position, Settings};

use crate::{ServiceError, describe};

#[derive(Clone, Debug)]
pub struct Alarm {
    client: Client,
    name: String,
}

/// An alarm as it was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What a hold changes.
    pub settings: Settings,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// When the state last changed.
    pub since: Option<EpochMs>,
    whole: MetricAlarm,
}

impl Alarm {
    pub fn new(client: Client, name: impl Into<String>) -> Alarm {
        Alarm { client, name: name.into() }
    }

    /// `None` when there is no such alarm.
    pub async fn read(&self) -> Result<Option<Reading>, ServiceError> {
        let request = self.client.describe_alarms().alarm_names(&self.name);
        let answer = request.send().await.map_err(|error| describe(&error))?;
        Ok(answer.metric_alarms.unwrap_or_default().into_iter().next().map(Reading::of))
    }

    /// Changes an alarm's settings and nothing else. PutMetricAlarm leaves the state as it is and overwrites all
    /// the rest (CloudWatch API reference), so what was read is written back; tags are none of it.
    pub async fn write(&self, reading: &Reading, settings: &Settings) -> Result<(), ServiceError> {
        let found = reading.whole.clone();
        self.client
            .put_metric_alarm()
            .alarm_name(&self.name)
            .set_alarm_description(settings.description.clone())
            .threshold(settings.threshold)
            .set_actions_enabled(found.actions_enabled)
            .set_ok_actions(found.ok_actions)
            .set_alarm_actions(found.alarm_actions)
            .set_insufficient_data_actions(found.insufficient_data_actions)
            .set_metric_name(found.metric_name)
            .set_namespace(found.namespace)
            .set_statistic(found.statistic)
            .set_extended_statistic(found.extended_statistic)
            .set_dimensions(found.dimensions)
            .set_period(found.period)
            .set_unit(found.unit)
            .set_evaluation_periods(found.evaluation_periods)
            .set_datapoints_to_alarm(found.datapoints_to_alarm)
            .set_comparison_operator(found.comparison_operator)
            .set_treat_missing_data(found.treat_missing_data)
            .set_evaluate_low_sample_count_percentile(found.evaluate_low_sample_count_percentile)
            // An empty list beside a metric's name would be two definitions of what is watched.
            .set_metrics(found.metrics.filter(|metrics| !metrics.is_empty()))
            .set_threshold_metric_id(found.threshold_metric_id)
            .set_evaluation_window(found.evaluation_window)
            .set_warm_up_configuration(found.warm_up_configuration)
            .set_evaluation_criteria(found.evaluation_criteria)
            .set_evaluation_interval(found.evaluation_interval)
            .set_action_configuration(found.action_configuration)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| describe(&error))
    }

    /// Sets the state, until the alarm is evaluated with data again.
    pub async fn set(&self, position: Position, reason: &str) -> Result<(), ServiceError> {
        let state = match position {
            Position::Open => StateValue::Alarm,
            Position::Closed => StateValue::Ok,
        };
        let request = self.client.set_alarm_state().alarm_name(&self.name).state_value(state).state_reason(reason);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }
}

impl Reading {
    fn of(alarm: MetricAlarm) -> Reading {
        let since = alarm.state_transitioned_timestamp().or_else(|| alarm.state_updated_timestamp());
        Reading {
            settings: Settings {
                threshold: alarm.threshold().unwrap_or_default(),
                description: alarm.alarm_description().map(str::to_owned),
            },
            state: alarm.state_value().map_or("UNKNOWN", StateValue::as_str).to_owned(),
            since: since.and_then(|time| time.to_millis().ok()),
            whole: alarm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{binary_answers, bodies};
    use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder;
    use aws_sdk_cloudwatch::types::{
        ActionConfiguration, AlarmPromQlCriteria, AlarmTagsPropagation, ComparisonOperator, Dimension,
        EvaluationCriteria, EvaluationWindow, Metric, MetricDataQuery, MetricStat, StandardUnit, Statistic,
        WallClockWindow, WarmUpConfiguration,
    };
    use outbox::hold::{Hold, Standing};

    /// An alarm with all that one can have, whether together or not.
    fn everything(client: &Client) -> PutMetricAlarmFluentBuilder {
        let dimension = |name: &str| Dimension::builder().name(name).value("v").build();
        let metric = Metric::builder().namespace("n").metric_name("m").dimensions(dimension("d")).build();
        let stat = MetricStat::builder().metric(metric).period(60).stat("Minimum").build();
        let window = WallClockWindow::builder().timezone("UTC").build();
        let warm_up = WarmUpConfiguration::builder().warm_up_period_duration_in_minutes(5).build();
        let criteria = AlarmPromQlCriteria::builder().query("up == 0").build();
        let actions = ActionConfiguration::builder()
            .alarm_tags_propagation(AlarmTagsPropagation::builder().enabled(true).build())
            .build();
        client
            .put_metric_alarm()
            .alarm_name("a")
            .alarm_description("In ALARM nothing is sent.")
            .actions_enabled(false)
            .ok_actions("arn:ok")
            .alarm_actions("arn:alarm")
            .alarm_actions("arn:alarm-2")
            .insufficient_data_actions("arn:insufficient")
            .metric_name("sns-send-status-code")
            .namespace("Disa")
            .statistic(Statistic::Minimum)
            .extended_statistic("p99")
            .dimensions(dimension("Outbox"))
            .dimensions(dimension("Other"))
            .period(120)
            .unit(StandardUnit::None)
            .evaluation_periods(5)
            .datapoints_to_alarm(3)
            .threshold(300.5)
            .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
            .treat_missing_data("ignore")
            .evaluate_low_sample_count_percentile("evaluate")
            .metrics(MetricDataQuery::builder().id("q").metric_stat(stat).return_data(true).build())
            .threshold_metric_id("t")
            .evaluation_interval(60)
            .evaluation_window(EvaluationWindow::WallClockWindow(window))
            .warm_up_configuration(warm_up)
            .evaluation_criteria(EvaluationCriteria::PromQlCriteria(criteria))
            .action_configuration(actions)
    }

    /// What an update with these settings would send, and what describing the alarm afterwards would answer: the
    /// names of the fields are the same.
    async fn update(threshold: f64, description: &str) -> (Vec<u8>, Vec<u8>) {
        let (config, client) = binary_answers(&[(200, b"")]).await;
        let request = everything(&Client::new(&config)).threshold(threshold).alarm_description(description);
        let _ = request.send().await;
        let sent = bodies(&client).remove(0);
        // CBOR: a map of one, a text of 12, a list of one (RFC 8949).
        let described = [b"\xa1\x6cMetricAlarms\x81".as_slice(), &sent].concat();
        (sent, described)
    }

    #[tokio::test]
    async fn a_hold_and_its_end_change_two_settings_and_keep_all_the_rest() {
        let (free, free_described) = update(300.5, "In ALARM nothing is sent.").await;
        let hold = Hold { breaker: Position::Open, until: 0, by: "me".into(), reason: None };
        let text = r#"disa hold {"breaker":"open","until":"1970-01-01T00:00:00Z","by":"me","threshold":300.5} In ALARM nothing is sent."#;
        let (held, held_described) = update(0.0, text).await;

        let (config, client) =
            binary_answers(&[(200, &free_described), (200, b""), (200, &held_described), (200, b"")]).await;
        let alarm = Alarm::new(Client::new(&config), "a");
        let found = alarm.read().await.expect("an answer").expect("an alarm");
        let _ = alarm.write(&found, &found.settings.held(&hold).expect("it fits")).await;
        let found = alarm.read().await.expect("an answer").expect("an alarm");
        let Standing::Held { original, .. } = found.settings.standing() else { panic!("{found:?}") };
        let _ = alarm.write(&found, &original).await;
        let sent = bodies(&client);
        for (sent, expected) in [(&sent[1], &held), (&sent[3], &free)] {
            assert_eq!(String::from_utf8_lossy(sent), String::from_utf8_lossy(expected));
            assert!(sent == expected);
        }
    }

    #[tokio::test]
    async fn a_missing_alarm_is_none() {
        let (config, _) = binary_answers(&[(200, b"\xa1\x6cMetricAlarms\x80")]).await;
        assert!(Alarm::new(Client::new(&config), "a").read().await.expect("an answer").is_none());
    }
}
