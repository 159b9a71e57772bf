//! The delivery guarantees, tried by random interleavings of every actor: writers, redelivered stream batches,
//! executions that die between any two of their steps, retry functions, operators, clocks that differ. After
//! each step the invariants must hold; in the end, with everything healthy, every valid message is delivered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outbox::EpochMs;
use outbox::change::{self, Change, ClaimBy};
use outbox::execution::{self, Budget, Outcome, Task};
use outbox::item::{self, Delivery, Status};
use outbox::message::Message;
use outbox::policy::Policy;
use proptest::prelude::*;
use serde_dynamo::{AttributeValue, Item};

const IDS: [&str; 3] = ["a", "b", "c"];
const FUNCTION_TIMEOUT: i64 = 30_000;
/// How far the clock of an actor may be from another's.
const SKEW: i64 = 2_000;

/// What SNS does with one publish.
#[derive(Clone, Copy, Debug)]
enum Sns {
    Accepts,
    /// SNS has it, and nobody learns of it.
    AcceptsAndTheAnswerIsLost,
    Unavailable,
    Unknown,
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    PutByHand(usize, Hand),
    DeleteByHand(usize),
    /// The stream delivers some of its records, again or for the first time; the function may die before it
    /// has started anything.
    Stream {
        from: usize,
        count: usize,
        dies: bool,
        skew: i64,
    },
    /// An execution makes its next step.
    Execution(usize, Sns),
    /// An execution finds the breaker open, or the process function cannot be run.
    ExecutionHeldBack(usize),
    /// The process function goes on, and Step Functions does not learn what it answers.
    ExecutionInDoubt(usize),
    /// An execution dies without a word.
    ExecutionDies(usize),
    /// Step Functions tries the process function again.
    ExecutionRetries(usize),
    Retry {
        by_hand: bool,
        which: usize,
        dies: bool,
        skew: i64,
    },
    Revive(usize),
    Discard(usize),
    Time(i64),
}

#[derive(Clone, Copy, Debug)]
enum Hand {
    Good,
    NoMessage,
    UnknownStatus,
    Damaged,
}

#[derive(Debug)]
struct Execution {
    name: String,
    tasks: Vec<Task>,
    phase: Phase,
    /// Nobody waits for the function's answer.
    orphan: bool,
}

#[derive(Debug)]
enum Phase {
    Waiting,
    /// The function runs until this time at the latest.
    Fenced(Vec<Mine>, Vec<Outcome>, EpochMs),
    Recording(Vec<Accepted>, Vec<Outcome>, EpochMs),
    /// Whether the function still runs is not known; after this time it does not.
    InDoubt(EpochMs),
    Updating(Vec<Outcome>),
}

/// A message that an execution may publish.
#[derive(Clone, Debug)]
struct Mine {
    task: Task,
    created_at: EpochMs,
    /// Which item of its id it is.
    birth: u64,
}

/// A message that SNS acknowledged.
#[derive(Clone, Debug)]
struct Accepted {
    id: String,
    created_at: EpochMs,
    birth: u64,
}

/// What is known of an item since it was put.
#[derive(Debug, Default)]
struct Life {
    number: u64,
    attempts: i64,
    was_successful: bool,
    /// By hand, and no stream function has seen it yet.
    unseen: bool,
    valid: bool,
    accepted: u32,
    /// Acknowledgements or records that were lost: each permits one more delivery.
    lost: u32,
}

#[derive(Default)]
struct World {
    now: EpochMs,
    table: BTreeMap<String, Item>,
    lives: BTreeMap<String, Life>,
    stream: Vec<(String, Item, u64)>,
    executions: Vec<Execution>,
    names: BTreeSet<String>,
    policy: Policy,
    births: u64,
}

impl World {
    fn apply(&mut self, change: &Change) -> Result<Option<Item>, Option<Item>> {
        let stored = self.table.get(&change.sequence_no).cloned();
        match change.apply(stored.as_ref()) {
            Ok(Some(item)) => {
                self.table.insert(change.sequence_no.clone(), item.clone());
                Ok(Some(item))
            }
            Ok(None) => {
                self.table.remove(&change.sequence_no);
                self.lives.remove(&change.sequence_no);
                Ok(None)
            }
            Err(_) => Err(stored),
        }
    }

    fn delivery(&self, id: &str) -> Option<Delivery> {
        self.table.get(id).and_then(Delivery::of)
    }

    fn born(&mut self, id: &str, unseen: bool, valid: bool) {
        self.births += 1;
        // Two items of one id are told apart by their millisecond.
        self.now += 1;
        let life = Life { number: self.births, unseen, valid, ..Life::default() };
        self.lives.insert(id.to_owned(), life);
        self.stream.push((id.to_owned(), self.table[id].clone(), self.births));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(id) => self.write(IDS[*id]),
            Step::PutByHand(id, hand) => self.put_by_hand(IDS[*id], *hand),
            Step::DeleteByHand(id) => {
                self.table.remove(IDS[*id]);
                self.lives.remove(IDS[*id]);
            }
            Step::Stream { from, count, dies, skew } => self.deliver_batch(*from, *count, *dies, *skew),
            Step::Execution(which, sns) => {
                self.with_execution(*which, |world, execution| world.advance(execution, *sns))
            }
            Step::ExecutionHeldBack(which) => self.with_execution(*which, |_, execution| match execution.phase {
                Phase::Waiting => Some(Execution { phase: unavailable(&execution.tasks), ..execution }),
                _ => Some(execution),
            }),
            Step::ExecutionInDoubt(which) => self.with_execution(*which, |world, execution| match execution.phase {
                Phase::Fenced(.., deadline) | Phase::Recording(.., deadline) if !execution.orphan => {
                    let (name, tasks) = (execution.name.clone(), execution.tasks.clone());
                    world.executions.push(Execution { name, tasks, phase: Phase::InDoubt(deadline), orphan: false });
                    Some(Execution { orphan: true, ..execution })
                }
                _ => Some(execution),
            }),
            Step::ExecutionDies(which) => self.with_execution(*which, |world, execution| {
                world.loses_what_it_knew(&execution);
                None
            }),
            Step::ExecutionRetries(which) => self.with_execution(*which, |world, execution| {
                // While it is in doubt nothing is tried again.
                if execution.orphan || matches!(execution.phase, Phase::InDoubt(_)) {
                    return Some(execution);
                }
                world.loses_what_it_knew(&execution);
                Some(Execution { phase: Phase::Waiting, ..execution })
            }),
            Step::Retry { by_hand, which, dies, skew } => self.retry(*by_hand, *which, *dies, *skew),
            Step::Revive(id) => {
                if let Some(revive) =
                    self.delivery(IDS[*id]).and_then(|seen| change::revive(&seen, self.now, self.policy.lease_ms))
                {
                    let _ = self.apply(&revive);
                }
            }
            Step::Discard(id) => {
                let _ = self.apply(&change::discard(IDS[*id]));
            }
            Step::Time(ms) => {
                self.now += ms;
                self.stop_functions();
            }
        }
    }

    fn write(&mut self, id: &str) {
        let message = Message { body: "text".into(), subject: None, attributes: BTreeMap::new() };
        if self.apply(&change::write(id, &message, self.now, self.policy.lease_ms)).is_ok() {
            self.born(id, false, true);
        }
    }

    fn put_by_hand(&mut self, id: &str, hand: Hand) {
        // What replaces an item is no new item to the stream: the filter lets through what has no status.
        if self.table.contains_key(id) && !matches!(hand, Hand::Good | Hand::NoMessage) {
            return;
        }
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let mut fields = HashMap::from([(item::SEQUENCE_NO.to_owned(), s(id))]);
        if !matches!(hand, Hand::NoMessage) {
            fields.insert(item::MESSAGE.to_owned(), s("text"));
        }
        match hand {
            Hand::UnknownStatus => fields.insert(item::SEND_STATUS.to_owned(), s("Sent?")),
            Hand::Damaged => fields.insert(item::SEND_STATUS.to_owned(), s("Failure")),
            Hand::Good | Hand::NoMessage => None,
        };
        self.table.insert(id.to_owned(), Item::from(fields));
        self.born(id, true, matches!(hand, Hand::Good | Hand::Damaged));
    }

    /// The init function: adopts first, starts then.
    fn deliver_batch(&mut self, from: usize, count: usize, dies: bool, skew: i64) {
        let now = self.now + skew;
        let batch: Vec<_> = self.stream.iter().skip(from % self.stream.len().max(1)).take(count).cloned().collect();
        let mut tasks = vec![];
        for (id, image, birth) in batch {
            let seen = Delivery::of(&image).expect("an id");
            let started = if seen.needs_adoption() {
                let adopted = self.apply(&change::adopt(&image, now, self.policy.lease_ms).expect("a change"));
                if let Some(life) = self.lives.get_mut(&id).filter(|life| life.number == birth) {
                    life.unseen = false;
                }
                let stored = adopted.unwrap_or_else(|refused| refused).as_ref().and_then(Delivery::of);
                stored.filter(|d| d.is(Status::Pending) && d.attempts == Some(1))
            } else {
                Some(seen).filter(|d| d.is(Status::Pending))
            };
            if let Some(delivery) = started {
                let task = Task::new(&delivery, Budget::Counts, &self.policy, now, 0.5);
                tasks.push(Task { origin: birth.to_string(), ..task });
            }
        }
        if !dies {
            self.start("stream", tasks, now);
        }
    }

    fn start(&mut self, source: &str, tasks: Vec<Task>, now: EpochMs) {
        for execution in execution::batches(source, tasks, 2, now) {
            if self.names.insert(execution.name.clone()) {
                let (name, tasks) = (execution.name, execution.input.messages);
                self.executions.push(Execution { name, tasks, phase: Phase::Waiting, orphan: false });
            }
        }
    }

    fn with_execution(&mut self, which: usize, act: impl FnOnce(&mut World, Execution) -> Option<Execution>) {
        if self.executions.is_empty() {
            return;
        }
        let execution = self.executions.remove(which % self.executions.len());
        let next = act(self, execution);
        self.executions.extend(next);
    }

    /// A function that is stopped after SNS accepted: the acknowledgement is lost with it.
    fn loses_what_it_knew(&mut self, execution: &Execution) {
        if let Phase::Recording(accepted, ..) = &execution.phase {
            for accepted in accepted.clone() {
                self.acknowledgement_lost(&accepted);
            }
        }
    }

    fn acknowledgement_lost(&mut self, accepted: &Accepted) {
        if let Some(life) = self.lives.get_mut(&accepted.id).filter(|life| life.number == accepted.birth) {
            life.lost += 1;
        }
    }

    fn advance(&mut self, execution: Execution, sns: Sns) -> Option<Execution> {
        let Execution { name, tasks, phase, orphan } = execution;
        let phase = match phase {
            Phase::Waiting => self.fence(&name, &tasks),
            Phase::Fenced(mine, outcomes, deadline) => self.publish(mine, outcomes, deadline, sns),
            Phase::Recording(accepted, outcomes, _) => {
                for Accepted { id, created_at, .. } in accepted {
                    let _ = self.apply(&change::succeed(&id, created_at, &name, "sns-id", self.now, None));
                }
                Phase::Updating(outcomes)
            }
            Phase::InDoubt(until) if self.now < until => Phase::InDoubt(until),
            Phase::InDoubt(_) => unavailable(&tasks),
            Phase::Updating(mut outcomes) => {
                if let Some(outcome) = outcomes.pop() {
                    let _ = self.apply(&change::fail(&outcome, Some(&name), "class", "code", "text", self.now));
                }
                Phase::Updating(outcomes)
            }
        };
        let done = matches!(&phase, Phase::Updating(outcomes) if orphan || outcomes.is_empty());
        (!done).then_some(Execution { name, tasks, phase, orphan })
    }

    /// Lambda stops a function at its deadline, whatever it was at.
    fn stop_functions(&mut self) {
        for mut execution in std::mem::take(&mut self.executions) {
            if let Phase::Fenced(_, _, deadline) | Phase::Recording(_, _, deadline) = execution.phase
                && self.now >= deadline
            {
                self.loses_what_it_knew(&execution);
                if execution.orphan {
                    continue;
                }
                execution.phase = self.failed(&execution.tasks);
            }
            self.executions.push(execution);
        }
    }

    fn failed(&self, tasks: &[Task]) -> Phase {
        Phase::Updating(tasks.iter().map(|task| task.unknown.clone()).collect())
    }

    fn fence(&mut self, name: &str, tasks: &[Task]) -> Phase {
        let deadline = self.now + FUNCTION_TIMEOUT;
        let (mut mine, mut outcomes) = (vec![], vec![]);
        for task in tasks {
            // The lease is written by one clock and read by another.
            let until = deadline + 2 * SKEW;
            if let Ok(Some(item)) = self.apply(&change::fence(&task.sequence_no, task.attempt, name, until)) {
                match Message::of(&item) {
                    Ok(_) => {
                        let created_at = Delivery::of(&item).and_then(|d| d.created_at).expect("adopted");
                        let birth = self.lives[&task.sequence_no].number;
                        mine.push(Mine { task: task.clone(), created_at, birth });
                    }
                    Err(_) => outcomes.push(task.unavailable.rejected(self.now)),
                }
            }
        }
        Phase::Fenced(mine, outcomes, deadline)
    }

    fn publish(&mut self, mine: Vec<Mine>, mut outcomes: Vec<Outcome>, deadline: EpochMs, sns: Sns) -> Phase {
        let mut accepted = vec![];
        for Mine { task, created_at, birth } in mine {
            let id = task.sequence_no.clone();
            match sns {
                Sns::Accepts | Sns::AcceptsAndTheAnswerIsLost => {
                    let lost = matches!(sns, Sns::AcceptsAndTheAnswerIsLost);
                    // What is published may be gone by now, and another item stand in its place.
                    let life = self.lives.get_mut(&id).filter(|life| life.number == birth);
                    if let Some(life) = life {
                        life.accepted += 1;
                        life.lost += u32::from(lost);
                    }
                    if !lost {
                        accepted.push(Accepted { id, created_at, birth });
                    }
                    if lost {
                        outcomes.push(task.unavailable);
                    }
                }
                Sns::Unavailable => outcomes.push(task.unavailable),
                Sns::Unknown => outcomes.push(task.unknown),
            }
        }
        Phase::Recording(accepted, outcomes, deadline)
    }

    /// The retry function: what is in the index, whatever the actor's clock says of it.
    fn retry(&mut self, by_hand: bool, which: usize, dies: bool, skew: i64) {
        let now = self.now + skew;
        let by = if by_hand { ClaimBy::Hand } else { ClaimBy::Schedule };
        let budget = if by_hand { Budget::Free } else { Budget::Counts };
        let seen: Vec<Delivery> = IDS.iter().skip(which % IDS.len()).filter_map(|id| self.delivery(id)).collect();
        let mut tasks = vec![];
        for delivery in seen.iter().filter(|delivery| delivery.is_indexed()) {
            let Some(claim) = change::claim(delivery, by, now, self.policy.lease_ms) else { continue };
            if let Ok(Some(item)) = self.apply(&claim) {
                let claimed = Delivery::of(&item).expect("an id");
                tasks.push(Task::new(&claimed, budget, &self.policy, now, 0.5));
            }
        }
        if !dies {
            self.start("retry", tasks, now);
        }
    }

    fn check(&mut self) {
        for (id, item) in &self.table {
            let delivery = Delivery::of(item).expect("an id");
            let life = self.lives.get_mut(id).unwrap_or_else(|| panic!("{id} came back from deletion: {item:?}"));
            let successful = delivery.is(Status::Successful);
            assert!(life.unseen || successful || delivery.is_indexed(), "{id} is in no index: {item:?}");
            assert!(!successful || item.get(item::BACKLOG_SHARD).is_none(), "{id} is delivered and still listed");
            assert!(!life.was_successful || successful, "{id} was Successful, and is {:?}", delivery.status);
            assert!(!successful || delivery.sender.is_some(), "{id} is Successful, and nobody delivered it");
            assert!(!successful || life.accepted > 0, "{id} is Successful, and SNS never had it");
            let attempts = delivery.attempts.unwrap_or(0);
            assert!(attempts >= life.attempts, "{id}: attempts went back from {} to {attempts}", life.attempts);
            if delivery.is(Status::Dead) {
                let capped = delivery.unknown_failures >= self.policy.unknown_cap;
                assert!(!life.valid || capped, "{id} is Dead through no fault of its own: {item:?}");
            }
            assert!(life.accepted <= 1 + life.lost, "{id}: delivered twice, and no acknowledgement was lost");
            life.attempts = attempts;
            life.was_successful = successful;
        }
    }

    /// Everything is healthy from now on: what is alive must arrive.
    fn recover(&mut self) {
        for _ in 0..40 {
            self.deliver_batch(0, usize::MAX, false, 0);
            self.step(&Step::Time(self.policy.backoff_cap_ms + self.policy.lease_ms));
            self.retry(false, 0, false, 0);
            while !self.executions.is_empty() {
                self.with_execution(0, |world, execution| world.advance(execution, Sns::Accepts));
                self.check();
            }
        }
        for (id, item) in &self.table {
            let delivery = Delivery::of(item).expect("an id");
            let dead = delivery.is(Status::Dead);
            assert!(dead || delivery.is(Status::Successful), "{id} is stuck: {item:?}");
        }
    }
}

fn unavailable(tasks: &[Task]) -> Phase {
    Phase::Updating(tasks.iter().map(|task| task.unavailable.clone()).collect())
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..IDS.len();
    let hand = prop_oneof![Just(Hand::Good), Just(Hand::NoMessage), Just(Hand::UnknownStatus), Just(Hand::Damaged)];
    let sns = prop_oneof![
        4 => Just(Sns::Accepts),
        2 => Just(Sns::AcceptsAndTheAnswerIsLost),
        2 => Just(Sns::Unavailable),
        2 => Just(Sns::Unknown),
    ];
    let skew = -SKEW..=SKEW;
    prop_oneof![
        3 => id.clone().prop_map(Step::Write),
        2 => (id.clone(), hand).prop_map(|(id, hand)| Step::PutByHand(id, hand)),
        1 => id.clone().prop_map(Step::DeleteByHand),
        6 => (0..6usize, 1..4usize, any::<bool>(), skew.clone())
            .prop_map(|(from, count, dies, skew)| Step::Stream { from, count, dies, skew }),
        12 => (0..4usize, sns).prop_map(|(which, sns)| Step::Execution(which, sns)),
        2 => (0..4usize).prop_map(Step::ExecutionHeldBack),
        1 => (0..4usize).prop_map(Step::ExecutionInDoubt),
        1 => (0..4usize).prop_map(Step::ExecutionDies),
        1 => (0..4usize).prop_map(Step::ExecutionRetries),
        6 => (any::<bool>(), 0..3usize, prop::bool::weighted(0.2), skew)
            .prop_map(|(by_hand, which, dies, skew)| Step::Retry { by_hand, which, dies, skew }),
        1 => id.clone().prop_map(Step::Revive),
        1 => id.prop_map(Step::Discard),
        4 => prop_oneof![0..5_000i64, 20_000..400_000i64, Just(4_000_000i64)].prop_map(Step::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(1_500) })]

    #[test]
    fn nothing_is_lost_stuck_or_sent_twice(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World { now: 1_000_000, policy: Policy { unknown_cap: 2, ..Policy::default() }, ..World::default() };
        for step in &steps {
            world.step(step);
            world.check();
        }
        world.recover();
    }
}

fn run(steps: &[Step]) {
    let mut world = World { now: 1_000_000, ..World::default() };
    for step in steps {
        world.step(step);
        world.check();
    }
    world.recover();
}

/// A batch that the stream delivered in parts has two executions for one attempt: the one that may not publish it
/// must not end it either.
#[test]
fn only_who_may_publish_an_attempt_ends_it() {
    let stream = |count| Step::Stream { from: 0, count, dies: false, skew: 0 };
    let next = |which| Step::Execution(which, Sns::Accepts);
    run(&[
        Step::Write(0),
        Step::Write(1),
        stream(1),
        stream(2),
        next(1),
        Step::ExecutionHeldBack(0),
        next(1),
        Step::Retry { by_hand: true, which: 0, dies: false, skew: 0 },
        next(1),
        next(1),
        next(0),
        next(0),
    ]);
}

/// The process function goes on although Step Functions lost its answer: nobody publishes beside it.
#[test]
fn an_attempt_in_doubt_is_left_alone_until_the_function_has_ended() {
    let stream = Step::Stream { from: 0, count: 1, dies: false, skew: 0 };
    let next = |which| Step::Execution(which, Sns::Accepts);
    run(&[
        Step::Write(0),
        stream,
        next(0),
        Step::ExecutionInDoubt(0),
        next(0),
        Step::Retry { by_hand: true, which: 0, dies: false, skew: 0 },
        next(0),
        next(0),
    ]);
}
