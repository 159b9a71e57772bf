pub mod history;
pub mod list;
pub mod show;

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use outbox::names::Alarm as Name;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ui::Tone;

#[derive(Debug, Subcommand)]
pub enum Alarm {
    /// List all alarms with their states
    List(list::List),
    /// Show one: its state, since when and why, and the latest datapoints
    Show(show::Show),
    /// List the changes of its state, the latest first
    History(history::History),
}

/// Which of the alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Nothing gets through to SNS
    Breaker,
    /// Messages are dead
    Dead,
    /// A message waits too long, or the retry function does not run
    Oldest,
    /// Batches of the stream were given up
    StreamDeadLetters,
    /// Runs of the schedule were lost
    ScheduleDeadLetters,
}

impl Which {
    fn alarm(self) -> Name {
        match self {
            Which::Breaker => Name::Breaker,
            Which::Dead => Name::Dead,
            Which::Oldest => Name::Oldest,
            Which::StreamDeadLetters => Name::StreamDeadLetters,
            Which::ScheduleDeadLetters => Name::ScheduleDeadLetters,
        }
    }
}

impl Alarm {
    pub fn has_rows(&self) -> bool {
        matches!(self, Alarm::List(_) | Alarm::History(_))
    }

    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Alarm::List(command) => command.run(context).await,
            Alarm::Show(command) => command.run(context).await,
            Alarm::History(command) => command.run(context).await,
        }
    }
}

pub fn no_alarm(context: &Context, alarm: Name) -> Error {
    let name = context.names.alarm_of(alarm);
    let error = match alarm {
        Name::Breaker => Error::failed(format!("there is no alarm `{name}` here: nothing opens the breaker")),
        _ => Error::failed(format!("there is no alarm `{name}` here")),
    };
    error.hint(format!("deploy it: `{}`", context.again("deploy")))
}

/// The tone of an alarm's state, everywhere the same.
fn tone(state: &str) -> Tone {
    match state {
        "OK" => Tone::Good,
        "ALARM" | list::MISSING => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// What an alarm's state means, in words.
fn meaning(alarm: Name, state: &str) -> &'static str {
    match (alarm, state) {
        (Name::Breaker, "ALARM") => "the breaker is open: one probe at a time goes out",
        (Name::Breaker, "OK") => "the breaker is closed",
        (Name::Breaker, _) => "the breaker is closed: nothing was published yet",
        (Name::Dead, "ALARM") => "messages are dead",
        (Name::Dead, "OK") => "no message is dead",
        (Name::Oldest, "ALARM") => "a message waits too long, or the retry function does not run",
        (Name::Oldest, "OK") => "no message waits too long",
        (Name::StreamDeadLetters, "ALARM") => "batches of the stream were given up",
        (Name::ScheduleDeadLetters, "ALARM") => "runs of the schedule were lost",
        (_, "OK") => "the queue is empty",
        _ => "nothing was measured yet",
    }
}

/// The command that goes on from an alarm.
fn next(alarm: Name) -> &'static str {
    match alarm {
        Name::Breaker => "status",
        Name::Oldest => "failed stats",
        Name::Dead => "dead list",
        Name::StreamDeadLetters => "reconcile",
        Name::ScheduleDeadLetters => "logs retry",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_has_every_alarm_and_the_words_are_the_same() {
        let words: Vec<_> = Which::value_variants().iter().filter_map(|one| one.to_possible_value()).collect();
        let words: Vec<_> = words.iter().map(|word| word.get_name()).collect();
        assert_eq!(words, Name::ALL.map(Name::word));
        let alarms: Vec<_> = Which::value_variants().iter().map(|one| one.alarm()).collect();
        assert_eq!(alarms, Name::ALL);
    }
}
