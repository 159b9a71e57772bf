//! A hold: an operator keeps the breaker open or closed for a while, whatever is published.
//!
//! There is no store for it but the alarm itself. While it lasts the alarm's threshold is one at which every
//! datapoint is bad, or none, and its description begins with the hold: who, why, until when, and the threshold
//! to go back to. The rest of the description is the one it had.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::EpochMs;

/// The longest hold: one that is forgotten must end.
pub const LONGEST_MS: i64 = 86_400_000;

/// Characters of an alarm's description (CloudWatch API reference, `PutMetricAlarm`).
const MAX_CHARS: usize = 1_024;
const MARK: &str = "disa hold ";

/// Which way the breaker is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// Nothing is sent, no probe either.
    Open,
    /// All is sent, whatever became of what was sent before.
    Closed,
}

impl Position {
    /// The threshold that holds it. The datapoints are HTTP status codes, and the alarm's own threshold lies
    /// among them; the state machine knows these two numbers.
    pub fn threshold(self) -> f64 {
        match self {
            Position::Open => 0.0,
            Position::Closed => 1_000.0,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Position::Open => "open",
            Position::Closed => "closed",
        }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub breaker: Position,
    /// Epoch milliseconds.
    pub until: EpochMs,
    /// The ARN of whoever asked for it.
    pub by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a hold changes of an alarm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub threshold: f64,
    pub description: Option<String>,
}

/// How an alarm stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It judges by what is published.
    Free,
    Held {
        hold: Hold,
        /// What to give back.
        original: Settings,
    },
    /// The threshold is one of a hold, and no description says which: somebody changed it by hand.
    Lost,
}

/// Why a hold cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    #[error("it does not fit into the 1,024 characters of the alarm's description")]
    TooLong,
    #[error("the alarm's threshold was changed by hand, and nothing says what to go back to")]
    Lost,
}

/// The hold as it stands in the description, for programs and for people.
#[derive(Serialize, Deserialize)]
struct Written {
    breaker: Position,
    until: Timestamp,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    threshold: f64,
}

impl Hold {
    pub fn is_over(&self, now: EpochMs) -> bool {
        now >= self.until
    }
}

impl Settings {
    pub fn standing(&self) -> Standing {
        let held = [Position::Open, Position::Closed].iter().any(|position| position.threshold() == self.threshold);
        match self.description.as_deref().and_then(parse) {
            Some((hold, original)) => Standing::Held { hold, original },
            None if held => Standing::Lost,
            None => Standing::Free,
        }
    }

    /// The settings under a hold. One that is there already gives way: what is kept is what was before it.
    pub fn held(&self, hold: &Hold) -> Result<Settings, Unwritable> {
        let original = match self.standing() {
            Standing::Free => self.clone(),
            Standing::Held { original, .. } => original,
            Standing::Lost => return Err(Unwritable::Lost),
        };
        let written = Written {
            breaker: hold.breaker,
            until: Timestamp::from_millisecond(hold.until).unwrap_or(Timestamp::MAX),
            by: hold.by.clone(),
            reason: hold.reason.clone(),
            threshold: original.threshold,
        };
        let mut text = format!("{MARK}{}", serde_json::to_string(&written).map_err(|_| Unwritable::TooLong)?);
        if let Some(description) = &original.description {
            text.push(' ');
            text.push_str(description);
        }
        match text.chars().count() <= MAX_CHARS {
            true => Ok(Settings { threshold: hold.breaker.threshold(), description: Some(text) }),
            false => Err(Unwritable::TooLong),
        }
    }
}

/// The hold that a description begins with, and what was before it.
fn parse(description: &str) -> Option<(Hold, Settings)> {
    let text = description.strip_prefix(MARK)?;
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Written>();
    let written = documents.next()?.ok()?;
    let rest = text[documents.byte_offset()..].strip_prefix(' ').map(str::to_owned);
    let until = written.until.as_millisecond();
    let hold = Hold { breaker: written.breaker, until, by: written.by, reason: written.reason };
    Some((hold, Settings { threshold: written.threshold, description: rest }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::option;
    use proptest::prelude::*;

    fn hold(breaker: Position) -> Hold {
        let by = "arn:aws:iam::123456789012:user/kim".to_owned();
        Hold { breaker, until: 1_700_000_000_000, by, reason: Some("SNS maintenance".to_owned()) }
    }

    fn settings() -> Settings {
        Settings { threshold: 300.0, description: Some("In ALARM nothing is sent.".to_owned()) }
    }

    #[test]
    fn people_and_programs_read_it() {
        let held = settings().held(&hold(Position::Open)).expect("it fits");
        assert_eq!(held.threshold, 0.0);
        assert_eq!(
            held.description.expect("a description"),
            r#"disa hold {"breaker":"open","until":"2023-11-14T22:13:20Z","by":"arn:aws:iam::123456789012:user/kim","reason":"SNS maintenance","threshold":300.0} In ALARM nothing is sent."#
        );
    }

    #[test]
    fn the_second_hold_gives_back_what_was_before_the_first() {
        let first = settings().held(&hold(Position::Open)).expect("it fits");
        let second = first.held(&hold(Position::Closed)).expect("it fits");
        assert_eq!(second.threshold, 1_000.0);
        let held = Standing::Held { hold: hold(Position::Closed), original: settings() };
        assert_eq!(second.standing(), held);
    }

    #[test]
    fn a_threshold_of_a_hold_without_one_is_lost() {
        for threshold in [0.0, 1_000.0] {
            let found = Settings { threshold, ..settings() };
            assert_eq!((found.standing(), found.held(&hold(Position::Open))), (Standing::Lost, Err(Unwritable::Lost)));
        }
        let broken = Settings { threshold: 300.0, description: Some("disa hold {\"breaker\":\"open\"} x".into()) };
        assert_eq!(broken.standing(), Standing::Free);
    }

    #[test]
    fn it_ends_at_its_time() {
        let hold = hold(Position::Open);
        assert_eq!([hold.is_over(hold.until - 1), hold.is_over(hold.until)], [false, true]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = Settings { description: Some("ä".repeat(900)), ..settings() };
        assert_eq!(long.held(&hold(Position::Open)), Err(Unwritable::TooLong));
        let fits = Settings { description: Some("ä".repeat(800)), ..settings() };
        assert!(fits.held(&hold(Position::Open)).is_ok());
    }

    fn position() -> impl Strategy<Value = Position> {
        prop_oneof![Just(Position::Open), Just(Position::Closed)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_given_back(
            breaker in position(),
            until in 0i64..4_000_000_000_000,
            by in "\\PC{0,80}",
            reason in option::of(any::<String>()),
            threshold in 201.0f64..599.0,
            description in option::of(any::<String>()),
            before in option::of(position()),
        ) {
            let original = Settings { threshold, description };
            // A description may be taken for a hold only when it is one.
            prop_assume!(original.standing() == Standing::Free);
            let new = Hold { breaker, until, by, reason };
            let found = match before {
                None => Ok(original.clone()),
                Some(position) => original.held(&hold(position)),
            };
            if let Ok(held) = found.and_then(|found| found.held(&new)) {
                prop_assert!(held.description.as_ref().is_some_and(|text| text.chars().count() <= MAX_CHARS));
                prop_assert_eq!(held.threshold, breaker.threshold());
                prop_assert_eq!(held.standing(), Standing::Held { hold: new, original });
            }
        }

        #[test]
        fn no_other_description_is_a_hold(text in any::<String>(), threshold in 201.0f64..599.0) {
            for description in [text.clone(), format!("{MARK}{text}")] {
                let found = Settings { threshold, description: Some(description) };
                prop_assert_eq!(found.standing(), Standing::Free);
            }
        }
    }
}
