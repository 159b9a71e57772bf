pub mod history;
pub mod show;

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ui::Tone;

#[derive(Debug, Subcommand)]
pub enum Alarm {
    /// Show the breaker: its state, since when and why, and the latest datapoints
    Show(show::Show),
    /// List the changes of its state, the latest first
    History(history::History),
}

impl Alarm {
    pub fn has_rows(&self) -> bool {
        matches!(self, Alarm::History(_))
    }

    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Alarm::Show(command) => command.run(context).await,
            Alarm::History(command) => command.run(context).await,
        }
    }
}

pub fn no_alarm(context: &Context) -> Error {
    Error::failed(format!("there is no alarm `{}` here: nothing opens the breaker", context.names.alarm()))
        .hint(format!("deploy it: `{}`", context.again("deploy")))
}

/// The tone of an alarm's state, everywhere the same.
fn tone(state: &str) -> Tone {
    match state {
        "OK" => Tone::Good,
        "ALARM" => Tone::Bad,
        _ => Tone::Plain,
    }
}
