//! The walk over the backlog: every shard, all pages, in bounded memory.

use std::collections::{HashMap, VecDeque};

use futures::{StreamExt, TryStreamExt, stream};
use gateway::{Range, ServiceError, Table};
use outbox::EpochMs;
use outbox::item::{Delivery, SHARDS, Status};
use rand::seq::SliceRandom;

/// Items in one page. Small, so that every shard has its turn before the budget ends.
const PAGE: usize = 100;
/// Shards read at once.
const CONCURRENCY: usize = 8;

type Key = HashMap<String, aws_sdk_dynamodb::types::AttributeValue>;

/// The messages that a request may claim.
pub struct Candidates<'a> {
    table: &'a Table,
    now: EpochMs,
    /// What changed at this time or later is left out.
    before: EpochMs,
    /// The parts that are not read to their end, in the order of their turns.
    parts: VecDeque<Part>,
    chosen: Vec<Delivery>,
}

struct Part {
    status: Status,
    shard: u32,
    range: Range,
    start: Option<Key>,
}

impl<'a> Candidates<'a> {
    /// Failed messages whose time has come, and pending ones whose lease is over.
    pub fn due(table: &'a Table, now: EpochMs) -> Candidates<'a> {
        Candidates::parts(table, now, EpochMs::MAX, Range::DueBy(now))
    }

    /// Failed messages whether due or not, and pending ones whose lease is over.
    pub fn all(table: &'a Table, now: EpochMs, before: EpochMs) -> Candidates<'a> {
        Candidates::parts(table, now, before, Range::All)
    }

    /// Messages that were asked for.
    pub fn chosen(table: &'a Table, now: EpochMs, chosen: Vec<Delivery>) -> Candidates<'a> {
        Candidates { table, now, before: EpochMs::MAX, parts: VecDeque::new(), chosen }
    }

    fn parts(table: &'a Table, now: EpochMs, before: EpochMs, failures: Range) -> Candidates<'a> {
        let of = |status, range| (0..SHARDS).map(move |shard| Part { status, shard, range, start: None });
        let mut parts: Vec<Part> =
            of(Status::Failure, failures).chain(of(Status::Pending, Range::DueBy(now))).collect();
        // No shard is always first: a budget that never suffices must not starve the last ones.
        parts.shuffle(&mut rand::rng());
        Candidates { table, now, before, parts: parts.into(), chosen: vec![] }
    }

    /// The next page that holds anything, of at most `room` messages; `None` at the end. Each part in turn
    /// gives one page.
    pub async fn next_page(&mut self, room: usize) -> Result<Option<Vec<Delivery>>, ServiceError> {
        if !self.chosen.is_empty() {
            let rest = self.chosen.split_off(room.min(self.chosen.len()));
            return Ok(Some(std::mem::replace(&mut self.chosen, rest)));
        }
        while let Some(mut part) = self.parts.pop_front() {
            let limit = Some(room.min(PAGE));
            let page = self.table.backlog_page(part.status, part.shard, part.range, limit, part.start.take()).await?;
            part.start = page.next;
            if part.start.is_some() {
                self.parts.push_back(part);
            }
            let found = self.deliveries(&page.items);
            if !found.is_empty() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The message for a probe: the earliest that is due, or the oldest if none is.
    pub async fn earliest(&mut self) -> Result<Option<Delivery>, ServiceError> {
        let (table, now) = (self.table, self.now);
        let pages: Vec<gateway::Page> = stream::iter(
            (0..SHARDS)
                .flat_map(|shard| [(Status::Failure, shard, Range::All), (Status::Pending, shard, Range::DueBy(now))]),
        )
        .filter(|_| std::future::ready(self.chosen.is_empty()))
        .map(|(status, shard, range)| table.backlog_page(status, shard, range, Some(1), None))
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
        let first: Vec<Delivery> = pages.iter().flat_map(|page| self.deliveries(&page.items)).collect();
        let all = first.into_iter().chain(self.chosen.drain(..));
        Ok(all.min_by_key(|seen| match seen.due_at {
            Some(due) if due <= now => (0, due),
            _ => (1, seen.created_at.unwrap_or(EpochMs::MAX)),
        }))
    }

    /// Counts what the walk would find.
    pub async fn count(self) -> Result<u64, ServiceError> {
        let (table, before) = (self.table, self.before);
        stream::iter(self.parts)
            .map(|part| table.backlog_count(part.status, part.shard, part.range, before))
            .buffer_unordered(CONCURRENCY)
            .try_fold(0, |sum, count| std::future::ready(Ok(sum + count)))
            .await
    }

    fn deliveries(&self, items: &[serde_dynamo::Item]) -> Vec<Delivery> {
        let seen = items.iter().filter_map(Delivery::of);
        seen.filter(|d| d.updated_at.is_none_or(|time| time < self.before)).collect()
    }
}
