pub mod list;

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub enum Failed {
    /// List undelivered messages, through the backlog index
    List(list::List),
}

impl Failed {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Failed::List(command) => command.run(context).await,
        }
    }
}
