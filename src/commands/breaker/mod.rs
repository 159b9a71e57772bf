pub mod close;
mod hold;
pub mod open;
pub mod release;
pub mod show;
pub mod words;

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub enum Breaker {
    /// Show how it stands, since when and why, who holds it, and what happens next
    Show(show::Show),
    /// Hold it open for a while: nothing is sent
    Open(open::Open),
    /// Hold it closed for a while: all is sent, whatever the alarm says
    Close(close::Close),
    /// End a hold before its time
    Release(release::Release),
}

impl Breaker {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Breaker::Show(command) => command.run(context).await,
            Breaker::Open(command) => command.run(context).await,
            Breaker::Close(command) => command.run(context).await,
            Breaker::Release(command) => command.run(context).await,
        }
    }
}
