//! All that is known of a message, from where it stands.

use futures::{StreamExt, TryStreamExt, stream};
use outbox::EpochMs;
use outbox::item::{Delivery, Status};
use outbox::names::Function;

use crate::commands::executions;
use crate::commands::logs;
use crate::commands::send::no_table;
use crate::context::Context;
use crate::error::{Doing, Result};
use crate::outbox::history;
use crate::outbox::log::Line;
use crate::outbox::timeline::{Entry, Run, timeline};
use crate::outbox::view::MessageView;

/// The latest executions of a message that are looked at; each is some calls.
const EXECUTIONS: usize = 10;
/// Executions looked at at once.
const CONCURRENCY: usize = 4;
/// Clocks differ: so much before a message was written the logs are read.
const SKEW_MS: i64 = 5_000;
/// So long after a message was delivered something may still be written of it.
const AFTER_MS: i64 = 900_000;

pub struct Story {
    pub item: Option<MessageView>,
    pub entries: Vec<Entry>,
    /// Whether an execution of it runs.
    pub running: bool,
    /// Executions that were not looked at.
    pub left_out: usize,
}

impl Story {
    /// Whether nothing more happens to the message by itself.
    pub fn is_over(&self) -> bool {
        let status = self.item.as_ref().and_then(|item| Status::parse(&item.send_status));
        self.item.is_none() || matches!(status, Some(Status::Successful | Status::Dead))
    }
}

/// `since` is how far back is looked for a message that is not in the table.
pub async fn gather(context: &Context, id: &str, since: EpochMs) -> Result<Story> {
    let stored = match context.table().get(id).await {
        Err(error) if error.is("ResourceNotFoundException") => return Err(no_table(context)),
        answer => answer.doing("read the message")?,
    };
    let delivery = stored.as_ref().and_then(Delivery::of);
    let item = stored.as_ref().and_then(MessageView::of);
    let since = item.as_ref().and_then(|item| item.created_at).map_or(since, |created| created - SKEW_MS);
    let delivered = item.as_ref().filter(|item| item.send_status == Status::Successful.as_str());
    let until = delivered.and_then(|item| item.updated_at).map(|updated| updated + AFTER_MS);
    let aws = context.clients.logs();
    let mut lines: Vec<Line> = logs::lines(context, &aws, &Function::ALL, since, until, Some(id))
        .try_filter(|line| std::future::ready(line.field("sequenceNo") == Some(id)))
        .try_collect()
        .await?;
    let mut names = known(&lines, delivery.as_ref());
    let left_out = names.len().saturating_sub(EXECUTIONS);
    names.drain(..left_out);
    let found: Vec<(Option<Run>, Option<Line>)> = stream::iter(names)
        .map(|name| async move {
            Ok::<_, crate::error::Error>((run(context, &name).await?, start(context, &name, since, until).await?))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let (runs, starts): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let runs: Vec<Run> = runs.into_iter().flatten().collect();
    lines.extend(starts.into_iter().flatten());
    let entries = timeline(id, item.as_ref(), &lines, &runs);
    let running = runs.iter().any(|run| run.tree.ended.is_none());
    Ok(Story { item, entries, running, left_out })
}

/// The names of the executions that are known to have carried it, the earliest first.
fn known(lines: &[Line], delivery: Option<&Delivery>) -> Vec<String> {
    let logged = lines.iter().filter_map(|line| line.field("execution"));
    let failed = delivery.and_then(|d| d.last_error.as_ref()).and_then(|error| error.execution.rsplit(':').next());
    let sender = delivery.and_then(|d| d.sender.as_deref());
    let mut names: Vec<String> = vec![];
    for name in logged.chain(failed).chain(sender) {
        if executions::is_name(name) && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// `None` when the execution is not known any more.
async fn run(context: &Context, name: &str) -> Result<Option<Run>> {
    let (sfn, arn) = (context.clients.sfn(), executions::arn(context, name).await?);
    let Some(details) = sfn.execution(&arn).await.doing("look at the execution")? else { return Ok(None) };
    let events = sfn.history(&arn, true).await.doing("read the execution's history")?;
    let tree = history::tree(&events.unwrap_or_default());
    let messages = executions::messages(details.input.as_deref()).len();
    Ok(tree.map(|tree| Run { name: name.to_owned(), messages, tree }))
}

/// The line of the function that started an execution.
async fn start(context: &Context, name: &str, since: EpochMs, until: Option<EpochMs>) -> Result<Option<Line>> {
    let function = if name.starts_with("stream-") { Function::InitProcess } else { Function::Retry };
    let aws = context.clients.logs();
    let lines = logs::lines(context, &aws, &[function], since, until, Some(name));
    let mut lines = std::pin::pin!(lines.try_filter(|line| std::future::ready(line.field("execution") == Some(name))));
    lines.try_next().await
}
