//! The state of the backlog, which each run of the schedule tells CloudWatch.
//!
//! A message's age is no key of the index, so the census reads every entry of it: of a query DynamoDB charges
//! what it reads, half a read unit for 4 KB, whatever it gives. It is bounded by pages and by time. What it
//! costs, us-east-1: a quiet run reads 48 empty shards, 24 read units, 0.13 USD a month with a run a minute; the
//! most that a run reads, 96 pages of 1 MB, 12,288 read units, 0.0015 USD, or 0.09 USD for an hour of an
//! outage. The request is 0.43 USD a month, and each of the four metrics 0.30.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::try_join_all;
use gateway::{Page, ServiceError, Table, Unit};
use outbox::EpochMs;
use outbox::item::{self, SHARDS, Status};
use outbox::names::metric;
use rand::seq::SliceRandom;
use serde_dynamo::Item;

/// Shards read at once.
const CONCURRENCY: usize = 8;
/// The most pages of one run; a backlog of 100,000 messages with long errors has about seventy.
const PAGES: usize = 96;

/// What stands in the backlog. Where the reading was cut short the counts and the age are lower bounds, which is
/// enough for an alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub pending: u64,
    pub failed: u64,
    pub dead: u64,
    /// `createdAt` of the oldest that may still be delivered.
    pub oldest: Option<EpochMs>,
    /// What a run of the schedule would find: failed messages whose time has come, and pending ones whose lease
    /// is over.
    pub due: u64,
    pub cut_short: bool,
}

struct Part {
    status: Status,
    shard: u32,
    start: Option<gateway::Key>,
}

impl Census {
    /// Reads the index: first one page of each shard, then the others' further pages in turn. `None` when the
    /// time did not suffice for the first pages: nothing is better than a zero that is none.
    pub async fn take(
        table: &Table,
        now: EpochMs,
        time_left: impl Fn() -> Duration,
    ) -> Result<Option<Census>, ServiceError> {
        let parts = Status::BACKLOG.into_iter().flat_map(|status| (0..SHARDS).map(move |shard| (status, shard)));
        let mut parts: Vec<Part> = parts.map(|(status, shard)| Part { status, shard, start: None }).collect();
        // No shard is always the one that is cut short.
        parts.shuffle(&mut rand::rng());
        let (mut census, mut pages, first) = (Census::default(), 0, parts.len());
        let mut queue = VecDeque::from(parts);
        while pages < PAGES && !queue.is_empty() && !time_left().is_zero() {
            let mut turn: Vec<Part> = queue.drain(..queue.len().min(CONCURRENCY).min(PAGES - pages)).collect();
            let reads = turn.iter_mut().map(|part| table.backlog_times(part.status, part.shard, part.start.take()));
            let Ok(read) = tokio::time::timeout(time_left(), try_join_all(reads)).await else {
                census.cut_short = true;
                break;
            };
            for (part, Page { items, next }) in turn.into_iter().zip(read?) {
                pages += 1;
                census.add(part.status, &items, now);
                queue.extend(next.map(|start| Part { start: Some(start), ..part }));
            }
        }
        census.cut_short |= !queue.is_empty();
        Ok((pages >= first).then_some(census))
    }

    fn add(&mut self, status: Status, items: &[Item], now: EpochMs) {
        let count = items.len() as u64;
        match status {
            Status::Pending => self.pending += count,
            Status::Failure => self.failed += count,
            // Dead messages are not waiting for anything: they have no age.
            _ => return self.dead += count,
        }
        let times = |name| items.iter().filter_map(move |item| item::number(item, name));
        self.oldest = times(item::CREATED_AT).chain(self.oldest).min();
        self.due += times(item::DUE_AT).filter(|due| *due <= now).count() as u64;
    }

    /// The age is 0 where nothing waits: silence would say that the retry function does not run.
    pub fn measured(&self, now: EpochMs) -> [(&'static str, Unit, u64); 4] {
        let age_s = self.oldest.map_or(0, |created| (now - created).max(0).unsigned_abs() / 1_000);
        [
            (metric::PENDING, Unit::Count, self.pending),
            (metric::FAILED, Unit::Count, self.failed),
            (metric::DEAD, Unit::Count, self.dead),
            (metric::OLDEST, Unit::Seconds, age_s),
        ]
    }
}

#[cfg(test)]
mod tests {
    use gateway::replay::{answers, requests};

    use super::*;

    fn entry(created: i64, due: i64) -> Item {
        let number = |value: i64| serde_dynamo::AttributeValue::N(value.to_string());
        let mut item = Item::from(std::collections::HashMap::<String, serde_dynamo::AttributeValue>::new());
        item.insert(item::CREATED_AT.to_owned(), number(created));
        item.insert(item::DUE_AT.to_owned(), number(due));
        item
    }

    #[test]
    fn the_dead_are_counted_and_neither_wait_nor_are_due() {
        let mut census = Census::default();
        census.add(Status::Dead, &[entry(1, 1)], 50_000);
        assert_eq!(census.measured(50_000).map(|(_, _, value)| value), [0, 0, 1, 0]);
        census.add(Status::Failure, &[entry(9_000, 60_000), entry(7_999, 50_000)], 50_000);
        census.add(Status::Pending, &[entry(40_000, 90_000)], 50_000);
        let expected = Census { pending: 1, failed: 2, dead: 1, oldest: Some(7_999), due: 1, cut_short: false };
        assert_eq!(census, expected);
        assert_eq!(census.measured(50_000).map(|(_, _, value)| value), [1, 2, 1, 42]);
        // A writer's clock may be ahead.
        assert_eq!(census.measured(0)[3].2, 0);
    }

    const MORE: &str = r#"{"Count":1,"Items":[{"createdAt":{"N":"5"},"dueAt":{"N":"6"}}],
        "LastEvaluatedKey":{"sequenceNo":{"S":"a"}}}"#;
    const LAST: &str = r#"{"Count":0,"Items":[]}"#;

    async fn taken(pages: &[&str], time: Duration) -> (Option<Census>, usize) {
        let (config, client) = answers(&pages.iter().map(|page| (200, *page)).collect::<Vec<_>>()).await;
        let table = Table::new(aws_sdk_dynamodb::Client::new(&config), "messages");
        let census = Census::take(&table, 10, || time).await.expect("a census");
        (census, requests(&client).len())
    }

    #[tokio::test]
    async fn every_shard_has_its_page_before_any_has_a_second_and_the_pages_are_bounded() {
        let minute = Duration::from_secs(60);
        let (census, read) = taken(&[&[MORE; 48][..], &[LAST; 48]].concat(), minute).await;
        let census = census.expect("a census");
        assert_eq!((read, census.cut_short), (96, false));
        assert_eq!((census.pending, census.failed, census.dead, census.due), (16, 16, 16, 32));
        let (census, read) = taken(&[MORE; 100], minute).await;
        assert_eq!((read, census.map(|census| census.cut_short)), (PAGES, Some(true)));
    }

    #[tokio::test]
    async fn without_time_nothing_is_said() {
        assert_eq!(taken(&[LAST; 48], Duration::ZERO).await.0, None);
    }
}
