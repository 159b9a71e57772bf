//! One stream in order from several that are in order.

use std::cmp::Ordering;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt, stream};

/// Streams whose first element is awaited at once.
const CONCURRENCY: usize = 16;

/// Holds one element of each stream. An error ends it.
pub fn merge<'a, T: Send + 'a, E: Send + 'a>(
    parts: Vec<BoxStream<'a, Result<T, E>>>,
    compare: fn(&T, &T) -> Ordering,
) -> impl Stream<Item = Result<T, E>> + 'a {
    type Head<'a, T, E> = (T, BoxStream<'a, Result<T, E>>);
    let first = async move {
        let heads = stream::iter(parts).map(next).buffer_unordered(CONCURRENCY);
        let heads: Vec<Option<Head<'a, T, E>>> = heads.try_collect().await?;
        Ok::<Vec<Head<'a, T, E>>, E>(heads.into_iter().flatten().collect())
    };
    let merged = move |heads| {
        stream::try_unfold(heads, move |mut heads: Vec<Head<'a, T, E>>| async move {
            let earliest = (0..heads.len()).min_by(|a, b| compare(&heads[*a].0, &heads[*b].0));
            let Some(at) = earliest else { return Ok(None) };
            let (element, rest) = heads.swap_remove(at);
            heads.extend(next(rest).await?);
            Ok(Some((element, heads)))
        })
    };
    first.map_ok(merged).try_flatten_stream()
}

async fn next<T, E>(mut part: BoxStream<'_, Result<T, E>>) -> Result<Option<(T, BoxStream<'_, Result<T, E>>)>, E> {
    Ok(part.try_next().await?.map(|element| (element, part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn several_streams_become_one_in_order_and_an_error_ends_it() {
        let parts = vec![
            stream::iter(vec![Ok(1), Ok(4)]).boxed(),
            stream::iter(vec![Ok(2), Ok(3), Err("broken")]).boxed(),
            stream::iter(vec![]).boxed(),
        ];
        let found: Vec<Result<i32, &str>> = merge(parts, i32::cmp).collect().await;
        assert_eq!(found, [Ok(1), Ok(2), Err("broken")]);
    }
}
