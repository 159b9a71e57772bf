use std::process::ExitCode;

use clap::Args;
use outbox::change;

use super::each::{Verb, each};
use crate::commands::selection::Selection;
use crate::context::Context;
use crate::error::Result;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa dead discard --id order-66\n  disa dead discard --class rejected --until 30d --dry-run\n  disa dead export > kept.jsonl && disa dead discard --yes\n\nOnly messages that are Dead at that moment are deleted."
)]
pub struct Discard {
    #[command(flatten)]
    selection: Selection,
    /// Count, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Discard {
    pub async fn run(mut self, context: &Context) -> Result<ExitCode> {
        let verb = Verb {
            done: "discarded",
            question: "Delete for ever",
            is_final: true,
            dry_run: self.dry_run,
            yes: self.yes,
            change: &|seen| Some(change::discard(&seen.sequence_no)),
        };
        let done = each(context, &mut self.selection, &verb).await?;
        context.ui.show(&done)?;
        Ok(done.exit())
    }
}
