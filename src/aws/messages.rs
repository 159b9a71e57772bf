//! Messages as streams, page by page: the backlog through its index, or the whole table.

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt, stream};
use gateway::{Range, ServiceError, Table};
use outbox::item::{SHARDS, Status};

use super::dynamodb::DynamoDb;
use crate::outbox::order::Sort;
use crate::outbox::view::MessageView;

/// Items in one page: one page of each shard is held at a time.
const PAGE: usize = 250;
/// Shards whose first page is read at once.
const CONCURRENCY: usize = 16;

type Found = Result<MessageView, ServiceError>;

/// The messages of the backlog in some statuses, earliest due first. A message whose status changes meanwhile
/// may be seen twice, or not at all: the index is read over a while.
pub fn backlog<'a>(table: &'a Table, statuses: &[Status]) -> impl Stream<Item = Found> + 'a {
    let parts = statuses.iter().copied().flat_map(|status| (0..SHARDS).map(move |shard| (status, shard)));
    merge(parts.map(|(status, one)| shard(table, status, one).boxed()).collect())
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

/// One stream in order from several that are in order.
fn merge<'a>(parts: Vec<BoxStream<'a, Found>>) -> impl Stream<Item = Found> + 'a {
    type Head<'a> = (MessageView, BoxStream<'a, Found>);
    let first = async move {
        let heads = stream::iter(parts).map(next).buffer_unordered(CONCURRENCY);
        let heads: Vec<Option<Head<'a>>> = heads.try_collect().await?;
        Ok::<Vec<Head<'a>>, ServiceError>(heads.into_iter().flatten().collect())
    };
    let merged = |heads| {
        stream::try_unfold(heads, |mut heads: Vec<Head<'a>>| async move {
            let earliest = (0..heads.len()).min_by(|a, b| Sort::Due.compare(&heads[*a].0, &heads[*b].0));
            let Some(at) = earliest else { return Ok(None) };
            let (message, rest) = heads.swap_remove(at);
            heads.extend(next(rest).await?);
            Ok(Some((message, heads)))
        })
    };
    first.map_ok(merged).try_flatten_stream()
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

async fn next(mut part: BoxStream<'_, Found>) -> Result<Option<(MessageView, BoxStream<'_, Found>)>, ServiceError> {
    Ok(part.try_next().await?.map(|message| (message, part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, due: i64) -> Found {
        Ok(MessageView {
            sequence_no: id.to_owned(),
            send_status: "Failure".into(),
            attempts: 1,
            sns_message_id: None,
            last_error: None,
            due_at: Some(due),
            created_at: None,
            updated_at: None,
        })
    }

    #[tokio::test]
    async fn several_streams_become_one_in_order_and_an_error_ends_it() {
        let broken = ServiceError { code: "X".into(), text: "t".into(), status: None, request_id: None };
        let parts = vec![
            stream::iter(vec![message("a", 1), message("d", 4)]).boxed(),
            stream::iter(vec![message("b", 2), message("c", 3), Err(broken.clone())]).boxed(),
            stream::iter(vec![]).boxed(),
        ];
        let found: Vec<Result<String, ServiceError>> =
            merge(parts).map(|found| found.map(|message| message.sequence_no)).collect().await;
        assert_eq!(found, [Ok("a".into()), Ok("b".into()), Err(broken)]);
    }
}
