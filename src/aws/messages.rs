//! Messages as streams, page by page: the backlog through its index, or the whole table.

use futures::{Stream, StreamExt, TryStreamExt, stream};
use gateway::{Range, ServiceError, Table};
use outbox::item::{SHARDS, Status};

use super::dynamodb::DynamoDb;
use super::merge::merge;
use crate::outbox::order::Sort;
use crate::outbox::view::MessageView;

/// Items in one page: one page of each shard is held at a time.
const PAGE: usize = 250;

type Found = Result<MessageView, ServiceError>;

/// The messages of the backlog in some statuses, earliest due first. A message whose status changes meanwhile
/// may be seen twice, or not at all: the index is read over a while.
pub fn backlog<'a>(table: &'a Table, statuses: &[Status]) -> impl Stream<Item = Found> + 'a {
    let parts = statuses.iter().copied().flat_map(|status| (0..SHARDS).map(move |shard| (status, shard)));
    merge(parts.map(|(status, one)| shard(table, status, one).boxed()).collect(), |a, b| Sort::Due.compare(a, b))
}

fn shard(table: &Table, status: Status, shard: u32) -> impl Stream<Item = Found> + '_ {
    let pages = stream::try_unfold(Some(None), move |start| async move {
        let Some(start) = start else { return Ok(None) };
        let page = table.backlog_page(status, shard, Range::All, Some(PAGE), start).await?;
        Ok::<_, ServiceError>(Some((page.items, page.next.map(Some))))
    });
    pages
        .map_ok(|items| stream::iter(items.iter().filter_map(MessageView::of).map(Ok).collect::<Vec<_>>()))
        .try_flatten()
}

/// The messages of the whole table in some statuses, in no order: it reads all of it, a read unit for every
/// 8 KB (DynamoDB pricing, eventually consistent reads).
pub fn everything<'a>(
    dynamodb: &'a DynamoDb,
    table: &'a str,
    statuses: &'a [Status],
) -> impl Stream<Item = Found> + 'a {
    let items = dynamodb.scan(table, statuses);
    items.try_filter_map(|item| std::future::ready(Ok(MessageView::of(&item))))
}
