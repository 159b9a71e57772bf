//! A message as one line of JSON: `{"id": "...", "message": "...", "subject": "...", "attributes": {...}}`. No
//! error quotes what a line holds but the names of its fields: texts of messages stand in no log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use outbox::error::shorten;
use outbox::message::{Attribute, Message};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// What else a line may have, as the lists of the command write it: it says nothing of the message.
const IGNORED: [&str; 7] = ["sendStatus", "attempts", "lastError", "createdAt", "updatedAt", "dueAt", "snsMessageId"];
/// Hexadecimal digits of the hash in a derived id: 104 bits.
const DIGITS: usize = 26;

/// A message on its way in or out, with its id if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub id: Option<String>,
    pub message: Message,
}

impl Line {
    /// Reads one line of JSON. The message's own limits are not checked.
    pub fn parse(text: &str) -> Result<Line, String> {
        let mut id = None;
        let mut body = None;
        let mut subject = None;
        let mut attributes = BTreeMap::new();
        for (name, value) in members(text)? {
            match name.as_str() {
                "id" | "sequenceNo" if id.is_some() => return Err("there are two ids: `id` and `sequenceNo`".into()),
                "id" | "sequenceNo" => id = string(&name, value)?,
                "message" => body = string(&name, value)?,
                "subject" => subject = string(&name, value)?,
                "attributes" if value.get() != "null" => attributes = parse_attributes(value.get())?,
                "attributes" => {}
                ignored if IGNORED.contains(&ignored) => {}
                _ => {
                    let known = "a line has `message`, and may have `id`, `subject` and `attributes`";
                    return Err(format!("the field `{}` is unknown; {known}", shorten(&name)));
                }
            }
        }
        let body = body.ok_or("there is no `message`")?;
        Ok(Line { id, message: Message { body, subject, attributes } })
    }
}

/// The id of a message that has none: the same for the same message on the same line of a file.
pub fn derived_id(line: u64, message: &Message) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &[u8]| {
        // The length keeps apart what stands side by side.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    part(message.body.as_bytes());
    message.subject.iter().for_each(|subject| part(subject.as_bytes()));
    for (name, value) in &message.attributes {
        part(name.as_bytes());
        part(value.data_type().as_bytes());
        match value {
            Attribute::String(text) | Attribute::Number(text) => part(text.as_bytes()),
            Attribute::Binary(bytes) => part(bytes),
        }
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("l{line}-{}", &digits[..DIGITS])
}

fn parse_attributes(text: &str) -> Result<BTreeMap<String, Attribute>, String> {
    let members = members(text).map_err(|reason| format!("`attributes`: {reason}"))?;
    members.into_iter().map(|(name, value)| attribute(&name, value).map(|value| (name, value))).collect()
}

fn attribute(name: &str, value: &RawValue) -> Result<Attribute, String> {
    let wrong = |reason: &str| Err(format!("the attribute `{}` {reason}", shorten(name)));
    match value.get().as_bytes().first() {
        Some(b'"') => match string(name, value)? {
            Some(text) => Ok(Attribute::String(text)),
            None => wrong("has no value"),
        },
        Some(b'-' | b'0'..=b'9') => Ok(Attribute::Number(value.get().to_owned())),
        Some(b'{') => {
            let mut parts = BTreeMap::new();
            for (part, value) in members(value.get())? {
                match part.as_str() {
                    "type" | "value" => parts.insert(part, value),
                    _ => return wrong(&format!("has the field `{}`; it has `type` and `value`", shorten(&part))),
                };
            }
            let part = |part: &str| parts.get(part).map(|value| string(part, value)).transpose().map(Option::flatten);
            match (part("type")?.as_deref(), part("value")?) {
                (_, None) => wrong("has no `value`"),
                (Some("String"), Some(text)) => Ok(Attribute::String(text)),
                (Some("Number"), Some(text)) => Ok(Attribute::Number(text)),
                (Some("Binary"), Some(text)) => match BASE64_STANDARD.decode(text) {
                    Ok(bytes) => Ok(Attribute::Binary(bytes)),
                    Err(_) => wrong("is not base64"),
                },
                _ => wrong("has no `type` of String, Number or Binary"),
            }
        }
        _ => wrong("is no string, no number, and no object of `type` and `value`"),
    }
}

/// A string, or `None` for `null`.
fn string(name: &str, value: &RawValue) -> Result<Option<String>, String> {
    serde_json::from_str(value.get()).map_err(|_| match value.get().starts_with('"') {
        true => format!("`{}` has an escape that is no character", shorten(name)),
        false => format!("`{}` is not a string", shorten(name)),
    })
}

/// The members of a JSON object, each name once.
fn members(text: &str) -> Result<Vec<(String, &RawValue)>, String> {
    if !text.trim_start().starts_with('{') {
        return Err("this is no JSON object".to_owned());
    }
    let Members(members) = serde_json::from_str(text).map_err(|error| {
        format!("this is no JSON: {}", error.to_string().replacen(" at line 1 column", " at column", 1))
    })?;
    let mut names = BTreeSet::new();
    match members.iter().find(|(name, _)| !names.insert(name)) {
        Some((name, _)) => Err(format!("the field `{}` is given twice", shorten(name))),
        None => Ok(members),
    }
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = vec![];
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Of)
    }
}

#[derive(Serialize)]
struct Fields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'a str, Value<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Plain(&'a str),
    Typed {
        #[serde(rename = "type")]
        kind: &'static str,
        value: String,
    },
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = |attribute: &'_ Attribute| match attribute {
            Attribute::Number(digits) => digits.clone(),
            Attribute::Binary(bytes) => BASE64_STANDARD.encode(bytes),
            Attribute::String(text) => text.clone(),
        };
        let attributes = self.message.attributes.iter().map(|(name, attribute)| {
            let written = match attribute {
                Attribute::String(text) => Value::Plain(text),
                // DynamoDB's spelling of a number need not be JSON's.
                _ => Value::Typed { kind: attribute.data_type(), value: value(attribute) },
            };
            (name.as_str(), written)
        });
        let fields = Fields {
            id: self.id.as_deref(),
            message: &self.message.body,
            subject: self.message.subject.as_deref(),
            attributes: attributes.collect(),
        };
        fields.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(id: Option<&str>, attributes: &[(&str, Attribute)]) -> Line {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Line { id: id.map(str::to_owned), message: Message { body: "m".into(), subject: None, attributes } }
    }

    #[test]
    fn lines_in_every_spelling() {
        let number = |digits: &str| ("n", Attribute::Number(digits.into()));
        let cases = [
            (r#"{"message":"m"}"#, line(None, &[])),
            (r#" { "message" : "m" , "id" : null, "subject":null, "attributes":null } "#, line(None, &[])),
            (r#"{"id":"a","message":"m"}"#, line(Some("a"), &[])),
            (r#"{"sequenceNo":"a","message":"m","sendStatus":"Dead","lastError":{"x":[1]}}"#, line(Some("a"), &[])),
            (r#"{"message":"m","attributes":{"n":1.50}}"#, line(None, &[number("1.50")])),
            (
                r#"{"message":"m","attributes":{"n":-12345678901234567890}}"#,
                line(None, &[number("-12345678901234567890")]),
            ),
            (r#"{"message":"m","attributes":{"n":{"type":"Number","value":"7"}}}"#, line(None, &[number("7")])),
            (
                r#"{"message":"m","attributes":{"s":"t","b":{"value":"AAE=","type":"Binary"}}}"#,
                line(None, &[("s", Attribute::String("t".into())), ("b", Attribute::Binary(vec![0, 1]))]),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Line::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_text_is_quoted() {
        let cases = [
            ("", "no JSON object"),
            (r#"["SECRET"]"#, "no JSON object"),
            (r#""SECRET""#, "no JSON object"),
            (r#"{"message":"SECRET""#, "no JSON: EOF"),
            (r#"{"message":"SECRET"} x"#, "trailing characters at column 22"),
            (r#"{"message":SECRET}"#, "no JSON: expected value at column 12"),
            (r#"{"id":"a"}"#, "there is no `message`"),
            (r#"{"message":null}"#, "there is no `message`"),
            (r#"{"message":["SECRET"]}"#, "`message` is not a string"),
            (r#"{"message":"SECRET\ud800"}"#, "`message` has an escape that is no character"),
            (r#"{"mesage":"SECRET"}"#, "the field `mesage` is unknown; a line has `message`"),
            (r#"{"message":"SECRET","message":"SECRET"}"#, "`message` is given twice"),
            (r#"{"message":"SECRET","id":"a","sequenceNo":"a"}"#, "two ids"),
            (r#"{"message":"SECRET","id":5}"#, "`id` is not a string"),
            (r#"{"message":"SECRET","attributes":"SECRET"}"#, "`attributes`: this is no JSON object"),
            (r#"{"message":"SECRET","attributes":{"a":"SECRET","a":"b"}}"#, "`a` is given twice"),
            (r#"{"message":"SECRET","attributes":{"a":true}}"#, "the attribute `a` is no string"),
            (r#"{"message":"SECRET","attributes":{"a":{"value":"SECRET"}}}"#, "`a` has no `type`"),
            (r#"{"message":"SECRET","attributes":{"a":{"type":"SECRET","value":"b"}}}"#, "`a` has no `type`"),
            (r#"{"message":"SECRET","attributes":{"a":{"type":"String"}}}"#, "`a` has no `value`"),
            (r#"{"message":"SECRET","attributes":{"a":{"type":"String","valu":"x"}}}"#, "the field `valu`"),
            (r#"{"message":"SECRET","attributes":{"a":{"type":"Binary","value":"SECRET!"}}}"#, "`a` is not base64"),
        ];
        for (text, expected) in cases {
            let reason = Line::parse(text).expect_err(text);
            assert!(reason.contains(expected) && !reason.contains("SECRET"), "{text}: {reason}");
        }
    }

    #[test]
    fn a_derived_id_is_of_the_line_and_of_all_it_holds() {
        let one = line(None, &[]).message;
        assert_eq!(derived_id(7, &one), derived_id(7, &one));
        assert_eq!(derived_id(7, &one).len(), "l7-".len() + DIGITS);
        let others = [
            derived_id(8, &one),
            derived_id(7, &Message { subject: Some(String::new()), ..one.clone() }),
            derived_id(7, &line(None, &[("a", Attribute::String("b".into()))]).message),
            derived_id(7, &line(None, &[("a", Attribute::Binary(b"b".to_vec()))]).message),
        ];
        let all: BTreeSet<&String> = others.iter().collect();
        assert!(all.len() == others.len() && !all.contains(&derived_id(7, &one)));
    }

    fn any_attribute() -> impl Strategy<Value = Attribute> {
        prop_oneof![
            any::<String>().prop_map(Attribute::String),
            "[-0-9.e]{1,10}".prop_map(Attribute::Number),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Attribute::Binary),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            id in proptest::option::of(any::<String>()),
            body in any::<String>(),
            subject in proptest::option::of(any::<String>()),
            attributes in proptest::collection::btree_map(any::<String>(), any_attribute(), 0..4),
        ) {
            let line = Line { id, message: Message { body, subject, attributes } };
            let text = serde_json::to_string(&line).expect("written");
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(Line::parse(&text), Ok(line));
        }

        #[test]
        fn no_line_is_too_odd_to_be_judged(text in any::<String>()) {
            let _ = Line::parse(&text);
            let _ = Line::parse(&format!("{{\"message\":{text}}}"));
        }
    }
}
