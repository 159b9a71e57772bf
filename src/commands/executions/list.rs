use std::process::ExitCode;

use clap::{Args, ValueEnum};
use futures::TryStreamExt;
use outbox::EpochMs;
use serde::Serialize;

use super::{no_state_machine, state_machine_arn};
use crate::aws::sfn::Execution;
use crate::context::{Context, now_ms};
use crate::error::{Doing, Error, Result};
use crate::outbox::input;
use crate::outbox::moment;
use crate::ui::Tone;
use crate::ui::listing::{Cell, Column, Columns, Listing, Row};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa executions list\n  disa executions list --status failed,timed-out --since 2h\n  disa executions list --limit 1000 -o csv > executions.csv"
)]
pub struct List {
    /// Only those of these statuses
    #[arg(long, value_name = "STATUS,...", value_enum, ignore_case = true, value_delimiter = ',')]
    status: Vec<Which>,
    /// Started at this time or later: 2h (ago), 2026-11-24, 2026-11-24T05:00
    #[arg(long, value_name = "TIME", value_parser = moment::argument)]
    since: Option<EpochMs>,
    /// Started before this time
    #[arg(long, value_name = "TIME", value_parser = moment::argument)]
    until: Option<EpochMs>,
    /// No more than so many
    #[arg(long, value_name = "N", default_value = "50", value_parser = input::at_least_one)]
    limit: u64,
    #[command(flatten)]
    columns: Columns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    execution: Execution,
    duration_ms: Option<i64>,
    /// As its name says.
    messages: Option<i64>,
}

impl Which {
    fn as_str(self) -> &'static str {
        match self {
            Which::Running => "RUNNING",
            Which::Succeeded => "SUCCEEDED",
            Which::Failed => "FAILED",
            Which::TimedOut => "TIMED_OUT",
            Which::Aborted => "ABORTED",
        }
    }
}

impl List {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        moment::in_order(self.since, self.until)?;
        let (arn, sfn) = (state_machine_arn(context).await?, context.clients.sfn());
        let mut listing = Listing::new(&context.ui, &self.columns)?;
        // The service takes one status; several are chosen among all.
        let one = if let [one] = self.status[..] { Some(one.as_str()) } else { None };
        let mut found = std::pin::pin!(sfn.executions(&arn, one));
        let (mut left, mut any) = (self.limit, false);
        while let Some(execution) = next(context, &mut found).await? {
            any = true;
            let started = execution.started.unwrap_or(0);
            // The latest come first: none that follows is younger.
            if left == 0 || self.since.is_some_and(|since| started < since) {
                break;
            }
            let status = self.status.is_empty() || self.status.iter().any(|which| which.as_str() == execution.status);
            if status && self.until.is_none_or(|until| started < until) {
                listing.push(Listed::of(execution))?;
                left -= 1;
            }
        }
        // The local engine lists none for a state machine that is not there.
        if !any && !sfn.exists(&arn).await.doing("look at the state machine")? {
            return Err(no_state_machine(context));
        }
        listing.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn next<S>(context: &Context, found: &mut std::pin::Pin<&mut S>) -> Result<Option<Execution>>
where
    S: futures::Stream<Item = std::result::Result<Execution, gateway::ServiceError>>,
{
    match found.try_next().await {
        Err(error) if error.is("StateMachineDoesNotExist") => Err(no_state_machine(context)),
        Err(error) if error.is("InvalidToken") => {
            Err(Error::service("the list of executions went stale while it was read", &error)
                .hint("run the command again; `--since` makes it shorter"))
        }
        answer => answer.doing("list the executions"),
    }
}

impl Listed {
    fn of(execution: Execution) -> Listed {
        let ended = execution.stopped.or_else(|| execution.is_running().then(now_ms));
        Listed {
            duration_ms: execution.started.zip(ended).map(|(started, ended)| ended - started),
            messages: carried(&execution.name),
            execution,
        }
    }
}

/// How many messages an execution carries, by its name: `stream-12-…`, `retry-1-…`, `probe-…`.
fn carried(name: &str) -> Option<i64> {
    match name.split_once('-')? {
        ("probe", _) => Some(1),
        (_, rest) => rest.split_once('-')?.0.parse().ok(),
    }
}

/// The tone of an execution's status, everywhere the same.
pub fn tone(status: &str) -> Tone {
    match status {
        "SUCCEEDED" => Tone::Good,
        "RUNNING" | "PENDING_REDRIVE" => Tone::Plain,
        _ => Tone::Bad,
    }
}

impl Row for Listed {
    const NOUN: &'static str = "execution";
    const COLUMNS: &'static [Column] = &[
        Column::usual("name"),
        Column::usual("status"),
        Column::usual("started"),
        Column::usual("duration"),
        Column::roomy("messages"),
        Column::asked("stopped"),
        Column::asked("arn"),
    ];

    fn cell(&self, column: &str) -> Cell {
        let execution = &self.execution;
        match column {
            "name" => Cell::Text(execution.name.clone()),
            "status" => Cell::Toned(tone(&execution.status), execution.status.clone()),
            "started" => execution.started.map_or(Cell::Empty, Cell::Time),
            "duration" => self.duration_ms.map_or(Cell::Empty, Cell::Span),
            "messages" => self.messages.map_or(Cell::Empty, Cell::Number),
            "stopped" => execution.stopped.map_or(Cell::Empty, Cell::Time),
            _ => Cell::Text(execution.arn.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_many_messages_there_are() {
        let cases = [
            ("stream-12-0f", Some(12)),
            ("manual-1-ab-c", Some(1)),
            ("probe-179546134", Some(1)),
            ("by-hand", None),
            ("x", None),
        ];
        for (name, expected) in cases {
            assert_eq!(carried(name), expected, "{name}");
        }
    }
}
