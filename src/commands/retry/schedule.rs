//! The schedule of the retry function: three verbs on one thing.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::aws::scheduler;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::ui::table::facts;
use crate::ui::{Tone, Ui, View};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa retry pause\n  disa retry resume\n\nNew messages are sent as ever; only what fails waits. While the breaker is open nothing closes it by itself:\nthe schedule sends its probes, and ends a hold of the breaker. `disa status` reminds of a pause. The next `disa deploy` that changes the\nschedule ends it; for a pause that lasts: disa deploy --set RetryScheduleState=DISABLED"
)]
pub struct Pause {}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa retry resume")]
pub struct Resume {}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa retry schedule\n  disa retry schedule \"rate(5 minutes)\"\n  disa retry schedule \"cron(0/10 8-18 ? * MON-FRI *)\"\n\nThe stack keeps the value of its own; to change that one: disa deploy --set \"RetrySchedule=rate(5 minutes)\""
)]
pub struct Schedule {
    /// The new expression: rate(…) or cron(…)
    #[arg(value_name = "EXPRESSION", value_parser = expression)]
    expression: Option<String>,
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    schedule: scheduler::Schedule,
}

impl Pause {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        change(context, Some(false), None).await
    }
}

impl Resume {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        change(context, Some(true), None).await
    }
}

impl Schedule {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        change(context, None, self.expression.as_deref()).await
    }
}

async fn change(context: &Context, enabled: Option<bool>, expression: Option<&str>) -> Result<ExitCode> {
    let (name, scheduler) = (context.names.schedule(), context.clients.scheduler());
    let schedule = match (enabled, expression) {
        (None, None) => scheduler.schedule(&name).await.doing("look at the schedule")?,
        _ => scheduler.change(&name, enabled, expression).await.doing("change the schedule")?,
    };
    let Some(schedule) = schedule else {
        return Err(Error::failed(format!("there is no schedule `{name}` here"))
            .hint(format!("deploy it: `{}`", context.again("deploy"))));
    };
    context.ui.show(&Shown { schedule })?;
    Ok(ExitCode::SUCCESS)
}

/// The shape that the stack's parameter has; what is between the brackets EventBridge judges.
fn expression(text: &str) -> std::result::Result<String, String> {
    let inner = ["rate(", "cron("].iter().find_map(|kind| text.trim().strip_prefix(kind)?.strip_suffix(')'));
    let fields = inner.map_or(0, |inner| inner.split_whitespace().count());
    let expected = if text.trim().starts_with("rate") { 2 } else { 6 };
    match fields == expected {
        true => Ok(text.trim().to_owned()),
        false => Err("this is neither rate(VALUE UNIT) nor cron(six fields)".to_owned()),
    }
}

impl View for Shown {
    fn text(&self, ui: &Ui) -> String {
        let schedule = &self.schedule;
        let tone = if schedule.state == "ENABLED" { Tone::Good } else { Tone::Warning };
        facts(vec![
            ("Schedule", schedule.name.clone()),
            ("State", ui.paint(tone, &schedule.state)),
            ("Expression", schedule.expression.clone()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::expression;

    #[test]
    fn an_expression_has_its_shape() {
        for good in ["rate(5 minutes)", "cron(0/10 8-18 ? * MON-FRI *)", " rate(1 day) "] {
            assert!(expression(good).is_ok(), "{good}");
        }
        for bad in ["", "5m", "rate()", "rate(5)", "cron(* * *)", "at(2026-11-24T05:00:00)", "rate(5 minutes"] {
            assert!(expression(bad).is_err(), "{bad}");
        }
    }
}
