//! What is done to dead messages one by one: each is one conditional change.

use std::process::ExitCode;

use futures::TryStreamExt;
use gateway::Applied;
use outbox::change::Change;
use outbox::item::{Delivery, Status};
use serde::Serialize;

use crate::commands::list::unreadable;
use crate::commands::preview::preview;
use crate::commands::selection::{Selected, Selection};
use crate::context::{Context, now_ms};
use crate::error::{Error, Kind, Result};
use crate::outbox::tally::Skipped;
use crate::ui::text::count;
use crate::ui::{Ui, View};

/// Changes under way at once.
const CONCURRENCY: usize = 16;
const STATUSES: [Status; 1] = [Status::Dead];

/// What is to be done with the messages that are meant.
pub struct Verb<'a> {
    /// `revived`.
    pub done: &'static str,
    /// `Revive 3 messages?` begins with it.
    pub question: &'static str,
    /// It cannot be taken back: where nobody can be asked it must be said.
    pub is_final: bool,
    pub dry_run: bool,
    pub yes: bool,
    pub change: &'a dyn Fn(&Delivery) -> Option<Change>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// What was to be done: `revived`, `discarded`.
    verb: &'static str,
    dry_run: bool,
    found: u64,
    done: u64,
    /// Asked for and not dead, or changed meanwhile.
    skipped: Vec<Skipped>,
    /// What to do next.
    #[serde(skip)]
    pub next: Option<String>,
}

/// Does it to all that are meant, after a look at how many they are.
pub async fn each(context: &Context, selection: &mut Selection, verb: &Verb<'_>) -> Result<Done> {
    selection.check()?;
    let mut done = Done { verb: verb.done, dry_run: verb.dry_run, ..Done::default() };
    let asks = context.ui.can_ask() && !verb.yes;
    if verb.is_final && !asks && !verb.yes && !verb.dry_run {
        return Err(Error::usage("this cannot be taken back, and there is nobody to ask").hint("say so: `--yes`"));
    }
    if asks || verb.dry_run {
        let known = preview(context, selection, &STATUSES, now_ms(), |_| true).await?;
        done.found = known.found;
        if verb.dry_run || done.found == 0 {
            done.skipped = known.skipped;
            return Ok(done);
        }
        if !context.ui.confirm(&format!("{} {}?", verb.question, count(done.found, "message"))) {
            return Err(Error::failed("nothing was changed"));
        }
    }
    done.found = 0;
    let progress = context.ui.progress(verb.done, None);
    let table = context.table();
    let mut changes = selection
        .stream(&table, &STATUSES)
        .map_ok(|selected| async {
            let message = match selected {
                Selected::Message(message) => message,
                Selected::Not(id, why) => return Ok((id, Some(why))),
            };
            let Some(change) = (verb.change)(&Delivery::from(&message)) else {
                return Ok((message.sequence_no, Some("it is not Dead".to_owned())));
            };
            let refused = matches!(table.apply(&change).await?, Applied::Refused(_));
            Ok((message.sequence_no, refused.then(|| "it was changed meanwhile".to_owned())))
        })
        .try_buffer_unordered(CONCURRENCY);
    while let Some((sequence_no, skipped)) = changes.try_next().await.map_err(|error| unreadable(context, error))? {
        done.found += 1;
        match skipped {
            None => done.done += 1,
            Some(reason) => done.skipped.push(Skipped { sequence_no, reason }),
        }
        progress.say(&format!("{}: {}", verb.done, done.done));
    }
    Ok(done)
}

impl Done {
    pub fn exit(&self) -> ExitCode {
        match () {
            () if self.skipped.is_empty() || self.dry_run => ExitCode::SUCCESS,
            () if self.done == 0 => ExitCode::from(Kind::Failed as u8),
            () => ExitCode::from(Kind::Partial as u8),
        }
    }
}

impl View for Done {
    fn text(&self, _: &Ui) -> String {
        let mut lines = vec![match self.dry_run {
            true => format!("{} would be {}; nothing was changed", count(self.found, "message"), self.verb),
            false => format!("{} {}", count(self.done, "message"), self.verb),
        }];
        lines.extend(self.skipped.iter().map(|skipped| format!("Skipped {}: {}", skipped.sequence_no, skipped.reason)));
        lines.extend(self.next.clone().filter(|_| self.done > 0));
        lines.join("\n")
    }
}
