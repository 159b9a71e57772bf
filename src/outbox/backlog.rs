//! The backlog as a whole.

use std::collections::BTreeMap;

use outbox::EpochMs;
use outbox::item::Status;
use serde::Serialize;

/// How many messages stand in the backlog by status, and since when the oldest waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    #[serde(rename = "Pending")]
    pub pending: u64,
    #[serde(rename = "Failure")]
    pub failure: u64,
    #[serde(rename = "Dead")]
    pub dead: u64,
    /// `createdAt` of the oldest message that may still be delivered.
    #[serde(rename = "oldestUndelivered")]
    pub oldest: Option<EpochMs>,
}

impl Backlog {
    /// Sums the shards up. Dead messages are not waiting for anything: they have no age.
    pub fn of(sums: impl IntoIterator<Item = (Status, u64, Option<EpochMs>)>) -> Backlog {
        let mut counts: BTreeMap<Status, u64> = BTreeMap::new();
        let mut oldest = None;
        for (status, count, first) in sums {
            *counts.entry(status).or_default() += count;
            if status != Status::Dead {
                oldest = [oldest, first].into_iter().flatten().min();
            }
        }
        let count = |status| counts.get(&status).copied().unwrap_or(0);
        Backlog { pending: count(Status::Pending), failure: count(Status::Failure), dead: count(Status::Dead), oldest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_do_not_wait() {
        let sums = [
            (Status::Dead, 2, Some(1)),
            (Status::Failure, 3, Some(9)),
            (Status::Failure, 1, Some(7)),
            (Status::Pending, 0, None),
        ];
        assert_eq!(Backlog::of(sums), Backlog { pending: 0, failure: 4, dead: 2, oldest: Some(7) });
    }
}
