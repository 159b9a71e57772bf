use std::process::ExitCode;

use clap::Args;
use outbox::hold::{Hold, Position};
use outbox::names::Alarm as Name;
use serde::Serialize;

use super::words::{effect, next, told};
use crate::commands::alarm::show::{Shown as Seen, look};
use crate::context::{Context, now_ms};
use crate::error::{Doing, Result};
use crate::ui::table::facts;
use crate::ui::text::{count, iso, span};
use crate::ui::{Tone, Ui, View};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa breaker show\n  disa breaker show -o json | jq .hold\n\nThe breaker is a CloudWatch alarm; `disa alarm history` lists the changes of its state."
)]
pub struct Show {}

/// How the breaker stands, after what was done to it if anything was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    breaker: Position,
    #[serde(flatten)]
    pub seen: Seen,
    /// What happens by itself.
    next: &'static str,
    /// What stands in the way of that.
    warnings: Vec<String>,
    /// The hold that gave way to the new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Hold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<Hold>,
    /// Executions that began before the breaker was opened: what they carry may still be sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub under_way: Vec<String>,
}

impl Show {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        context.ui.show(&shown(context).await?)?;
        Ok(ExitCode::SUCCESS)
    }
}

pub async fn shown(context: &Context) -> Result<Shown> {
    let (name, scheduler) = (context.names.schedule(), context.clients.scheduler());
    let schedule = async { scheduler.schedule(&name).await.doing("look at the schedule") };
    let (mut seen, schedule) = tokio::try_join!(look(context, Name::Breaker), schedule)?;
    // The breaker says itself what comes next.
    seen.next = None;
    let alarm = &seen.alarm;
    let mut warnings = vec![];
    if schedule.is_none_or(|schedule| schedule.state != "ENABLED") {
        let release = context.again("breaker release");
        warnings.push(match alarm.hold {
            Some(_) => format!("the retry schedule is paused: the hold does not end by itself; `{release}` ends it"),
            None => "the retry schedule is paused: nothing is sent again by itself".to_owned(),
        });
    }
    if alarm.lost {
        warnings.push("the alarm's threshold was changed by hand to one of a hold: the breaker stays as it is".into());
    }
    let breaker = if alarm.is_open() { Position::Open } else { Position::Closed };
    let next = next(alarm.hold.as_ref(), &alarm.state, now_ms());
    Ok(Shown { breaker, next, warnings, seen, replaced: None, released: None, under_way: vec![] })
}

impl Shown {
    fn holding(&self) -> Vec<(&'static str, String)> {
        let Some(hold) = &self.seen.alarm.hold else { return vec![("Breaker", self.breaker.to_string())] };
        let now = now_ms();
        let left = if hold.is_over(now) { "over".to_owned() } else { format!("for {}", span(hold.until - now)) };
        let mut rows = vec![
            ("Breaker", format!("held {}: {}", hold.breaker, effect(hold.breaker))),
            ("Until", format!("{} ({left})", iso(hold.until))),
            ("By", hold.by.clone()),
        ];
        rows.extend(hold.reason.clone().map(|reason| ("Because", reason)));
        rows
    }
}

impl View for Shown {
    fn text(&self, ui: &Ui) -> String {
        let mut rows = self.holding();
        rows[0].1 = ui.paint(if self.breaker == Position::Open { Tone::Bad } else { Tone::Good }, &rows[0].1);
        rows.push(("Next", self.next.to_owned()));
        rows.extend(self.seen.state(ui));
        let mut text = format!("{}\n\n{}", facts(rows), self.seen.points(ui));
        let now = now_ms();
        let mut notes = vec![];
        notes.extend(self.replaced.as_ref().map(|hold| format!("this replaces a hold: {}", told(hold, now))));
        notes.extend(self.released.as_ref().map(|hold| format!("released; it was {}", told(hold, now))));
        if !self.under_way.is_empty() {
            let begun = count(self.under_way.len() as u64, "execution");
            let probe =
                if self.under_way.iter().any(|name| name.starts_with("probe-")) { ", a probe among them" } else { "" };
            notes.push(format!("{begun} began before{probe}: what is past the breaker may still be sent"));
        }
        notes.extend(self.warnings.iter().cloned());
        for note in notes {
            text.push_str(&format!("\n{} {note}", ui.paint(Tone::Warning, "!")));
        }
        text
    }
}
