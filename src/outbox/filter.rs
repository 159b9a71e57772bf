//! Which messages an operator means.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use outbox::EpochMs;
use outbox::error::Class;

use super::moment;
use super::view::MessageView;
use crate::error::Error;

/// What a message must be, to be listed, retried, exported, …; what is not given says nothing.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Filter {
    /// Written at this time or later: 2h (ago), 2026-11-24, 2026-11-24T05:00
    #[arg(help_heading = "Filters", long, value_name = "TIME", value_parser = moment::argument)]
    since: Option<EpochMs>,
    /// Written before this time
    #[arg(help_heading = "Filters", long, value_name = "TIME", value_parser = moment::argument)]
    until: Option<EpochMs>,
    /// Class of the last error
    #[arg(help_heading = "Filters", long, value_name = "CLASS", ignore_case = true, value_parser = classes())]
    class: Option<Class>,
    /// Part of the last error's code or text, in any case
    #[arg(help_heading = "Filters", long = "error", value_name = "TEXT")]
    error: Option<String>,
    /// Beginning of the id
    #[arg(help_heading = "Filters", long, value_name = "TEXT")]
    id_prefix: Option<String>,
    /// Attempts so far: 3, 3.., ..5 or 3..5
    #[arg(help_heading = "Filters", long, value_name = "N..M", value_parser = attempts)]
    attempts: Option<Attempts>,
}

/// A range of attempts, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    least: i64,
    most: i64,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        let Filter { since, until, class, error, id_prefix, attempts } = self;
        since.is_none()
            && until.is_none()
            && class.is_none()
            && error.is_none()
            && id_prefix.is_none()
            && attempts.is_none()
    }

    /// What no message can be is a slip, and not an empty list.
    pub fn check(&self) -> Result<(), Error> {
        moment::in_order(self.since, self.until)
    }

    pub fn matches(&self, message: &MessageView) -> bool {
        let error = message.last_error.as_ref();
        let says = |text: &String| {
            let text = text.to_lowercase();
            error.is_some_and(|e| e.code.to_lowercase().contains(&text) || e.text.to_lowercase().contains(&text))
        };
        self.since.is_none_or(|since| message.created_at.is_some_and(|created| created >= since))
            && self.until.is_none_or(|until| message.created_at.is_some_and(|created| created < until))
            && self.class.is_none_or(|class| error.is_some_and(|e| e.class == class.to_string()))
            && self.error.as_ref().is_none_or(says)
            && self.id_prefix.as_ref().is_none_or(|prefix| message.sequence_no.starts_with(prefix))
            && self.attempts.is_none_or(|range| (range.least..=range.most).contains(&message.attempts))
    }
}

/// In lower case, as the shell completes them.
fn classes() -> impl TypedValueParser<Value = Class> {
    PossibleValuesParser::new(["rejected", "unavailable", "unknown"]).map(|text| match text.to_lowercase().as_str() {
        "rejected" => Class::Rejected,
        "unavailable" => Class::Unavailable,
        _ => Class::Unknown,
    })
}

fn attempts(text: &str) -> Result<Attempts, String> {
    let number = |text: &str, empty: i64| match text.trim_start_matches('=') {
        "" => Some(empty),
        digits => digits.parse::<i64>().ok().filter(|number| *number >= 0),
    };
    let range = match text.split_once("..") {
        Some((least, most)) => number(least, 0).zip(number(most, i64::MAX)),
        None if text.is_empty() => None,
        None => number(text, 0).map(|exact| (exact, exact)),
    };
    let (least, most) = range.ok_or_else(|| "this is no number or range like 3, 3.., ..5 or 3..5".to_owned())?;
    if least > most { Err("the range holds nothing".to_owned()) } else { Ok(Attempts { least, most }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outbox::item::LastError;

    fn message() -> MessageView {
        MessageView {
            sequence_no: "order-66".into(),
            send_status: "Failure".into(),
            attempts: 4,
            sns_message_id: None,
            last_error: Some(LastError {
                class: "Unavailable".into(),
                code: "NotFound".into(),
                text: "Topic does not exist".into(),
                time: String::new(),
                execution: String::new(),
            }),
            due_at: None,
            created_at: Some(1_000),
            updated_at: None,
        }
    }

    #[test]
    fn each_part_of_a_filter_must_hold() {
        let cases: [(Filter, bool); 11] = [
            (Filter::default(), true),
            (Filter { since: Some(1_000), ..Filter::default() }, true),
            (Filter { since: Some(1_001), ..Filter::default() }, false),
            (Filter { until: Some(1_000), ..Filter::default() }, false),
            (Filter { class: Some(Class::Unavailable), ..Filter::default() }, true),
            (Filter { class: Some(Class::Rejected), ..Filter::default() }, false),
            (Filter { error: Some("notfound".into()), ..Filter::default() }, true),
            (Filter { error: Some("topic does".into()), ..Filter::default() }, true),
            (Filter { error: Some("throttled".into()), ..Filter::default() }, false),
            (Filter { id_prefix: Some("order-".into()), ..Filter::default() }, true),
            (Filter { attempts: attempts("5..").ok(), ..Filter::default() }, false),
        ];
        for (filter, expected) in cases {
            assert_eq!(filter.matches(&message()), expected, "{filter:?}");
        }
    }

    #[test]
    fn a_message_without_times_or_error_is_in_no_filter_that_asks_for_them() {
        let bare = MessageView { created_at: None, last_error: None, ..message() };
        assert!(!Filter { since: Some(0), ..Filter::default() }.matches(&bare));
        assert!(!Filter { error: Some(String::new()), ..Filter::default() }.matches(&bare));
    }

    #[test]
    fn attempts_are_a_number_or_a_range() {
        let range = |least, most| Ok(Attempts { least, most });
        assert_eq!(attempts("3"), range(3, 3));
        assert_eq!(attempts("3.."), range(3, i64::MAX));
        assert_eq!(attempts("..5"), range(0, 5));
        assert_eq!(attempts("3..=5"), range(3, 5));
        for bad in ["", "x", "-1", "5..3", "3...5"] {
            assert!(attempts(bad).is_err(), "{bad}");
        }
    }
}
