//! A message as an operator sees it.

use outbox::EpochMs;
use outbox::item::{self, Delivery, LastError, Status, StatusField};
use outbox::message::Message;
use serde::Serialize;
use serde_dynamo::{AttributeValue, Item};

/// What the backlog index knows of a message; everywhere the same words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
    pub sequence_no: String,
    /// `Pending`, `Successful`, `Failure`, `Dead`; empty when a hand made the item and nobody took it up yet.
    pub send_status: String,
    pub attempts: i64,
    pub sns_message_id: Option<String>,
    pub last_error: Option<LastError>,
    /// Epoch milliseconds, as all times.
    pub due_at: Option<EpochMs>,
    pub created_at: Option<EpochMs>,
    pub updated_at: Option<EpochMs>,
}

impl MessageView {
    pub fn of(item: &Item) -> Option<MessageView> {
        let delivery = Delivery::of(item)?;
        Some(MessageView {
            sequence_no: delivery.sequence_no,
            send_status: match delivery.status {
                StatusField::Absent => String::new(),
                StatusField::Known(status) => status.to_string(),
                StatusField::Unknown(text) => text,
            },
            attempts: delivery.attempts.unwrap_or(0),
            sns_message_id: delivery.sns_message_id,
            last_error: delivery.last_error,
            due_at: delivery.due_at,
            created_at: delivery.created_at,
            updated_at: delivery.updated_at,
        })
    }
}

impl From<&MessageView> for Delivery {
    /// As far as a status change asks for it.
    fn from(view: &MessageView) -> Delivery {
        let status = Status::parse(&view.send_status);
        Delivery {
            sequence_no: view.sequence_no.clone(),
            status: status.map_or_else(|| StatusField::Unknown(view.send_status.clone()), StatusField::Known),
            backlog_shard: None,
            due_at: view.due_at,
            attempts: Some(view.attempts),
            unknown_failures: 0,
            created_at: view.created_at,
            updated_at: view.updated_at,
            last_error: None,
            sns_message_id: None,
            sender: None,
        }
    }
}

/// Whether a stored item carries exactly this message, whatever became of it since.
pub fn is_same_message(stored: &Item, message: &Message) -> bool {
    let wanted = message.to_fields();
    let field = |name: &str| wanted.iter().find(|(wanted, _)| *wanted == name).map(|(_, value)| value);
    [item::MESSAGE, item::SUBJECT, item::ATTRIBUTES].iter().all(|name| match (stored.get(*name), field(name)) {
        (Some(AttributeValue::M(stored)), Some(AttributeValue::M(wanted))) => same_attributes(stored, wanted),
        (stored, wanted) => stored == wanted,
    })
}

/// DynamoDB stores a number in its own spelling: `1.50` comes back as `1.5`.
fn same_attributes(
    stored: &std::collections::HashMap<String, AttributeValue>,
    wanted: &std::collections::HashMap<String, AttributeValue>,
) -> bool {
    let same = |a: &AttributeValue, b: &AttributeValue| match (a, b) {
        (AttributeValue::N(a), AttributeValue::N(b)) => a == b || a.parse::<f64>().ok() == b.parse::<f64>().ok(),
        (a, b) => a == b,
    };
    stored.len() == wanted.len() && stored.iter().all(|(k, a)| wanted.get(k).is_some_and(|b| same(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use outbox::message::Attribute;
    use std::collections::{BTreeMap, HashMap};

    fn message(body: &str, number: &str) -> Message {
        let attributes = BTreeMap::from([("n".to_owned(), Attribute::Number(number.to_owned()))]);
        Message { body: body.to_owned(), subject: None, attributes }
    }

    #[test]
    fn the_same_message_is_recognised_whatever_became_of_it() {
        let fields = message("a", "1.50").to_fields().into_iter().map(|(k, v)| (k.to_owned(), v));
        let mut stored: HashMap<String, AttributeValue> = fields.collect();
        stored.insert(item::SEND_STATUS.to_owned(), AttributeValue::S("Successful".into()));
        let stored = Item::from(stored);
        assert!(is_same_message(&stored, &message("a", "1.5")));
        assert!(!is_same_message(&stored, &message("b", "1.5")));
        assert!(!is_same_message(&stored, &message("a", "2")));
        assert!(!is_same_message(&stored, &Message { subject: Some("s".into()), ..message("a", "1.5") }));
    }
}
