use std::process::ExitCode;

use clap::{Args, ValueEnum};
use futures::{StreamExt, TryStreamExt, stream};
use gateway::{Range, ServiceError, Table};
use outbox::item::{SHARDS, Status};
use serde::Serialize;

use crate::cli::Output;
use crate::commands::send::no_table;
use crate::commands::show::{error_line, tone};
use crate::context::{Context, now_ms};
use crate::error::{Doing, Result};
use crate::outbox::view::MessageView;
use crate::ui::table::table;
use crate::ui::text::{count, relative, span};
use crate::ui::{Ui, View};

/// Shards read at once.
const CONCURRENCY: usize = 8;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa failed list\n  disa failed list --status dead --limit 20\n  disa failed list -o jsonl | jq -r .sequenceNo"
)]
pub struct List {
    /// Which messages
    #[arg(long, value_name = "STATUS", value_enum, ignore_case = true, default_value = "failure")]
    status: Which,
    /// No more than so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// Failed, and waiting to be tried again
    Failure,
    /// Being sent
    Pending,
    /// Given up: their own fault, or the cap
    Dead,
    /// All that is undelivered
    All,
}

#[derive(Debug, Serialize)]
struct Listed {
    items: Vec<MessageView>,
}

impl List {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let statuses: &[Status] = match self.status {
            Which::Failure => &[Status::Failure],
            Which::Pending => &[Status::Pending],
            Which::Dead => &[Status::Dead],
            Which::All => &Status::BACKLOG,
        };
        let table = context.table();
        let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut rows = Box::pin(messages(&table, statuses).take(limit));
        let mut items = vec![];
        loop {
            match rows.try_next().await {
                Ok(Some(row)) if context.ui.output == Output::Jsonl => context.ui.row(&row)?,
                Ok(Some(row)) => items.push(row),
                Ok(None) => break,
                Err(error) if error.is("ResourceNotFoundException") => return Err(no_table(context)),
                Err(error) => return Err(error).doing("read the backlog"),
            }
        }
        if context.ui.output != Output::Jsonl {
            items.sort_by(|a, b| (a.created_at, &a.sequence_no).cmp(&(b.created_at, &b.sequence_no)));
            context.ui.show(&Listed { items })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The messages of the backlog in some statuses: all shards, page by page.
fn messages<'a>(
    table: &'a Table,
    statuses: &'a [Status],
) -> impl stream::Stream<Item = std::result::Result<MessageView, ServiceError>> + 'a {
    let parts = statuses.iter().flat_map(|status| (0..SHARDS).map(move |shard| (*status, shard)));
    let shards = parts.map(move |(status, shard)| {
        let pages = stream::try_unfold(Some(None), move |start| async move {
            let Some(start) = start else { return Ok(None) };
            let page = table.backlog_page(status, shard, Range::All, None, start).await?;
            Ok::<_, ServiceError>(Some((page.items, page.next.map(Some))))
        });
        let views = |items: Vec<serde_dynamo::Item>| {
            stream::iter(items.iter().filter_map(MessageView::of).map(Ok).collect::<Vec<_>>())
        };
        Box::pin(pages.map_ok(views).try_flatten())
    });
    stream::iter(shards).flatten_unordered(CONCURRENCY)
}

impl View for Listed {
    fn text(&self, ui: &Ui) -> String {
        if self.items.is_empty() {
            return "No such messages.".to_owned();
        }
        let now = now_ms();
        let rows = self.items.iter().map(|item| {
            vec![
                item.sequence_no.clone(),
                ui.paint(tone(&item.send_status), &item.send_status),
                item.attempts.to_string(),
                item.created_at.map(|created| span(now - created)).unwrap_or_default(),
                item.due_at.map(|due| relative(due, now)).unwrap_or_default(),
                item.last_error.as_ref().map(error_line).unwrap_or_default(),
            ]
        });
        let rows = table(&["ID", "STATUS", "ATTEMPTS", "AGE", "DUE", "LAST ERROR"], rows);
        format!("{rows}\n{}", count(self.items.len() as u64, "message"))
    }
}
