//! What a verb for many messages would do: before the question, and instead of it.

use futures::TryStreamExt;
use outbox::EpochMs;
use outbox::item::Status;

use super::list::unreadable;
use super::selection::{Selected, Selection};
use crate::context::Context;
use crate::error::Result;
use crate::outbox::stats::Counter;
use crate::outbox::tally::Skipped;
use crate::outbox::view::MessageView;

/// Of what they suffer so many kinds are told.
const KINDS: usize = 5;

#[derive(Debug, Default)]
pub struct Preview {
    /// How many messages are meant.
    pub found: u64,
    /// Those that were asked for and are not to be had.
    pub skipped: Vec<Skipped>,
}

/// Counts the messages that are meant and that the verb can take, and tells what they suffer from.
pub async fn preview(
    context: &Context,
    selection: &Selection,
    statuses: &[Status],
    now: EpochMs,
    takes: impl Fn(&MessageView) -> bool,
) -> Result<Preview> {
    let table = context.table();
    let mut messages = selection.stream(&table, statuses);
    let (mut preview, mut counter) = (Preview::default(), Counter::new(now));
    let progress = context.ui.progress("counting", None);
    while let Some(selected) = messages.try_next().await.map_err(|error| unreadable(context, error))? {
        match selected {
            Selected::Message(message) if takes(&message) => {
                preview.found += 1;
                counter.push(&message);
            }
            Selected::Message(_) => {}
            Selected::Not(sequence_no, reason) => preview.skipped.push(Skipped { sequence_no, reason }),
        }
    }
    drop(progress);
    let kinds = counter.finish().by_error;
    for kind in kinds.iter().take(KINDS) {
        let error = format!("{} {}", kind.class, kind.code);
        let text = if kind.text.is_empty() { String::new() } else { format!(": {}", kind.text) };
        context.ui.note(&format!("{:>8}  {}{text}", kind.count, error.trim()));
    }
    let untold: u64 = kinds.iter().skip(KINDS).map(|kind| kind.count).sum();
    if untold > 0 {
        context.ui.note(&format!("{untold:>8}  of other kinds"));
    }
    Ok(preview)
}
