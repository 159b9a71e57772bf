use std::process::ExitCode;

use clap::Args;
use outbox::EpochMs;
use outbox::hold::Hold;
use outbox::item::Status;
use serde::Serialize;

use super::run::{Options, Run};
use crate::commands::breaker::words::told;
use crate::commands::preview::preview;
use crate::commands::selection::Selection;
use crate::commands::show::error_line;
use crate::context::{Context, now_ms};
use crate::error::{Error, Kind, Result};
use crate::outbox::input;
use crate::outbox::pace::{Rate, percent, rate};
use crate::outbox::tally::Tally;
use crate::outbox::view::MessageView;
use crate::ui::table::table;
use crate::ui::text::count;
use crate::ui::{Tone, Ui, View};

/// What a retry may take: failed messages, and those whose lease is over.
pub const STATUSES: [Status; 2] = [Status::Failure, Status::Pending];

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa retry now\n  disa retry now --dry-run\n  disa retry now --id order-66 --id order-67\n  disa retry now --error throttled --since 2h --rate 50/s --reason \"the quota was raised\"\n  disa retry now --stop-when-failing 50%\n\nAn attempt by hand costs a message nothing of its budget. Run the command again to go on where it stopped.\nWhile the breaker is open one message goes out as a probe; when it is delivered the breaker closes.\nWhile it is held open (`disa breaker show`) nothing is sent."
)]
pub struct Now {
    #[command(flatten)]
    selection: Selection,
    /// No more than so many
    #[arg(long, value_name = "N", value_parser = input::at_least_one)]
    max: Option<u64>,
    /// No faster: 50/s, 90/m
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<Rate>,
    /// Stop when such a share of what was tried fails again
    #[arg(long, value_name = "SHARE", value_parser = percent)]
    stop_when_failing: Option<f64>,
    /// Why, for whoever looks at the messages later: stored on them, with who you are
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Count, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retried {
    #[serde(flatten)]
    pub tally: Tally,
    pub dry_run: bool,
    pub breaker_open: bool,
    pub probe: Option<String>,
    /// Of a breaker that is held open.
    pub hold: Option<Hold>,
    /// Why it ended before all were tried.
    pub stopped: Option<String>,
}

impl Now {
    pub async fn run(mut self, context: &Context) -> Result<ExitCode> {
        self.selection.check()?;
        let before = now_ms();
        // Asked only where somebody reads the answer: it reads the backlog once more.
        let known = match self.dry_run || (context.ui.can_ask() && !self.yes) || context.ui.is_live() {
            true => Some(preview(context, &self.selection, &STATUSES, before, |m| is_free(m, before)).await?),
            false => None,
        };
        if self.dry_run {
            let known = known.unwrap_or_default();
            let tally = Tally { remaining: self.wanted(known.found), skipped: known.skipped, ..Tally::default() };
            let retried = Retried { tally, dry_run: true, ..Retried::default() };
            context.ui.show(&retried)?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(known) = known.as_ref().filter(|known| known.found > 1 && context.ui.can_ask() && !self.yes)
            && !context.ui.confirm(&format!("Try {} again?", count(self.wanted(known.found), "message")))
        {
            return Err(Error::failed("nothing was tried"));
        }
        let options = Options {
            before,
            by_id: !self.selection.ids.is_empty(),
            total: known.map(|known| self.wanted(known.found)),
            max: self.max.unwrap_or(u64::MAX),
            rate: self.rate,
            stop_when_failing: self.stop_when_failing,
            reason: self.reason.clone(),
        };
        context.when_interrupted(
            Error::new(Kind::Interrupted, "interrupted; what was claimed is on its way")
                .hint("run the command again: it goes on with what remains"),
        );
        let retried = Run::new(context, options).await?.all(&self.selection).await?;
        context.ui.show(&retried)?;
        Ok(retried.exit())
    }

    fn wanted(&self, found: u64) -> u64 {
        found.min(self.max.unwrap_or(u64::MAX))
    }
}

/// Whether a retry may take a message: a pending one only when its lease is over.
pub fn is_free(message: &MessageView, before: EpochMs) -> bool {
    message.send_status != Status::Pending.as_str() || message.due_at.is_some_and(|due| due <= before)
}

impl Retried {
    fn exit(&self) -> ExitCode {
        let tally = &self.tally;
        match () {
            () if tally.is_complete() => ExitCode::SUCCESS,
            // All that was asked for could not be had.
            () if tally.claimed == 0 && tally.remaining == 0 && !tally.skipped.is_empty() => {
                ExitCode::from(Kind::Failed as u8)
            }
            () => ExitCode::from(Kind::Partial as u8),
        }
    }
}

impl View for Retried {
    fn text(&self, ui: &Ui) -> String {
        let tally = &self.tally;
        let mut lines = vec![];
        if self.dry_run {
            lines.push(format!("{} would be tried again; nothing was changed", count(tally.remaining, "message")));
        } else {
            let mut line = format!(
                "Claimed {}, started {}: {} delivered, {} failed again, {} remaining",
                count(tally.claimed, "message"),
                count(tally.started, "execution"),
                tally.delivered,
                tally.failed,
                tally.remaining
            );
            if tally.unsettled > 0 {
                line.push_str(&format!(", {} still on their way", tally.unsettled));
            }
            lines.push(line);
        }
        lines.extend(self.stopped.as_ref().map(|why| ui.paint(Tone::Warning, &format!("Stopped: {why}"))));
        if let Some(hold) = &self.hold {
            lines.push(ui.paint(Tone::Warning, &format!("The breaker is {}.", told(hold, now_ms()))));
            lines.push("Nothing is sent, no probe either. To end that now: `disa breaker release`".to_owned());
        } else if self.breaker_open {
            lines.push(ui.paint(
                Tone::Warning,
                "The breaker is open: SNS takes nothing. One message at a time goes out as a probe.",
            ));
            let probe = self.probe.as_deref().unwrap_or("nothing is there to probe with");
            lines.push(format!(
                "Probe: {probe}. When it is delivered the breaker closes: see `disa status`, then run this again."
            ));
        }
        lines
            .extend(tally.skipped.iter().map(|skipped| format!("Skipped {}: {}", skipped.sequence_no, skipped.reason)));
        if !tally.failures.is_empty() {
            let rows = tally.failures.iter().map(|message| {
                let error = message.last_error.as_ref().map(error_line).unwrap_or_default();
                vec![message.sequence_no.clone(), message.send_status.clone(), message.attempts.to_string(), error]
            });
            lines.push(format!("\n{}", table(&["FAILED AGAIN", "STATUS", "ATTEMPTS", "ERROR"], rows)));
            let untold = tally.failed - tally.failures.len() as u64;
            if untold > 0 {
                lines.push(format!("and {untold} more: `disa failed list`"));
            }
        }
        lines.join("\n")
    }
}
