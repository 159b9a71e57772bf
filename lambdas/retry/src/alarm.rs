//! The breaker is the alarm, or whoever holds it.

use std::time::Duration;

use gateway::{Alarm, Reading};
use outbox::EpochMs;
use outbox::hold::{Hold, Position, Settings, Standing};
use tokio::time::timeout;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Nothing goes out, no probe either.
    HeldOpen(Hold),
    Open,
    /// For how long, when the alarm has ever been evaluated.
    Closed {
        since_ms: Option<i64>,
    },
}

/// The longest wait for CloudWatch: what it does not answer must not take the time to send away.
const PATIENCE: Duration = Duration::from_secs(4);

/// Reads the alarm. One that cannot be read closes nothing off: then sending is tried, as in the state machine.
pub async fn read(alarm: &Alarm) -> Option<Reading> {
    match timeout(PATIENCE, alarm.read()).await {
        Ok(Ok(reading)) => reading,
        Ok(Err(error)) => {
            tracing::warn!(code = error.code, text = error.text, "the alarm was not read");
            None
        }
        Err(_) => {
            tracing::warn!("the alarm was not read in time");
            None
        }
    }
}

/// Gives an alarm back whose hold is over. Should that fail, the next run tries it again.
pub async fn give_back(alarm: &Alarm, reading: &Reading, now: EpochMs) {
    let Some((hold, original)) = over(reading, now) else { return };
    match timeout(PATIENCE, alarm.write(reading, &original)).await {
        Ok(Ok(())) => tracing::info!(breaker = hold.breaker.as_str(), by = hold.by, "the hold is over"),
        Err(_) => tracing::error!("the hold is over, and was not ended in time"),
        Ok(Err(error)) => tracing::error!(code = error.code, text = error.text, "the hold is over, and was not ended"),
    }
}

fn over(reading: &Reading, now: EpochMs) -> Option<(Hold, Settings)> {
    match reading.settings.standing() {
        Standing::Held { hold, original } if hold.is_over(now) => Some((hold, original)),
        _ => None,
    }
}

/// The hold that is in force.
pub fn hold(reading: Option<&Reading>, now: EpochMs) -> Option<Hold> {
    reading.and_then(|reading| in_force(&reading.settings, now))
}

pub fn breaker(reading: Option<&Reading>, now: EpochMs) -> Breaker {
    let Some(reading) = reading else { return Breaker::Closed { since_ms: None } };
    judge(&reading.settings, &reading.state, reading.since, now)
}

fn in_force(settings: &Settings, now: EpochMs) -> Option<Hold> {
    match settings.standing() {
        Standing::Held { hold, .. } if !hold.is_over(now) => Some(hold),
        _ => None,
    }
}

/// Only a hold or `ALARM` opens the breaker.
fn judge(settings: &Settings, state: &str, since: Option<EpochMs>, now: EpochMs) -> Breaker {
    let since_ms = since.map(|time| now - time);
    match in_force(settings, now) {
        Some(hold) if hold.breaker == Position::Open => Breaker::HeldOpen(hold),
        // The alarm's state may be a moment behind.
        Some(_) => Breaker::Closed { since_ms },
        None if state == "ALARM" => Breaker::Open,
        None => Breaker::Closed { since_ms: since_ms.filter(|_| state == "OK") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_goes_before_the_state_until_it_is_over() {
        let free = Settings { threshold: 300.0, description: None };
        let held = |breaker| {
            let hold = Hold { breaker, until: 100, by: "me".into(), reason: None };
            (free.held(&hold).expect("it fits"), hold)
        };
        let ((open, hold), (closed, _)) = (held(Position::Open), held(Position::Closed));
        let since = |since_ms| Breaker::Closed { since_ms };
        let cases = [
            (&free, "OK", 50, since(Some(40))),
            (&free, "ALARM", 50, Breaker::Open),
            (&free, "INSUFFICIENT_DATA", 50, since(None)),
            (&open, "ALARM", 50, Breaker::HeldOpen(hold.clone())),
            (&open, "OK", 99, Breaker::HeldOpen(hold)),
            (&open, "ALARM", 100, Breaker::Open),
            (&closed, "ALARM", 99, since(Some(89))),
            (&closed, "ALARM", 100, Breaker::Open),
            (&closed, "OK", 100, since(Some(90))),
        ];
        for (settings, state, now, expected) in cases {
            assert_eq!(judge(settings, state, Some(10), now), expected, "{state} at {now}");
        }
    }
}
