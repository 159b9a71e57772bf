//! A hold in words.

use outbox::EpochMs;
use outbox::hold::{Hold, Position};

use crate::ui::text::{iso, span};

/// Which way, until when, by whom and why, in one line.
pub fn told(hold: &Hold, now: EpochMs) -> String {
    let left = if hold.is_over(now) { "over".to_owned() } else { format!("for {}", span(hold.until - now)) };
    let reason = hold.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("held {} until {} ({left}) by {}{reason}", hold.breaker, iso(hold.until), hold.by)
}

/// What it does while it lasts.
pub fn effect(breaker: Position) -> &'static str {
    match breaker {
        Position::Open => "nothing is sent, no probe either",
        Position::Closed => "all is sent, whatever the alarm says",
    }
}

/// What happens next, by itself.
pub fn next(hold: Option<&Hold>, state: &str, now: EpochMs) -> &'static str {
    match (hold, state) {
        (Some(hold), _) if hold.is_over(now) => "the next run of the retry function ends the hold",
        (Some(Hold { breaker: Position::Open, .. }), _) => {
            "when its time is over the retry function ends the hold; a probe goes out"
        }
        (Some(_), _) => "when its time is over the retry function ends the hold; the alarm judges",
        (None, "ALARM") => "a probe that is delivered closes it",
        (None, _) => "a period in which nothing gets through opens it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(breaker: Position) -> Hold {
        Hold { breaker, until: 1_700_000_000_000, by: "kim".into(), reason: Some("SNS maintenance".into()) }
    }

    #[test]
    fn a_hold_says_all_that_is_known_of_it() {
        let open = hold(Position::Open);
        let text = "held open until 2023-11-14T22:13:20Z (for 1m 30s) by kim: SNS maintenance";
        assert_eq!(told(&open, open.until - 90_000), text);
        let silent = Hold { reason: None, ..hold(Position::Closed) };
        assert_eq!(told(&silent, silent.until), "held closed until 2023-11-14T22:13:20Z (over) by kim");
    }

    #[test]
    fn what_comes_next_depends_on_the_hold_and_then_on_the_state() {
        let (open, closed) = (hold(Position::Open), hold(Position::Closed));
        let (before, after) = (open.until - 1, open.until);
        assert!(next(Some(&open), "ALARM", before).ends_with("a probe goes out"));
        assert!(next(Some(&closed), "ALARM", before).ends_with("the alarm judges"));
        assert!(next(Some(&closed), "OK", after).starts_with("the next run"));
        assert_eq!(next(None, "ALARM", after), "a probe that is delivered closes it");
        assert_eq!(next(None, "INSUFFICIENT_DATA", after), "a period in which nothing gets through opens it");
    }
}
