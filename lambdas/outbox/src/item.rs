//! The item of a message in the table: attribute names, statuses, backlog shards, and a lenient view
//! of what a stored item holds (anybody may have written it).

use serde::{Deserialize, Serialize};
use serde_dynamo::{AttributeValue, Item};
use sha2::{Digest, Sha256};

use crate::EpochMs;

pub const SEQUENCE_NO: &str = "sequenceNo";
pub const MESSAGE: &str = "message";
pub const SUBJECT: &str = "subject";
pub const ATTRIBUTES: &str = "attributes";
pub const SEND_STATUS: &str = "sendStatus";
pub const BACKLOG_SHARD: &str = "backlogShard";
pub const DUE_AT: &str = "dueAt";
pub const ATTEMPTS: &str = "attempts";
pub const UNKNOWN_FAILURES: &str = "unknownFailures";
pub const SENDER: &str = "sender";
pub const LAST_ERROR: &str = "lastError";
pub const CREATED_AT: &str = "createdAt";
pub const UPDATED_AT: &str = "updatedAt";
pub const SNS_MESSAGE_ID: &str = "snsMessageId";
/// Which operator had the message tried again last, and why.
pub const NOTE: &str = "note";
pub const EXPIRES_AT: &str = "expiresAt";

/// The sparse global secondary index that holds every undelivered message.
pub const BACKLOG_INDEX: &str = "GSI-backlog";

/// How many shards each status of the backlog is spread over. A constant and no parameter: walking
/// fewer shards than were written would hide messages. DynamoDB allows 1,000 write units a second per
/// partition key (developer guide, "Designing partition keys") and a delivered message costs the index
/// two, so 16 shards carry 8,000 messages a second.
pub const SHARDS: u32 = 16;

/// The longest `sequenceNo`, in bytes: DynamoDB's limit for a partition key.
pub const MAX_ID_BYTES: usize = 2048;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Status {
    Pending,
    Successful,
    Failure,
    Dead,
}

impl Status {
    pub const ALL: [Status; 4] = [Status::Pending, Status::Successful, Status::Failure, Status::Dead];
    /// The statuses that stand in the backlog index.
    pub const BACKLOG: [Status; 3] = [Status::Pending, Status::Failure, Status::Dead];

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "Pending",
            Status::Successful => "Successful",
            Status::Failure => "Failure",
            Status::Dead => "Dead",
        }
    }

    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The shard of an id: stable for ever, since it is stored.
pub fn shard(sequence_no: &str) -> u32 {
    u32::from(Sha256::digest(sequence_no.as_bytes())[0]) % SHARDS
}

/// The partition key of the backlog index: `<status>#<shard>`.
pub fn backlog_shard(status: Status, sequence_no: &str) -> String {
    shard_key(status, shard(sequence_no))
}

pub fn shard_key(status: Status, shard: u32) -> String {
    format!("{status}#{shard}")
}

/// What an item says of its delivery. Whatever has the wrong type counts as absent: a hand may have
/// written it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub sequence_no: String,
    pub status: StatusField,
    pub backlog_shard: Option<String>,
    pub due_at: Option<EpochMs>,
    pub attempts: Option<i64>,
    pub unknown_failures: i64,
    pub created_at: Option<EpochMs>,
    pub updated_at: Option<EpochMs>,
    pub last_error: Option<LastError>,
    pub sns_message_id: Option<String>,
    /// The name of the execution that may publish the current attempt, or that delivered the message.
    pub sender: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusField {
    Absent,
    Known(Status),
    Unknown(String),
}

/// What an operator left on a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The ARN of the caller.
    pub by: String,
    pub reason: String,
    /// Epoch milliseconds.
    pub at: EpochMs,
}

impl Note {
    pub fn of(item: &Item) -> Option<Note> {
        let AttributeValue::M(map) = item.get(NOTE)? else { return None };
        let text = |name: &str| match map.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => String::new(),
        };
        let at = match map.get("at") {
            Some(AttributeValue::N(digits)) => digits.parse().unwrap_or(0),
            _ => 0,
        };
        Some(Note { by: text("by"), reason: text("reason"), at })
    }
}

/// Why the last attempt did not deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    pub class: String,
    pub code: String,
    pub text: String,
    /// When, in ISO 8601.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub time: String,
    /// The ARN of the execution that reported it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub execution: String,
}

impl Delivery {
    /// A message in its attempt number `attempts`, as the backlog holds it.
    pub fn pending(id: &str, attempts: i64) -> Delivery {
        Delivery {
            sequence_no: id.to_owned(),
            status: StatusField::Known(Status::Pending),
            backlog_shard: Some(backlog_shard(Status::Pending, id)),
            due_at: Some(0),
            attempts: Some(attempts),
            unknown_failures: 0,
            created_at: Some(0),
            updated_at: Some(0),
            last_error: None,
            sns_message_id: None,
            sender: None,
        }
    }

    /// `None` when the item has no `sequenceNo` of type string, which the table does not permit.
    pub fn of(item: &Item) -> Option<Delivery> {
        Some(Delivery {
            sequence_no: string(item, SEQUENCE_NO)?.to_owned(),
            status: match item.get(SEND_STATUS) {
                None => StatusField::Absent,
                Some(AttributeValue::S(text)) => match Status::parse(text) {
                    Some(status) => StatusField::Known(status),
                    None => StatusField::Unknown(text.clone()),
                },
                Some(_) => StatusField::Unknown("(not a string)".to_owned()),
            },
            backlog_shard: string(item, BACKLOG_SHARD).map(str::to_owned),
            due_at: number(item, DUE_AT),
            attempts: number(item, ATTEMPTS),
            unknown_failures: number(item, UNKNOWN_FAILURES).unwrap_or(0),
            created_at: number(item, CREATED_AT),
            updated_at: number(item, UPDATED_AT),
            last_error: item.get(LAST_ERROR).and_then(last_error),
            sns_message_id: string(item, SNS_MESSAGE_ID).map(str::to_owned),
            sender: string(item, SENDER).map(str::to_owned),
        })
    }

    pub fn is(&self, status: Status) -> bool {
        self.status == StatusField::Known(status)
    }

    /// Whether the backlog index holds this item where the walk over the shards finds it.
    pub fn is_indexed(&self) -> bool {
        match &self.status {
            StatusField::Known(status) => {
                self.due_at.is_some()
                    && self.attempts.is_some()
                    && self.created_at.is_some()
                    && self.backlog_shard.as_deref() == Some(&backlog_shard(*status, &self.sequence_no))
            }
            _ => false,
        }
    }

    /// Whether a starter must first take this item into the backlog: written by hand, or damaged.
    pub fn needs_adoption(&self) -> bool {
        !self.is(Status::Successful) && !self.is_indexed()
    }
}

pub(crate) fn string<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

pub fn number(item: &Item, name: &str) -> Option<i64> {
    match item.get(name) {
        Some(AttributeValue::N(digits)) => digits.parse().ok(),
        _ => None,
    }
}

fn last_error(value: &AttributeValue) -> Option<LastError> {
    let AttributeValue::M(map) = value else { return None };
    let field = |name: &str| match map.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    };
    Some(LastError {
        class: field("class"),
        code: field("code"),
        text: field("text"),
        time: field("time"),
        execution: field("execution"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_of_an_id_never_changes() {
        // Stored in every item: a change of this table would hide messages from the walk.
        let stored = [("", 3), ("a", 10), ("hello", 12), ("01JDBQ3ZK8M9V6T2X4Y5Z7A8B9", 3)];
        let now: Vec<_> = stored.iter().map(|(id, _)| (*id, shard(id))).collect();
        assert_eq!(now, stored);
    }

    #[test]
    fn every_shard_is_used() {
        let used: std::collections::BTreeSet<_> = (0..500).map(|n| shard(&n.to_string())).collect();
        assert_eq!(used.len(), SHARDS as usize);
    }

    #[test]
    fn a_damaged_item_needs_adoption_and_a_delivered_one_never() {
        let item = |fields: &[(&str, AttributeValue)]| -> Delivery {
            let mut item = Item::from(std::collections::HashMap::<String, AttributeValue>::new());
            item.insert(SEQUENCE_NO.into(), AttributeValue::S("a".into()));
            for (name, value) in fields {
                item.insert((*name).to_owned(), value.clone());
            }
            Delivery::of(&item).expect("has an id")
        };
        let s = |text: &str| AttributeValue::S(text.into());
        let n = |digits: &str| AttributeValue::N(digits.into());
        assert!(item(&[]).needs_adoption());
        assert!(item(&[(SEND_STATUS, s("pending"))]).needs_adoption());
        assert!(item(&[(SEND_STATUS, n("1"))]).needs_adoption());
        assert!(item(&[(SEND_STATUS, s("Failure"))]).needs_adoption());
        assert!(!item(&[(SEND_STATUS, s("Successful"))]).needs_adoption());
        let whole = [
            (SEND_STATUS, s("Pending")),
            (BACKLOG_SHARD, s("Pending#10")),
            (DUE_AT, n("5")),
            (ATTEMPTS, n("1")),
            (CREATED_AT, n("1")),
        ];
        assert!(!item(&whole).needs_adoption());
        let mut wrong_shard = whole.clone();
        wrong_shard[1].1 = s("Pending#99");
        assert!(item(&wrong_shard).needs_adoption());
    }
}
