//! The status changes of a message, as data: under which condition, what is written. Nothing else may
//! write `sendStatus`.
//!
//! Each change is one conditional request, so that any number of actors may try it at any time. `attempts`
//! only grows and is the version of the item: whoever acts on an older attempt finds its condition false.

use std::collections::{BTreeMap, HashMap};

use serde_dynamo::{AttributeValue, Item};

use crate::EpochMs;
use crate::error::Failure;
use crate::execution::Outcome;
use crate::item::{self, Delivery, Note, Status, StatusField};
use crate::message::{Invalid, Message};

/// One conditional request against the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub sequence_no: String,
    pub condition: Vec<Check>,
    pub write: Write,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A whole new item.
    Put(BTreeMap<&'static str, AttributeValue>),
    Update {
        set: BTreeMap<&'static str, AttributeValue>,
        remove: Vec<&'static str>,
    },
    Delete,
}

/// A condition on the stored item; all of a change's conditions must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    Exists,
    Absent,
    /// The attribute is as it was seen: this value, or missing.
    Same(&'static str, Option<AttributeValue>),
    /// The number is this or less.
    AtMost(&'static str, i64),
    /// The number is this or more.
    AtLeast(&'static str, i64),
    /// The attribute is missing, or already has this value.
    FreeOr(&'static str, AttributeValue),
}

/// *put → Pending*: a new message, once per id.
pub fn write(id: &str, message: &Message, now: EpochMs, lease_ms: i64) -> Change {
    let mut fields = pending(id, 1, now, lease_ms);
    fields.insert(item::SEQUENCE_NO, s(id));
    fields.insert(item::CREATED_AT, n(now));
    fields.extend(message.to_fields());
    Change { sequence_no: id.to_owned(), condition: vec![Check::Absent], write: Write::Put(fields) }
}

/// *adopt → Pending*: an item made by hand, or damaged by one, enters the backlog; one with a status that
/// does not exist becomes Dead, with the reason. Holds only while the item is as `seen`.
pub fn adopt(seen: &Item, now: EpochMs, lease_ms: i64) -> Option<Change> {
    let delivery = Delivery::of(seen)?;
    let id = delivery.sequence_no.as_str();
    let attempt = delivery.attempts.unwrap_or(0).max(0).saturating_add(1);
    let mut set = match delivery.status {
        StatusField::Unknown(_) => {
            let mut set = dead(id, now);
            let reason = Failure::rejected(&Invalid::UnknownStatus);
            set.insert(item::LAST_ERROR, last_error(&reason.class.to_string(), &reason.code, &reason.text));
            set.insert(item::ATTEMPTS, n(attempt));
            set
        }
        StatusField::Known(Status::Dead) => {
            let mut set = dead(id, now);
            set.insert(item::ATTEMPTS, n(attempt));
            set
        }
        _ => pending(id, attempt, now, lease_ms),
    };
    if delivery.created_at.is_none() {
        set.insert(item::CREATED_AT, n(now));
    }
    let as_seen = |name: &'static str| Check::Same(name, seen.get(name).cloned());
    Some(Change {
        sequence_no: id.to_owned(),
        condition: vec![
            Check::Exists,
            as_seen(item::SEND_STATUS),
            as_seen(item::ATTEMPTS),
            as_seen(item::BACKLOG_SHARD),
            as_seen(item::DUE_AT),
        ],
        write: Write::Update { set, remove: vec![item::SENDER] },
    })
}

/// The fence against duplicates: the execution `me` takes the right to publish this attempt. It stays with
/// `me`, so that its own retries pass; a later attempt takes it away. Writes no status.
///
/// The lease must last until `until`, when whoever publishes is stopped at the latest: else a later attempt
/// could begin while this one is still on its way to SNS.
pub fn fence(id: &str, attempt: i64, me: &str, until: EpochMs) -> Change {
    Change {
        sequence_no: id.to_owned(),
        condition: vec![
            Check::Same(item::SEND_STATUS, Some(s(Status::Pending.as_str()))),
            Check::Same(item::ATTEMPTS, Some(n(attempt))),
            Check::AtLeast(item::DUE_AT, until),
            Check::FreeOr(item::SENDER, s(me)),
        ],
        write: update([(item::SENDER, s(me))], &[]),
    }
}

/// *→ Successful*: SNS has the message. True for ever, whatever else happened to the item meanwhile, so the
/// only condition is that it is still the item that was published, and not another one that was put under the
/// same id. It names the execution `me` that delivered it: what became of a message is told from there.
/// `expires_at`, in seconds of the epoch, is the table's TTL.
pub fn succeed(
    id: &str,
    created_at: EpochMs,
    me: &str,
    sns_message_id: &str,
    now: EpochMs,
    expires_at: Option<i64>,
) -> Change {
    let mut set = BTreeMap::from([
        (item::SEND_STATUS, s(Status::Successful.as_str())),
        // No fence looks at it any more: that of a delivered message never opens.
        (item::SENDER, s(me)),
        (item::SNS_MESSAGE_ID, s(sns_message_id)),
        (item::UPDATED_AT, n(now)),
    ]);
    if let Some(seconds) = expires_at {
        set.insert(item::EXPIRES_AT, n(seconds));
    }
    let remove = vec![item::BACKLOG_SHARD, item::DUE_AT, item::LAST_ERROR, item::UNKNOWN_FAILURES];
    Change {
        sequence_no: id.to_owned(),
        condition: vec![Check::Same(item::CREATED_AT, Some(n(created_at)))],
        write: Write::Update { set, remove },
    }
}

/// *Pending → Failure or Dead*, what the state machine's `DynamoDB UpdateItem` writes: only by the attempt
/// that is current, and only by the execution `me` that may publish it, or may still come to. A batch that the
/// stream delivers in parts has several executions for one attempt: while one publishes, another that is held
/// back must not set the message free. `me` is `None` for whoever could not start an execution.
pub fn fail(outcome: &Outcome, me: Option<&str>, class: &str, code: &str, text: &str, now: EpochMs) -> Change {
    Change {
        sequence_no: outcome.sequence_no.clone(),
        condition: vec![
            Check::Same(item::SEND_STATUS, Some(s(Status::Pending.as_str()))),
            Check::Same(item::ATTEMPTS, Some(AttributeValue::N(outcome.attempt.clone()))),
            Check::Same(item::CREATED_AT, Some(AttributeValue::N(outcome.created_at.clone()))),
            me.map_or(Check::Same(item::SENDER, None), |me| Check::FreeOr(item::SENDER, s(me))),
        ],
        write: update(
            [
                (item::SEND_STATUS, s(outcome.send_status.as_str())),
                (item::BACKLOG_SHARD, s(&outcome.backlog_shard)),
                (item::DUE_AT, AttributeValue::N(outcome.due_at.clone())),
                (item::UNKNOWN_FAILURES, AttributeValue::N(outcome.unknown_failures.clone())),
                (item::LAST_ERROR, last_error(class, code, text)),
                (item::UPDATED_AT, n(now)),
            ],
            &[],
        ),
    }
}

/// Who asks for a message to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimBy {
    /// The schedule: only what is due.
    Schedule,
    /// A person, or a probe: a Failure whether due or not; never a Pending one under its lease.
    Hand,
}

/// *claim → Pending*: a starter takes the message for its next attempt. `None` when its status permits no
/// claim at all.
pub fn claim(seen: &Delivery, by: ClaimBy, now: EpochMs, lease_ms: i64) -> Option<Change> {
    let (StatusField::Known(status), Some(attempts)) = (&seen.status, seen.attempts) else { return None };
    let mut condition = as_seen(*status, attempts);
    match (status, by) {
        (Status::Failure, ClaimBy::Hand) => {}
        (Status::Failure, ClaimBy::Schedule) | (Status::Pending, _) => condition.push(Check::AtMost(item::DUE_AT, now)),
        (Status::Successful | Status::Dead, _) => return None,
    }
    let mut set = pending(&seen.sequence_no, attempts + 1, now, lease_ms);
    if seen.created_at.is_none() {
        set.insert(item::CREATED_AT, n(now));
    }
    Some(Change {
        sequence_no: seen.sequence_no.clone(),
        condition,
        write: Write::Update { set, remove: vec![item::SENDER] },
    })
}

/// *revive: Dead → Pending*, with a fresh budget. `attempts` goes on counting: starting over at 1 would let
/// an execution of the first life pass the fence of the second.
pub fn revive(seen: &Delivery, now: EpochMs, lease_ms: i64) -> Option<Change> {
    let attempts = seen.attempts.filter(|_| seen.is(Status::Dead))?;
    let mut set = pending(&seen.sequence_no, attempts + 1, now, lease_ms);
    set.insert(item::UNKNOWN_FAILURES, n(0));
    Some(Change {
        sequence_no: seen.sequence_no.clone(),
        condition: as_seen(Status::Dead, attempts),
        write: Write::Update { set, remove: vec![item::SENDER] },
    })
}

/// *discard: Dead → deleted*.
pub fn discard(id: &str) -> Change {
    Change {
        sequence_no: id.to_owned(),
        condition: vec![Check::Same(item::SEND_STATUS, Some(s(Status::Dead.as_str())))],
        write: Write::Delete,
    }
}

/// A change in the words of the DynamoDB API.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expressions {
    pub condition: String,
    /// Empty for a put and a delete.
    pub update: String,
    pub names: HashMap<String, String>,
    pub values: HashMap<String, AttributeValue>,
}

impl Change {
    /// The same change, which also leaves an operator's note on the item.
    pub fn noted(mut self, note: &Note) -> Change {
        if let Write::Update { set, .. } = &mut self.write {
            let fields = [("by", s(&note.by)), ("reason", s(&note.reason)), ("at", n(note.at))];
            set.insert(item::NOTE, AttributeValue::M(fields.map(|(name, value)| (name.to_owned(), value)).into()));
        }
        self
    }

    pub fn expressions(&self) -> Expressions {
        let mut out = Expressions::default();
        let checks: Vec<String> = self.condition.iter().map(|check| out.check(check)).collect();
        out.condition = checks.join(" AND ");
        if let Write::Update { set, remove } = &self.write {
            let set: Vec<String> = set
                .iter()
                .map(|(name, value)| format!("{} = {}", out.name(name), out.value("new", name, value)))
                .collect();
            out.update = format!("SET {}", set.join(", "));
            if !remove.is_empty() {
                let remove: Vec<String> = remove.iter().map(|name| out.name(name)).collect();
                out.update.push_str(&format!(" REMOVE {}", remove.join(", ")));
            }
        }
        out
    }

    /// Applies the change to a stored item as DynamoDB would: `Err` when its condition does not hold.
    pub fn apply(&self, stored: Option<&Item>) -> Result<Option<Item>, ConditionFailed> {
        if !self.condition.iter().all(|check| check.holds(stored)) {
            return Err(ConditionFailed);
        }
        Ok(match &self.write {
            Write::Delete => None,
            Write::Put(fields) => {
                Some(Item::from(fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect::<HashMap<_, _>>()))
            }
            Write::Update { set, remove } => {
                let mut item = stored.cloned().unwrap_or_else(|| {
                    Item::from(HashMap::from([(item::SEQUENCE_NO.to_owned(), s(&self.sequence_no))]))
                });
                for (name, value) in set {
                    item.insert((*name).to_owned(), value.clone());
                }
                for name in remove {
                    item.remove(*name);
                }
                Some(item)
            }
        })
    }
}

/// The condition of a change did not hold: somebody else was first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the item is no longer as it was seen")]
pub struct ConditionFailed;

impl Check {
    fn holds(&self, stored: Option<&Item>) -> bool {
        let attribute = |name: &str| stored.and_then(|item| item.get(name));
        match self {
            Check::Exists => stored.is_some(),
            Check::Absent => stored.is_none(),
            Check::Same(name, seen) => attribute(name) == seen.as_ref(),
            Check::AtMost(name, limit) => number(attribute(name)).is_some_and(|value| value <= *limit),
            Check::AtLeast(name, limit) => number(attribute(name)).is_some_and(|value| value >= *limit),
            Check::FreeOr(name, value) => attribute(name).is_none_or(|found| found == value),
        }
    }
}

impl Expressions {
    fn check(&mut self, check: &Check) -> String {
        match check {
            Check::Exists => format!("attribute_exists({})", self.name(item::SEQUENCE_NO)),
            Check::Absent => format!("attribute_not_exists({})", self.name(item::SEQUENCE_NO)),
            Check::Same(name, None) => format!("attribute_not_exists({})", self.name(name)),
            Check::Same(name, Some(value)) => format!("{} = {}", self.name(name), self.value("seen", name, value)),
            Check::AtMost(name, limit) => format!("{} <= {}", self.name(name), self.value("limit", name, &n(*limit))),
            Check::AtLeast(name, limit) => format!("{} >= {}", self.name(name), self.value("limit", name, &n(*limit))),
            Check::FreeOr(name, value) => {
                let (attribute, value) = (self.name(name), self.value("mine", name, value));
                format!("(attribute_not_exists({attribute}) OR {attribute} = {value})")
            }
        }
    }

    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, kind: &str, name: &str, value: &AttributeValue) -> String {
        let placeholder = format!(":{kind}_{name}");
        self.values.insert(placeholder.clone(), value.clone());
        placeholder
    }
}

fn pending(id: &str, attempt: i64, now: EpochMs, lease_ms: i64) -> BTreeMap<&'static str, AttributeValue> {
    BTreeMap::from([
        (item::SEND_STATUS, s(Status::Pending.as_str())),
        (item::BACKLOG_SHARD, s(&item::backlog_shard(Status::Pending, id))),
        (item::DUE_AT, n(now + lease_ms)),
        (item::ATTEMPTS, n(attempt)),
        (item::UPDATED_AT, n(now)),
    ])
}

fn dead(id: &str, now: EpochMs) -> BTreeMap<&'static str, AttributeValue> {
    BTreeMap::from([
        (item::SEND_STATUS, s(Status::Dead.as_str())),
        (item::BACKLOG_SHARD, s(&item::backlog_shard(Status::Dead, id))),
        (item::DUE_AT, n(now)),
        (item::UPDATED_AT, n(now)),
    ])
}

fn as_seen(status: Status, attempts: i64) -> Vec<Check> {
    vec![Check::Same(item::SEND_STATUS, Some(s(status.as_str()))), Check::Same(item::ATTEMPTS, Some(n(attempts)))]
}

fn last_error(class: &str, code: &str, text: &str) -> AttributeValue {
    AttributeValue::M(HashMap::from([
        ("class".to_owned(), s(class)),
        ("code".to_owned(), s(code)),
        ("text".to_owned(), s(text)),
    ]))
}

fn update<const N: usize>(set: [(&'static str, AttributeValue); N], remove: &[&'static str]) -> Write {
    Write::Update { set: BTreeMap::from(set), remove: remove.to_vec() }
}

fn number(value: Option<&AttributeValue>) -> Option<i64> {
    match value {
        Some(AttributeValue::N(digits)) => digits.parse().ok(),
        _ => None,
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: i64 = 1000;

    fn message() -> Message {
        Message { body: "hello".into(), subject: None, attributes: BTreeMap::new() }
    }

    fn written() -> Item {
        write("a", &message(), 10, LEASE).apply(None).expect("new").expect("item")
    }

    fn delivery(item: &Item) -> Delivery {
        Delivery::of(item).expect("has an id")
    }

    fn failed(due_at: i64, unknown_failures: i64) -> Outcome {
        Outcome::failure(&delivery(&written()), due_at, unknown_failures)
    }

    fn then(item: &Item, change: &Change) -> Item {
        change.apply(Some(item)).expect("condition holds").expect("item stays")
    }

    #[test]
    fn the_same_id_is_written_once() {
        assert_eq!(write("a", &message(), 20, LEASE).apply(Some(&written())), Err(ConditionFailed));
    }

    #[test]
    fn an_operator_leaves_a_note() {
        let outcome = Outcome::failure(&delivery(&written()), 20, 0);
        let failed = then(&written(), &fail(&outcome, Some("me"), "Unavailable", "X", "t", 20));
        let note = Note { by: "arn".into(), reason: "why".into(), at: 30 };
        let claimed = claim(&delivery(&failed), ClaimBy::Hand, 30, LEASE).expect("change").noted(&note);
        assert_eq!(Note::of(&then(&failed, &claimed)), Some(note));
        assert_eq!(Note::of(&failed), None);
    }

    #[test]
    fn a_successful_message_leaves_the_index_and_never_changes_again() {
        let outcome = failed(99, 0);
        let done = then(&written(), &succeed("a", 10, "me", "sns-1", 20, None));
        assert_eq!(done.get(item::BACKLOG_SHARD), None);
        assert_eq!(fail(&outcome, Some("me"), "Unavailable", "c", "t", 30).apply(Some(&done)), Err(ConditionFailed));
        assert_eq!(fence("a", 1, "me", 50).apply(Some(&done)), Err(ConditionFailed));
        assert_eq!(fence("a", 1, "other", 50).apply(Some(&done)), Err(ConditionFailed));
        assert_eq!(Delivery::of(&done).and_then(|d| d.sender).as_deref(), Some("me"));
        assert_eq!(claim(&delivery(&done), ClaimBy::Hand, 30, LEASE), None);
        assert_eq!(revive(&delivery(&done), 30, LEASE), None);
        assert_eq!(discard("a").apply(Some(&done)), Err(ConditionFailed));
    }

    #[test]
    fn a_deleted_item_never_comes_back() {
        assert_eq!(succeed("a", 10, "me", "sns-1", 20, None).apply(None), Err(ConditionFailed));
        assert_eq!(fence("a", 1, "me", 50).apply(None), Err(ConditionFailed));
        assert_eq!(adopt(&written(), 20, LEASE).expect("change").apply(None), Err(ConditionFailed));
        let claim = claim(&delivery(&written()), ClaimBy::Hand, 5000, LEASE).expect("change");
        assert_eq!(claim.apply(None), Err(ConditionFailed));
    }

    #[test]
    fn what_befell_an_item_does_not_befall_the_next_one_of_its_id() {
        let second = write("a", &message(), 15, LEASE).apply(None).expect("new").expect("item");
        assert_eq!(succeed("a", 10, "me", "sns-1", 20, None).apply(Some(&second)), Err(ConditionFailed));
        assert_eq!(
            fail(&failed(99, 0), Some("me"), "Rejected", "c", "t", 20).apply(Some(&second)),
            Err(ConditionFailed)
        );
    }

    #[test]
    fn the_fence_lets_one_execution_publish_an_attempt() {
        let item = then(&written(), &fence("a", 1, "first", 50));
        assert_eq!(fence("a", 1, "second", 50).apply(Some(&item)), Err(ConditionFailed));
        let item = then(&item, &fence("a", 1, "first", 50));
        let claimed = then(&item, &claim(&delivery(&item), ClaimBy::Schedule, 2000, LEASE).expect("change"));
        assert_eq!(fence("a", 1, "first", 50).apply(Some(&claimed)), Err(ConditionFailed));
        then(&claimed, &fence("a", 2, "second", 2050));
    }

    #[test]
    fn only_who_may_publish_an_attempt_ends_it() {
        let item = then(&written(), &fence("a", 1, "first", 50));
        let fail = |me| fail(&failed(99, 0), me, "Unavailable", "c", "t", 20).apply(Some(&item));
        assert!(fail(Some("first")).is_ok());
        assert_eq!((fail(Some("second")), fail(None)), (Err(ConditionFailed), Err(ConditionFailed)));
    }

    #[test]
    fn nothing_is_published_under_a_lease_that_ends_too_early() {
        let item = written();
        assert!(fence("a", 1, "me", 10 + LEASE).apply(Some(&item)).is_ok());
        assert_eq!(fence("a", 1, "me", 10 + LEASE + 1).apply(Some(&item)), Err(ConditionFailed));
    }

    #[test]
    fn a_lease_protects_from_a_claim_even_by_hand() {
        let item = written();
        for by in [ClaimBy::Schedule, ClaimBy::Hand] {
            let change = claim(&delivery(&item), by, 10 + LEASE - 1, LEASE).expect("change");
            assert_eq!(change.apply(Some(&item)), Err(ConditionFailed));
        }
    }

    #[test]
    fn a_failure_waits_for_its_time_unless_a_person_asks() {
        let item = then(&written(), &fail(&failed(5000, 0), Some("me"), "Unavailable", "c", "t", 20));
        let change = |by| claim(&delivery(&item), by, 4999, LEASE).expect("change").apply(Some(&item));
        assert_eq!(change(ClaimBy::Schedule), Err(ConditionFailed));
        assert!(change(ClaimBy::Hand).is_ok());
    }

    #[test]
    fn an_unknown_status_becomes_dead_with_a_reason() {
        let mut item = written();
        item.insert(item::SEND_STATUS.into(), s("Delivered?"));
        let adopted = then(&item, &adopt(&item, 20, LEASE).expect("change"));
        let delivery = delivery(&adopted);
        assert!(delivery.is(Status::Dead) && delivery.is_indexed());
        assert_eq!(delivery.last_error.expect("a reason").code, "UnknownStatus");
    }

    #[test]
    fn a_revived_message_goes_on_counting() {
        let outcome = failed(99, 10).rejected(99);
        let dead = then(&written(), &fail(&outcome, Some("me"), "Unknown", "c", "t", 20));
        let revived = delivery(&then(&dead, &revive(&delivery(&dead), 30, LEASE).expect("change")));
        assert_eq!((revived.attempts, revived.unknown_failures), (Some(2), 0));
    }

    #[test]
    fn expressions_name_every_attribute_and_value() {
        let found = fence("a", 3, "me", 50).expressions();
        assert_eq!(
            found.condition,
            "#sendStatus = :seen_sendStatus AND #attempts = :seen_attempts AND #dueAt >= :limit_dueAt AND \
             (attribute_not_exists(#sender) OR #sender = :mine_sender)"
        );
        assert_eq!(found.update, "SET #sender = :new_sender");
        assert_eq!(found.names.len(), 4);
        assert_eq!(found.values.len(), 5);
    }
}
