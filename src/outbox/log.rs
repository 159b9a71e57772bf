//! A line that a function wrote.

use std::collections::BTreeMap;

use jiff::Timestamp;
use outbox::EpochMs;
use outbox::names::Function;
use serde::Serialize;
use serde_json::Value;

/// The fields that are told before the others.
const FIRST: [&str; 4] = ["sequenceNo", "code", "class", "attempt"];

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// To the millisecond, as the function has it; as the service has it where the function says nothing.
    pub time: EpochMs,
    /// `init-process`, `process` or `retry`.
    pub function: &'static str,
    /// `INFO`, `WARN`, `ERROR`; empty for what is no line of ours.
    pub level: String,
    pub message: String,
    /// What the line says besides: `sequenceNo`, `execution`, `attempt`, `code`, …
    pub fields: BTreeMap<String, Value>,
    /// The invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Written by Lambda itself: the begin, the end and the bill of an invocation.
    #[serde(skip)]
    pub platform: bool,
}

impl Line {
    pub fn of(function: Function, time: EpochMs, text: &str) -> Line {
        match serde_json::from_str::<BTreeMap<String, Value>>(text) {
            Ok(fields) => Line::structured(function, time, fields),
            Err(_) => Line {
                time,
                function: function.suffix(),
                level: String::new(),
                message: text.to_owned(),
                fields: BTreeMap::new(),
                request: None,
                platform: is_platform(text),
            },
        }
    }

    fn structured(function: Function, time: EpochMs, mut fields: BTreeMap<String, Value>) -> Line {
        let mut take = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        // Lambda's own lines say `time` and `type` where ours say `timestamp` and `message`.
        let kind = take("type").filter(|kind| kind.starts_with("platform."));
        let own_time = take("timestamp").or_else(|| take("time"));
        let level = take("level").unwrap_or_default();
        let message = take("message").or_else(|| kind.clone()).unwrap_or_default();
        let span = fields.remove("spans").and_then(|spans| spans.get(0).cloned());
        let request = span.and_then(|span| span.get("requestId")?.as_str().map(str::to_owned));
        let own_time = own_time.and_then(|text| text.parse::<Timestamp>().ok());
        Line {
            time: own_time.map_or(time, Timestamp::as_millisecond),
            function: function.suffix(),
            level,
            message,
            fields,
            request,
            platform: kind.is_some(),
        }
    }

    /// Whether a field has just this value: the id of a message, the name of an execution, …
    pub fn names(&self, id: &str) -> bool {
        self.fields.values().any(|value| value.as_str() == Some(id))
    }

    /// Whether a text stands anywhere in it, in any case.
    pub fn says(&self, text: &str) -> bool {
        let line = format!("{} {} {} {}", self.function, self.level, self.message, self.words());
        line.to_lowercase().contains(&text.to_lowercase())
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// The fields as `name=value`.
    pub fn words(&self) -> String {
        let word = |(name, value): (&String, &Value)| match value {
            Value::String(text) if text.contains(' ') => format!("{name}={text:?}"),
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        };
        let mut present: Vec<_> = self.fields.iter().filter(|(_, value)| !value.is_null()).collect();
        // A line that is cut off must still say of which message it tells, and why.
        present.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
        present.into_iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

/// The lines of Lambda in its text format (Lambda developer guide, "Log formats").
fn is_platform(text: &str) -> bool {
    ["START RequestId:", "END RequestId:", "REPORT RequestId:", "INIT_START ", "XRAY TraceId:", "EXTENSION\t"]
        .iter()
        .any(|begin| text.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"{"timestamp":"2026-11-24T05:52:34.914958Z","level":"INFO","message":"delivered","sequenceNo":"order-66","attempt":1,"probe":null,"text":"two words","spans":[{"requestId":"r-1","name":"Lambda runtime invoke"}]}"#;

    #[test]
    fn a_line_of_ours_is_taken_apart() {
        let line = Line::of(Function::Process, 7, OURS);
        assert_eq!((line.function, line.level.as_str(), line.message.as_str()), ("process", "INFO", "delivered"));
        assert_eq!((line.time, line.request.as_deref(), line.platform), (1_795_499_554_914, Some("r-1"), false));
        assert_eq!(line.words(), "sequenceNo=order-66 attempt=1 text=\"two words\"");
        assert_eq!(line.field("sequenceNo"), Some("order-66"));
    }

    #[test]
    fn ids_are_found_whole_and_texts_anywhere() {
        let line = Line::of(Function::Process, 7, OURS);
        assert!(line.names("order-66") && !line.names("order-6"));
        for text in ["DELIVERED", "order-6", "process", "attempt=1", "info"] {
            assert!(line.says(text), "{text}");
        }
        assert!(!line.says("timestamp"));
    }

    #[test]
    fn what_lambda_writes_is_told_apart_from_what_went_wrong() {
        let cases = [
            ("START RequestId: 1 Version: $LATEST", true),
            ("REPORT RequestId: 1\tDuration: 218 ms", true),
            (r#"{"time":"2026-11-24T05:52:34Z","type":"platform.report","record":{"requestId":"1"}}"#, true),
            ("2026-11-24T05:52:34Z 1 Task timed out after 3.00 seconds", false),
            ("thread 'main' panicked at src/main.rs", false),
            ("[1]", false),
        ];
        for (text, platform) in cases {
            let line = Line::of(Function::Retry, 7, text);
            assert_eq!(line.platform, platform, "{text}");
            assert!(!line.message.is_empty());
        }
    }
}
