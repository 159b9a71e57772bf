pub mod now;
mod run;
pub mod schedule;

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub enum Retry {
    /// Send failed messages again, now
    Now(now::Now),
    /// Stop sending again by schedule
    Pause(schedule::Pause),
    /// Send again by schedule as before
    Resume(schedule::Resume),
    /// When messages are sent again by themselves, and how to change that
    Schedule(schedule::Schedule),
}

impl Retry {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Retry::Now(command) => command.run(context).await,
            Retry::Pause(command) => command.run(context).await,
            Retry::Resume(command) => command.run(context).await,
            Retry::Schedule(command) => command.run(context).await,
        }
    }
}
