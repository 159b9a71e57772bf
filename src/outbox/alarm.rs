//! How an alarm changed its state, from the records of its history.

use outbox::EpochMs;
use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    pub time: EpochMs,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`; empty where the record does not say.
    pub from: String,
    pub to: String,
    pub reason: String,
}

impl Transition {
    /// From a record's data, a JSON text with `oldState` and `newState`, or else from its summary, `Alarm
    /// updated from OK to ALARM` (CloudWatch API reference, `AlarmHistoryItem`).
    pub fn of(time: EpochMs, summary: &str, data: &str) -> Transition {
        let data: Value = serde_json::from_str(data).unwrap_or(Value::Null);
        let field = |state: &str, name: &str| data[state][name].as_str().map(str::to_owned);
        let (from, to) = summary
            .split_once(" from ")
            .and_then(|(_, states)| states.split_once(" to "))
            .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
            .unwrap_or_default();
        Transition {
            time,
            from: field("oldState", "stateValue").unwrap_or(from),
            to: field("newState", "stateValue").unwrap_or(to),
            reason: field("newState", "stateReason").unwrap_or_else(|| summary.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_says_it_and_the_summary_where_there_is_none() {
        let data = r#"{"version":"1.0","oldState":{"stateValue":"OK"},"newState":{"stateValue":"ALARM","stateReason":"Threshold Crossed"}}"#;
        let made = |from: &str, to: &str, reason: &str| Transition {
            time: 5,
            from: from.into(),
            to: to.into(),
            reason: reason.into(),
        };
        let summary = "Alarm updated from INSUFFICIENT_DATA to OK";
        assert_eq!(Transition::of(5, summary, data), made("OK", "ALARM", "Threshold Crossed"));
        assert_eq!(Transition::of(5, summary, ""), made("INSUFFICIENT_DATA", "OK", summary));
        assert_eq!(Transition::of(5, "?", "[]"), made("", "", "?"));
    }
}
