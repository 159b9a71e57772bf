use std::process::ExitCode;

use clap::Args;
use outbox::change;
use outbox::item::Note;

use super::each::{Verb, each};
use crate::commands::selection::Selection;
use crate::context::{Context, now_ms};
use crate::error::Result;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa dead revive --id order-66\n  disa dead revive --class unknown --reason \"the function is repaired\"\n  disa dead revive --dry-run\n\nThey are due at once: the schedule's next run sends them, or `disa retry now`. One that was rejected for a\nfault of its own dies of it again, unless the fault was put right in the table."
)]
pub struct Revive {
    #[command(flatten)]
    selection: Selection,
    /// Why, for whoever looks at the messages later: stored on them, with who you are
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Count, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Revive {
    pub async fn run(mut self, context: &Context) -> Result<ExitCode> {
        let note = match &self.reason {
            None => None,
            Some(reason) => {
                let by = context.account().await?.caller;
                Some(Note { by, reason: outbox::error::shorten(reason), at: now_ms() })
            }
        };
        let verb = Verb {
            done: "revived",
            question: "Revive",
            is_final: false,
            dry_run: self.dry_run,
            yes: self.yes,
            // No lease: nobody is sending them.
            change: &|seen| {
                let revived = change::revive(seen, now_ms(), 0)?;
                Some(note.iter().fold(revived, |change, note| change.noted(note)))
            },
        };
        let mut done = each(context, &mut self.selection, &verb).await?;
        done.next = Some(format!("They are due: `{}` sends them at once", context.again("retry now")));
        context.ui.show(&done)?;
        Ok(done.exit())
    }
}
