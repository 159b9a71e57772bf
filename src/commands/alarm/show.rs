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

/// The alarm with what it judges by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    #[serde(skip)]
    which: Name,
    #[serde(flatten)]
    pub alarm: Alarm,
    /// What to run next, in ALARM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    watch: Watch,
    /// Of the last ten periods, the latest first; none for a period in which nothing was measured.
    datapoints: Vec<Datapoint>,
}

impl Show {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        context.ui.show(&look(context, self.alarm.alarm()).await?)?;
        Ok(ExitCode::SUCCESS)
    }
}

pub async fn look(context: &Context, which: Name) -> Result<Shown> {
    let cloudwatch = context.clients.cloudwatch();
    let found = cloudwatch.watched(&context.names.alarm_of(which)).await.doing("look at the alarm")?;
    let (alarm, watch) = found.ok_or_else(|| no_alarm(context, which))?;
    let until = now_ms();
    let since = until - PERIODS * i64::from(watch.period_seconds) * 1_000;
    let datapoints = cloudwatch.datapoints(&watch, since, until).await.doing("read the alarm's datapoints")?;
    let next = alarm.is_open().then(|| context.again(next(which)));
    Ok(Shown { which, alarm, next, watch, datapoints })
}

impl Shown {
    /// The state, since when and why.
    pub fn state(&self, ui: &Ui) -> Vec<(&'static str, String)> {
        let alarm = &self.alarm;
        let meaning = match &alarm.hold {
            Some(hold) => format!("the breaker is held {}", hold.breaker),
            None => meaning(self.which, &alarm.state).to_owned(),
        };
        let mut rows = vec![
            ("Alarm", alarm.name.clone()),
            ("State", format!("{}, {meaning}", ui.paint(tone(&alarm.state), &alarm.state))),
        ];
        rows.extend(alarm.since.map(|since| ("Since", ui.time(since))));
        rows.extend(Some(one_line(&alarm.reason)).filter(|reason| !reason.is_empty()).map(|reason| ("Reason", reason)));
        rows.extend(self.next.as_ref().map(|next| ("Next", format!("`{next}`"))));
        rows
    }

    /// What is judged, and how.
    fn rule(&self) -> Vec<(&'static str, String)> {
        let watch = &self.watch;
        let periods = match watch.evaluation_periods {
            1 => "a period".to_owned(),
            periods => format!("{periods} periods"),
        };
        let when = if self.which == Name::Breaker { "Opens when" } else { "ALARM when" };
        let mut rows = vec![
            ("Metric", format!("{} {}", watch.namespace, watch.metric)),
            (
                when,
                format!(
                    "{} {} {} in {periods} of {} s{}",
                    watch.statistic,
                    comparison(&watch.comparison),
                    watch.threshold,
                    watch.period_seconds,
                    if self.alarm.hold.is_some() { ", but for the hold" } else { "" }
                ),
            ),
        ];
        rows.extend(
            Some(watch.treat_missing_data.clone()).filter(|how| !how.is_empty()).map(|how| ("Without data", how)),
        );
        rows
    }

    pub fn points(&self, ui: &Ui) -> String {
        let Shown { watch, datapoints, .. } = self;
        let points = datapoints.iter().map(|point| {
            let bad = match watch.comparison.as_str() {
                "GreaterThanOrEqualToThreshold" => point.value >= watch.threshold,
                "GreaterThanThreshold" => point.value > watch.threshold,
                _ => false,
            };
            let value = ui.paint(tone(if bad { "ALARM" } else { "OK" }), &point.value.to_string());
            vec![ui.time(point.time), value, point.samples.to_string()]
        });
        let unit = if self.which == Name::Breaker { "PUBLISHES" } else { "SAMPLES" };
        match datapoints.is_empty() {
            true => format!("No datapoints in the last {PERIODS} periods."),
            false => table(&["PERIOD", &watch.statistic.to_uppercase(), unit], points),
        }
    }
}

impl View for Shown {
    fn text(&self, ui: &Ui) -> String {
        format!("{}\n\n{}", facts([self.state(ui), self.rule()].concat()), self.points(ui))
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
