//! A message and the limits that Amazon SNS sets to it. The command checks them before it writes, and the
//! process function before it publishes: an item may come from any hand.

use std::collections::BTreeMap;

use serde_dynamo::{AttributeValue, Item};

use crate::item;

/// The largest message with its attributes, in bytes (SNS quotas: 256 KiB; a topic's `MaximumMessageSize`
/// may be more, but then not every kind of subscriber gets it).
pub const MAX_BYTES: usize = 256 * 1024;
/// The longest subject, in characters (SNS API reference, `Publish`, `Subject`).
pub const MAX_SUBJECT_CHARS: usize = 100;
/// The most attributes a message of ours may have. SNS discards a message with more than ten on its way to
/// a queue with raw delivery (SNS developer guide, "raw message delivery"), and one is ours: the id.
pub const MAX_ATTRIBUTES: usize = 9;
/// The message attribute that carries the message's id, for consumers to deduplicate by.
pub const ID_ATTRIBUTE: &str = item::SEQUENCE_NO;

/// What goes to SNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub body: String,
    pub subject: Option<String>,
    pub attributes: BTreeMap<String, Attribute>,
}

/// A message attribute, stored in the item as DynamoDB's own type of the same meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    String(String),
    Number(String),
    Binary(Vec<u8>),
}

/// Why a message can never be sent: its own fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("there is no `message`")]
    NoBody,
    #[error("`message` is not a string")]
    BodyNotString,
    #[error("the message is empty")]
    Empty,
    #[error("the message is {0} bytes with its attributes; SNS takes {MAX_BYTES} (256 KiB)")]
    TooLarge(usize),
    #[error("`subject` is not a string")]
    SubjectNotString,
    #[error("the subject must be 1 to {MAX_SUBJECT_CHARS} ASCII characters on one line and not begin with a space")]
    Subject,
    #[error("`attributes` is not a map of strings, numbers and binaries")]
    AttributesNotMap,
    #[error("{0} attributes; a message may have {MAX_ATTRIBUTES}")]
    TooManyAttributes(usize),
    #[error(
        "the attribute name `{0}` is not 1 to 256 letters, digits, `_`, `-` and single inner `.`, or begins with `AWS.` or `Amazon.`, or is `{ID_ATTRIBUTE}`"
    )]
    AttributeName(String),
    #[error("the value of the attribute `{0}` is empty, or a number that SNS does not take")]
    AttributeValue(String),
    #[error("`sendStatus` was written by hand and is none of Pending, Successful, Failure, Dead")]
    UnknownStatus,
    #[error("the id must be 1 to {} bytes", item::MAX_ID_BYTES)]
    Id,
}

impl Invalid {
    /// A short word for `lastError.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Invalid::NoBody => "NoMessage",
            Invalid::BodyNotString => "MessageNotString",
            Invalid::Empty => "EmptyMessage",
            Invalid::TooLarge(_) => "MessageTooLarge",
            Invalid::SubjectNotString | Invalid::Subject => "InvalidSubject",
            Invalid::AttributesNotMap
            | Invalid::TooManyAttributes(_)
            | Invalid::AttributeName(_)
            | Invalid::AttributeValue(_) => "InvalidAttribute",
            Invalid::UnknownStatus => "UnknownStatus",
            Invalid::Id => "InvalidId",
        }
    }
}

impl Message {
    /// Reads the message of an item, whoever wrote it, and checks every limit.
    pub fn of(item: &Item) -> Result<Message, Invalid> {
        let body = match item.get(item::MESSAGE) {
            None => return Err(Invalid::NoBody),
            Some(AttributeValue::S(text)) => text.clone(),
            Some(_) => return Err(Invalid::BodyNotString),
        };
        let subject = match item.get(item::SUBJECT) {
            None | Some(AttributeValue::Null(_)) => None,
            Some(AttributeValue::S(text)) => Some(text.clone()),
            Some(_) => return Err(Invalid::SubjectNotString),
        };
        let attributes = match item.get(item::ATTRIBUTES) {
            None | Some(AttributeValue::Null(_)) => BTreeMap::new(),
            Some(AttributeValue::M(map)) => map
                .iter()
                .map(|(name, value)| Ok((name.clone(), Attribute::of(value)?)))
                .collect::<Result<_, Invalid>>()?,
            Some(_) => return Err(Invalid::AttributesNotMap),
        };
        let id = item::string(item, item::SEQUENCE_NO).unwrap_or_default();
        let message = Message { body, subject, attributes };
        message.check(id)?;
        Ok(message)
    }

    /// Checks every limit that SNS and DynamoDB set to this message under this id.
    pub fn check(&self, id: &str) -> Result<(), Invalid> {
        if id.is_empty() || id.len() > item::MAX_ID_BYTES {
            return Err(Invalid::Id);
        }
        if self.body.is_empty() {
            return Err(Invalid::Empty);
        }
        if self.subject.as_deref().is_some_and(|s| !subject_is_valid(s)) {
            return Err(Invalid::Subject);
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            return Err(Invalid::TooManyAttributes(self.attributes.len()));
        }
        for (name, value) in &self.attributes {
            if !attribute_name_is_valid(name) {
                return Err(Invalid::AttributeName(name.clone()));
            }
            if !value.is_valid() {
                return Err(Invalid::AttributeValue(name.clone()));
            }
        }
        match self.wire_bytes(id) {
            bytes if bytes > MAX_BYTES => Err(Invalid::TooLarge(bytes)),
            _ => Ok(()),
        }
    }

    /// What SNS counts: the body, and each attribute's name, type and value, our own included. The
    /// subject is counted too, to be on the safe side.
    pub fn wire_bytes(&self, id: &str) -> usize {
        let own = ID_ATTRIBUTE.len() + "String".len() + id.len();
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.wire_bytes()).sum();
        self.body.len() + self.subject.as_deref().map_or(0, str::len) + own + attributes
    }

    /// The attributes of the item that carry the message.
    pub fn to_fields(&self) -> Vec<(&'static str, AttributeValue)> {
        let mut fields = vec![(item::MESSAGE, AttributeValue::S(self.body.clone()))];
        if let Some(subject) = &self.subject {
            fields.push((item::SUBJECT, AttributeValue::S(subject.clone())));
        }
        if !self.attributes.is_empty() {
            let map = self.attributes.iter().map(|(name, value)| (name.clone(), value.to_value())).collect();
            fields.push((item::ATTRIBUTES, AttributeValue::M(map)));
        }
        fields
    }
}

impl Attribute {
    fn of(value: &AttributeValue) -> Result<Attribute, Invalid> {
        match value {
            AttributeValue::S(text) => Ok(Attribute::String(text.clone())),
            AttributeValue::N(digits) => Ok(Attribute::Number(digits.clone())),
            AttributeValue::B(bytes) => Ok(Attribute::Binary(bytes.clone())),
            _ => Err(Invalid::AttributesNotMap),
        }
    }

    fn to_value(&self) -> AttributeValue {
        match self {
            Attribute::String(text) => AttributeValue::S(text.clone()),
            Attribute::Number(digits) => AttributeValue::N(digits.clone()),
            Attribute::Binary(bytes) => AttributeValue::B(bytes.clone()),
        }
    }

    /// The name of the SNS data type.
    pub fn data_type(&self) -> &'static str {
        match self {
            Attribute::String(_) => "String",
            Attribute::Number(_) => "Number",
            Attribute::Binary(_) => "Binary",
        }
    }

    fn wire_bytes(&self) -> usize {
        self.data_type().len()
            + match self {
                Attribute::String(text) | Attribute::Number(text) => text.len(),
                Attribute::Binary(bytes) => bytes.len(),
            }
    }

    fn is_valid(&self) -> bool {
        match self {
            Attribute::String(text) => !text.is_empty(),
            // SNS takes what is a number (developer guide, "message attributes").
            Attribute::Number(digits) => digits.parse::<f64>().is_ok_and(f64::is_finite),
            Attribute::Binary(bytes) => !bytes.is_empty(),
        }
    }
}

/// SNS: "ASCII text that begins with a letter, number, or punctuation mark; must not include line breaks
/// or control characters; and must be less than 100 characters long" (API reference, `Publish`).
fn subject_is_valid(subject: &str) -> bool {
    !subject.is_empty()
        && subject.len() <= MAX_SUBJECT_CHARS
        && !subject.starts_with(' ')
        && subject.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// SNS developer guide, "Amazon SNS message attributes": at most 256 characters of `A-Z a-z 0-9 _ - .`, no
/// period first, last or twice in a row, and none of the reserved prefixes.
fn attribute_name_is_valid(name: &str) -> bool {
    let reserved = ["aws.", "amazon."];
    let lower = name.to_ascii_lowercase();
    (1..=256).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !reserved.iter().any(|prefix| lower.starts_with(prefix))
        && name != ID_ATTRIBUTE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(body: &str) -> Message {
        Message { body: body.to_owned(), subject: None, attributes: BTreeMap::new() }
    }

    fn with_attribute(name: &str, value: Attribute) -> Message {
        Message { attributes: BTreeMap::from([(name.to_owned(), value)]), ..message("x") }
    }

    #[test]
    fn the_size_limit_counts_attributes_and_is_exact() {
        let overhead = message("").wire_bytes("id");
        assert_eq!(message(&"x".repeat(MAX_BYTES - overhead)).check("id"), Ok(()));
        let over = message(&"x".repeat(MAX_BYTES - overhead + 1));
        assert_eq!(over.check("id"), Err(Invalid::TooLarge(MAX_BYTES + 1)));
        let mut attributed = message(&"x".repeat(MAX_BYTES - overhead));
        attributed.attributes.insert("k".into(), Attribute::String("v".into()));
        assert_eq!(attributed.check("id"), Err(Invalid::TooLarge(MAX_BYTES + 8)));
    }

    #[test]
    fn names_and_values_of_attributes() {
        for good in ["a", "A-b_c.d", "0", &"n".repeat(256)] {
            assert_eq!(with_attribute(good, Attribute::String("v".into())).check("id"), Ok(()), "{good}");
        }
        for bad in ["", ".a", "a.", "a..b", "a b", "ä", "AWS.x", "amazon.x", "sequenceNo", &"n".repeat(257)] {
            let found = with_attribute(bad, Attribute::String("v".into())).check("id");
            assert_eq!(found, Err(Invalid::AttributeName(bad.to_owned())));
        }
        for bad in [Attribute::String(String::new()), Attribute::Number("ten".into()), Attribute::Binary(vec![])] {
            assert_eq!(with_attribute("a", bad).check("id"), Err(Invalid::AttributeValue("a".into())));
        }
        let many = (0..=MAX_ATTRIBUTES).map(|n| (format!("a{n}"), Attribute::Number("1".into()))).collect();
        assert_eq!(Message { attributes: many, ..message("x") }.check("id"), Err(Invalid::TooManyAttributes(10)));
    }

    #[test]
    fn subjects() {
        let check = |s: &str| Message { subject: Some(s.to_owned()), ..message("x") }.check("id");
        assert_eq!(check("Order 66: done!"), Ok(()));
        assert_eq!(check(&"s".repeat(100)), Ok(()));
        for bad in ["", " x", "two\nlines", "ünicode", &"s".repeat(101)] {
            assert_eq!(check(bad), Err(Invalid::Subject), "{bad:?}");
        }
    }

    #[test]
    fn items_by_any_hand() {
        let item = |value: Option<AttributeValue>| {
            let mut map = std::collections::HashMap::new();
            map.insert(item::SEQUENCE_NO.to_owned(), AttributeValue::S("id".into()));
            value.map(|v| map.insert(item::MESSAGE.to_owned(), v));
            Message::of(&Item::from(map))
        };
        assert_eq!(item(None), Err(Invalid::NoBody));
        assert_eq!(item(Some(AttributeValue::N("7".into()))), Err(Invalid::BodyNotString));
        assert_eq!(item(Some(AttributeValue::S(String::new()))), Err(Invalid::Empty));
        assert_eq!(item(Some(AttributeValue::S("hi".into()))), Ok(message("hi")));
    }

    proptest! {
        #[test]
        fn a_valid_message_survives_its_item(
            body in ".{1,40}",
            subject in proptest::option::of("[!-~][ -~]{0,99}"),
            number in -1_000_000i64..1_000_000,
            bytes in proptest::collection::vec(any::<u8>(), 1..20),
        ) {
            let message = Message { body, subject, attributes: BTreeMap::from([
                ("n".to_owned(), Attribute::Number(number.to_string())),
                ("b".to_owned(), Attribute::Binary(bytes)),
            ]) };
            prop_assert_eq!(message.check("id"), Ok(()));
            let mut fields: std::collections::HashMap<String, AttributeValue> =
                message.to_fields().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            fields.insert(item::SEQUENCE_NO.to_owned(), AttributeValue::S("id".into()));
            prop_assert_eq!(Message::of(&Item::from(fields)), Ok(message));
        }
    }
}
