pub mod export;
pub mod stats;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use outbox::item::Status;

use crate::commands::list::Rows;
use crate::context::Context;
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub enum Failed {
    /// List failed messages, through the backlog index
    List(List),
    /// What they suffer from: by error, by age, by attempts
    Stats(stats::Stats),
    /// Write them, with their texts, as JSON lines
    Export(export::Export),
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa failed list\n  disa failed list --error notfound --since 2h\n  disa failed list --attempts 5.. --sort attempts --limit 20\n  disa failed list -o jsonl | jq -r .sequenceNo"
)]
pub struct List {
    #[command(flatten)]
    rows: Rows,
}

impl Failed {
    pub fn has_rows(&self) -> bool {
        matches!(self, Failed::List(_))
    }

    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Failed::List(List { rows }) => rows.run(context, &[Status::Failure]).await,
            Failed::Stats(command) => command.run(context, &[Status::Failure]).await,
            Failed::Export(command) => command.run(context, &[Status::Failure]).await,
        }
    }
}
