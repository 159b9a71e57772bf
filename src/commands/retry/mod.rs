pub mod now;
mod run;

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub enum Retry {
    /// Send failed messages again, now
    Now(now::Now),
}

impl Retry {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Retry::Now(command) => command.run(context).await,
        }
    }
}
