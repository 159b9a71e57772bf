use std::process::ExitCode;

use clap::Args;
use outbox::names::Alarm as Name;
use serde::Serialize;

use super::{Which, meaning, next, no_alarm, tone};
use crate::aws::cloudwatch::{Alarm, Datapoint, Watch};
use crate::context::{Context, now_ms};
use crate::error::{Doing, Result};
use crate::ui::listing::one_line;
use crate::ui::table::{facts, table};
use crate::ui::{Ui, View};

/// How far back datapoints are shown, in periods of the alarm.
const PERIODS: i64 = 10;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa alarm show\n  disa alarm show oldest\n  disa alarm show -o json | jq .datapoints\n\nThe first alarm is the breaker: in ALARM nothing is sent but one probe at a time. Silence leaves it as it is."
)]
pub struct Show {
    /// This alarm
    #[arg(value_name = "ALARM", value_enum, default_value = "breaker")]
    alarm: Which,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(skip)]
    which: Name,
    #[serde(flatten)]
    alarm: Alarm,
    /// What to run next, in ALARM.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    watch: Watch,
    /// Of the last ten periods, the latest first; none for a period in which nothing was measured.
    datapoints: Vec<Datapoint>,
}

impl Show {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let (which, cloudwatch) = (self.alarm.alarm(), context.clients.cloudwatch());
        let found = cloudwatch.watched(&context.names.alarm_of(which)).await.doing("look at the alarm")?;
        let (alarm, watch) = found.ok_or_else(|| no_alarm(context, which))?;
        let until = now_ms();
        let since = until - PERIODS * i64::from(watch.period_seconds) * 1_000;
        let datapoints = cloudwatch.datapoints(&watch, since, until).await.doing("read the alarm's datapoints")?;
        let next = alarm.is_open().then(|| context.again(next(which)));
        context.ui.show(&Shown { which, alarm, next, watch, datapoints })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl View for Shown {
    fn text(&self, ui: &Ui) -> String {
        let Shown { which, alarm, next, watch, datapoints } = self;
        let (when, unit) = match which {
            Name::Breaker => ("Opens when", "PUBLISHES"),
            _ => ("ALARM when", "SAMPLES"),
        };
        let mut rows = vec![
            ("Alarm", alarm.name.clone()),
            ("State", format!("{}, {}", ui.paint(tone(&alarm.state), &alarm.state), meaning(*which, &alarm.state))),
        ];
        rows.extend(alarm.since.map(|since| ("Since", ui.time(since))));
        rows.extend(Some(one_line(&alarm.reason)).filter(|reason| !reason.is_empty()).map(|reason| ("Reason", reason)));
        rows.extend(next.as_ref().map(|next| ("Next", format!("`{next}`"))));
        rows.push(("Metric", format!("{} {}", watch.namespace, watch.metric)));
        rows.push((
            when,
            format!(
                "{} {} {} in {} of {} s",
                watch.statistic,
                comparison(&watch.comparison),
                watch.threshold,
                match watch.evaluation_periods {
                    1 => "a period".to_owned(),
                    periods => format!("{periods} periods"),
                },
                watch.period_seconds
            ),
        ));
        rows.extend(
            Some(watch.treat_missing_data.clone()).filter(|how| !how.is_empty()).map(|how| ("Without data", how)),
        );
        let points = datapoints.iter().map(|point| {
            let bad = match watch.comparison.as_str() {
                "GreaterThanOrEqualToThreshold" => point.value >= watch.threshold,
                "GreaterThanThreshold" => point.value > watch.threshold,
                _ => false,
            };
            let value = ui.paint(tone(if bad { "ALARM" } else { "OK" }), &point.value.to_string());
            vec![ui.time(point.time), value, point.samples.to_string()]
        });
        let points = match datapoints.is_empty() {
            true => format!("No datapoints in the last {PERIODS} periods."),
            false => table(&["PERIOD", &watch.statistic.to_uppercase(), unit], points),
        };
        format!("{}\n\n{points}", facts(rows))
    }
}

fn comparison(operator: &str) -> &str {
    match operator {
        "GreaterThanOrEqualToThreshold" => ">=",
        "GreaterThanThreshold" => ">",
        "LessThanOrEqualToThreshold" => "<=",
        "LessThanThreshold" => "<",
        other => other,
    }
}
