//! The input of an execution of the state machine, and how messages are put into executions.
//!
//! One execution carries a batch: a Standard workflow costs 25 USD per million state transitions
//! (AWS Step Functions pricing, us-east-1), so a message for itself would cost most of its price there.
//! The input carries keys and never a message text: it can be read in the execution's history.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::EpochMs;
use crate::error::Failure;
use crate::item::{self, Delivery, Status};
use crate::policy::Policy;

/// Step Functions takes an input of 262,144 bytes (service quotas); what the states add must fit as well:
/// the undelivered messages with their errors stand beside the input.
const MAX_INPUT_BYTES: usize = 100_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// A probe passes the breaker.
    pub probe: bool,
    /// Epoch milliseconds, as the text that DynamoDB takes for a number.
    pub started_at: String,
    pub messages: Vec<Task>,
}

/// One attempt at one message, with what the state machine writes if it fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    pub sequence_no: String,
    pub attempt: i64,
    /// On an outage, or when the breaker keeps the message back.
    pub unavailable: Outcome,
    /// On anything that nobody foresaw.
    pub unknown: Outcome,
    /// Whether earlier attempts failed in a way nobody foresaw: then it travels alone, so that a message
    /// that kills its function harms no other.
    #[serde(skip)]
    pub suspect: bool,
    /// What tells this attempt from one of an earlier item with the same id; part of the execution's name.
    #[serde(skip)]
    pub origin: String,
}

/// What `DynamoDB UpdateItem` writes. Numbers are texts, as DynamoDB takes them, so that the state machine
/// converts nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub sequence_no: String,
    /// With the id it tells this item from an earlier one that was deleted.
    pub created_at: String,
    pub attempt: String,
    pub send_status: Status,
    pub backlog_shard: String,
    pub due_at: String,
    pub unknown_failures: String,
}

impl Outcome {
    /// Failure, to be tried again at `due_at`.
    pub fn failure(of: &Delivery, due_at: EpochMs, unknown_failures: i64) -> Outcome {
        Outcome::new(Status::Failure, of, due_at, unknown_failures)
    }

    /// Dead since `now`.
    pub fn dead(of: &Delivery, now: EpochMs, unknown_failures: i64) -> Outcome {
        Outcome::new(Status::Dead, of, now, unknown_failures)
    }

    /// The same attempt's end, with the message Dead since `now`.
    pub fn rejected(&self, now: EpochMs) -> Outcome {
        Outcome {
            send_status: Status::Dead,
            backlog_shard: item::backlog_shard(Status::Dead, &self.sequence_no),
            due_at: now.to_string(),
            ..self.clone()
        }
    }

    fn new(status: Status, of: &Delivery, due_at: EpochMs, unknown_failures: i64) -> Outcome {
        Outcome {
            sequence_no: of.sequence_no.clone(),
            created_at: of.created_at.unwrap_or(0).to_string(),
            attempt: of.attempts.unwrap_or(1).to_string(),
            send_status: status,
            backlog_shard: item::backlog_shard(status, &of.sequence_no),
            due_at: due_at.to_string(),
            unknown_failures: unknown_failures.to_string(),
        }
    }
}

/// What the process function answers for a message that SNS did not take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undelivered {
    #[serde(flatten)]
    pub outcome: Outcome,
    pub class: String,
    pub code: String,
    pub text: String,
    /// Epoch milliseconds, as text.
    pub at: String,
}

impl Undelivered {
    pub fn new(outcome: Outcome, failure: &Failure, now: EpochMs) -> Undelivered {
        Undelivered {
            outcome,
            class: failure.class.to_string(),
            code: failure.code.clone(),
            text: failure.text.clone(),
            at: now.to_string(),
        }
    }
}

/// Whose attempt it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// An automatic attempt: an unknown failure counts towards the cap.
    Counts,
    /// By hand: whatever happens, it costs the message nothing.
    Free,
}

impl Task {
    /// The attempt that has begun with the item as it is now. `random` in 0..1 is the jitter of the next one.
    pub fn new(of: &Delivery, budget: Budget, policy: &Policy, now: EpochMs, random: f64) -> Task {
        let attempt = of.attempts.unwrap_or(1);
        let retry_at = now + policy.backoff_ms(attempt, random);
        let counted = of.unknown_failures + i64::from(budget == Budget::Counts);
        let unknown = if budget == Budget::Counts && counted >= policy.unknown_cap {
            Outcome::dead(of, now, counted)
        } else {
            Outcome::failure(of, retry_at, counted)
        };
        Task {
            sequence_no: of.sequence_no.clone(),
            attempt,
            unavailable: Outcome::failure(of, retry_at, of.unknown_failures),
            unknown,
            suspect: of.unknown_failures > 0,
            origin: of.created_at.unwrap_or(0).to_string(),
        }
    }
}

/// An execution to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    pub name: String,
    pub input: Input,
}

/// Puts messages into executions, in their order: as many as the policy and the size of an input permit.
/// The same messages in the same order give the same executions with the same names, so that a repeated
/// start is recognised as one. Of several attempts at one id, which a stream can hold of an item that was
/// deleted and put again, only the last is taken: two in one execution would pass the same fence.
pub fn batches(source: &str, tasks: Vec<Task>, batch_size: usize, now: EpochMs) -> Vec<Execution> {
    let mut executions = Vec::new();
    let mut open: Vec<Task> = Vec::new();
    let mut open_bytes = 0;
    for task in last_of_each_id(tasks) {
        let bytes = serde_json::to_string(&task).map_or(0, |text| text.len());
        let full = open.len() >= batch_size || open_bytes + bytes > MAX_INPUT_BYTES;
        let alone = task.suspect || open.last().is_some_and(|last| last.suspect);
        if !open.is_empty() && (full || alone) {
            executions.push(Execution::new(source, false, std::mem::take(&mut open), now));
            open_bytes = 0;
        }
        open_bytes += bytes;
        open.push(task);
    }
    if !open.is_empty() {
        executions.push(Execution::new(source, false, open, now));
    }
    executions
}

fn last_of_each_id(tasks: Vec<Task>) -> Vec<Task> {
    let mut seen = HashSet::new();
    let mut kept: Vec<Task> = tasks.into_iter().rev().filter(|task| seen.insert(task.sequence_no.clone())).collect();
    kept.reverse();
    kept
}

/// The execution of a probe: one message, which may pass the breaker.
pub fn probe(task: Task, now: EpochMs, period_ms: i64) -> Execution {
    let mut execution = Execution::new("probe", true, vec![task], now);
    // One name per period: however many retry functions run, one probe starts.
    execution.name = format!("probe-{}", now / period_ms.max(1));
    execution
}

impl Execution {
    fn new(source: &str, probe: bool, messages: Vec<Task>, now: EpochMs) -> Execution {
        let mut hash = Sha256::new();
        for task in &messages {
            for part in [task.sequence_no.as_bytes(), task.attempt.to_string().as_bytes(), task.origin.as_bytes()] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        let digest: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Execution {
            name: format!("{source}-{}-{digest}", messages.len()),
            input: Input { probe, started_at: now.to_string(), messages },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn task(id: &str) -> Task {
        Task::new(&Delivery::pending(id, 1), Budget::Counts, &Policy::default(), 0, 0.5)
    }

    fn ids(executions: &[Execution]) -> Vec<Vec<&str>> {
        executions.iter().map(|e| e.input.messages.iter().map(|t| t.sequence_no.as_str()).collect()).collect()
    }

    #[test]
    fn a_suspect_travels_alone() {
        let suspect = Task { suspect: true, ..task("b") };
        let found = batches("retry", vec![task("a"), suspect, task("c"), task("d")], 100, 0);
        assert_eq!(ids(&found), [vec!["a"], vec!["b"], vec!["c", "d"]]);
    }

    #[test]
    fn an_id_is_in_a_start_once() {
        let second = Task { attempt: 2, ..task("a") };
        let found = batches("stream", vec![task("a"), task("b"), second], 100, 0);
        assert_eq!(ids(&found), [vec!["b", "a"]]);
    }

    #[test]
    fn the_last_permitted_unknown_failure_is_deadly_unless_by_hand() {
        let policy = Policy { unknown_cap: 3, ..Policy::default() };
        let of = |unknown_failures| Delivery { unknown_failures, ..Delivery::pending("a", 9) };
        let unknown = |so_far, budget| Task::new(&of(so_far), budget, &policy, 0, 0.5).unknown;
        assert_eq!(unknown(1, Budget::Counts).send_status, Status::Failure);
        assert_eq!(unknown(2, Budget::Counts).send_status, Status::Dead);
        assert_eq!(unknown(2, Budget::Free).send_status, Status::Failure);
        assert_eq!(unknown(2, Budget::Free).unknown_failures, "2");
    }

    #[test]
    fn an_outage_never_kills() {
        let policy = Policy { unknown_cap: 1, ..Policy::default() };
        let task = Task::new(&Delivery::pending("a", 1_000_000), Budget::Counts, &policy, 0, 0.5);
        assert_eq!(task.unavailable.send_status, Status::Failure);
        assert_eq!(task.unavailable.unknown_failures, "0");
    }

    #[test]
    fn a_name_depends_on_ids_attempts_and_origin_and_fits_step_functions() {
        let name = |task: Task| batches("stream", vec![task], 100, 0).remove(0).name;
        assert_eq!(name(task("a")), name(task("a")));
        assert_ne!(name(task("a")), name(task("b")));
        assert_ne!(name(task("a")), name(Task { attempt: 2, ..task("a") }));
        assert_ne!(name(task("a")), name(Task { origin: "other".into(), ..task("a") }));
        let name = name(task(&"ä ?".repeat(500)));
        assert!(name.len() <= 80 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{name}");
    }

    #[test]
    fn one_probe_a_period() {
        let name = |now| probe(task("a"), now, 60_000).name;
        assert_eq!(name(60_000), name(119_999));
        assert_ne!(name(60_000), name(120_000));
        assert!(probe(task("a"), 0, 60_000).input.probe);
    }

    proptest! {
        // Each case hashes up to 300 KB.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn batching_loses_nothing_keeps_the_order_and_fits(
            tasks in proptest::collection::vec(("[a-z]{1,2000}", any::<bool>()), 0..150),
            batch_size in 1usize..=100,
        ) {
            let numbered = tasks.into_iter().enumerate();
            let tasks: Vec<Task> =
                numbered.map(|(n, (id, suspect))| Task { suspect, ..task(&format!("{n}-{id}")) }).collect();
            let expected: Vec<String> = tasks.iter().map(|t| t.sequence_no.clone()).collect();
            let found = batches("stream", tasks, batch_size, 0);
            let flat: Vec<String> = ids(&found).concat().into_iter().map(str::to_owned).collect();
            prop_assert_eq!(flat, expected);
            for execution in &found {
                prop_assert!((1..=batch_size).contains(&execution.input.messages.len()));
                prop_assert!(serde_json::to_string(&execution.input).expect("json").len() < 200_000);
            }
        }
    }
}
