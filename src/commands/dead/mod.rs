pub mod discard;
mod each;
pub mod revive;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use outbox::item::Status;

use crate::commands::failed::{export, stats};
use crate::commands::list::Rows;
use crate::context::Context;
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub enum Dead {
    /// List dead messages, through the backlog index
    List(List),
    /// What they died of: by error, by age, by attempts
    Stats(stats::Stats),
    /// Give them another life: they are sent again, with a fresh budget
    Revive(revive::Revive),
    /// Delete them for ever
    Discard(discard::Discard),
    /// Write them, with their texts, as JSON lines
    Export(export::Export),
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa dead list\n  disa dead list --class rejected -o csv > dead.csv\n  disa dead list --error toolarge --wide"
)]
pub struct List {
    #[command(flatten)]
    rows: Rows,
}

impl Dead {
    pub fn has_rows(&self) -> bool {
        matches!(self, Dead::List(_))
    }

    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Dead::List(List { rows }) => rows.run(context, &[Status::Dead]).await,
            Dead::Stats(command) => command.run(context, &[Status::Dead]).await,
            Dead::Revive(command) => command.run(context).await,
            Dead::Discard(command) => command.run(context).await,
            Dead::Export(command) => command.run(context, &[Status::Dead]).await,
        }
    }
}
