use std::process::ExitCode;

use clap::Args;
use futures::{TryStreamExt, stream};
use gateway::Applied;
use outbox::change;
use outbox::item::{Delivery, Status};
use serde::Serialize;
use serde_dynamo::Item;

use super::send::no_table;
use crate::context::{Context, now_ms};
use crate::error::{Doing, Result};
use crate::ui::text::count;
use crate::ui::{Ui, View};

/// Segments of the table read at once, and adoptions under way at once.
const SEGMENTS: i32 = 4;
const CONCURRENCY: usize = 16;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa reconcile --dry-run\n  disa reconcile\n\nThe whole table is read: for a large one that takes a while, and costs a read unit for every\n8 KB. Run it when `disa status` shows dead letters of the stream."
)]
pub struct Reconcile {
    /// Find, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reconciled {
    /// Items that no index held.
    found: u64,
    /// Of them, those that are in the backlog now, and will be sent.
    adopted: u64,
    /// Of them, those that can never be sent; each has its reason.
    dead: u64,
    /// Dead letters of the stream that are settled by this, and removed.
    dead_letters: u64,
    dry_run: bool,
}

impl Reconcile {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let table_name = context.names.table();
        let (dynamodb, sqs) = (context.clients.dynamodb(), context.clients.sqs());
        let queue = context.names.stream_dead_letters();
        // The letters first: what is put from now on is no matter of theirs.
        let letters = match self.dry_run {
            true => vec![],
            false => sqs.lease_all(&queue).await.doing("read the dead letters of the stream")?,
        };
        let progress = context.ui.progress("reading the table", None);
        let mut result = Reconciled { dry_run: self.dry_run, ..Reconciled::default() };
        let segments = (0..SEGMENTS).map(|segment| Box::pin(dynamodb.undelivered(&table_name, segment, SEGMENTS)));
        let mut items = stream::select_all(segments)
            .try_filter(|item| std::future::ready(Delivery::of(item).is_some_and(|d| d.needs_adoption())))
            .map_ok(|item| self.settle(context, item))
            .try_buffer_unordered(CONCURRENCY);
        loop {
            match items.try_next().await {
                Ok(Some(settled)) => {
                    result.found += 1;
                    match settled {
                        Some(Status::Dead) => result.dead += 1,
                        Some(_) => result.adopted += 1,
                        None => {}
                    }
                    progress.say(&format!("reading the table: {} found", result.found));
                }
                Ok(None) => break,
                Err(error) if error.is("ResourceNotFoundException") => return Err(no_table(context)),
                Err(error) => return Err(error).doing("take the items into the backlog"),
            }
        }
        drop((items, progress));
        result.dead_letters = sqs.remove(&queue, &letters).await.doing("remove the settled dead letters")?;
        context.ui.show(&result)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Takes one item into the backlog, due at once; `None` when that was not asked for, or somebody was first.
    async fn settle(
        &self,
        context: &Context,
        item: Item,
    ) -> std::result::Result<Option<Status>, gateway::ServiceError> {
        let Some(adoption) = change::adopt(&item, now_ms(), 0).filter(|_| !self.dry_run) else { return Ok(None) };
        match context.table().apply(&adoption).await? {
            Applied::Done(Some(item)) => {
                let dead = Delivery::of(&item).is_some_and(|delivery| delivery.is(Status::Dead));
                Ok(Some(if dead { Status::Dead } else { Status::Pending }))
            }
            _ => Ok(None),
        }
    }
}

impl View for Reconciled {
    fn text(&self, _: &Ui) -> String {
        let found = format!("Found {} that no index held", count(self.found, "item"));
        if self.dry_run {
            return format!("{found}; nothing was changed");
        }
        format!(
            "{found}: {} in the backlog now, {} dead. Removed {} of the stream.",
            self.adopted,
            self.dead,
            count(self.dead_letters, "dead letter")
        )
    }
}
