//! What became of the messages that an operator sent again.

use outbox::item::Status;
use serde::Serialize;

use super::view::MessageView;

/// So many of those that failed are told one by one.
const TOLD: usize = 20;
/// Fewer outcomes than these say nothing about how it goes.
const TELLING: u64 = 10;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Taken for a new attempt.
    pub claimed: u64,
    /// Executions started.
    pub started: u64,
    pub delivered: u64,
    /// Failed again, or died.
    pub failed: u64,
    /// Still on their way when the waiting ended.
    pub unsettled: u64,
    /// Meant, and not tried.
    pub remaining: u64,
    /// Asked for, and not to be had.
    pub skipped: Vec<Skipped>,
    /// The first of those that failed.
    pub failures: Vec<MessageView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    pub sequence_no: String,
    pub reason: String,
}

impl Tally {
    /// Takes the outcome of one message; `false` when it has none yet.
    pub fn settle(&mut self, message: MessageView) -> bool {
        match Status::parse(&message.send_status) {
            Some(Status::Pending) | None => return false,
            Some(Status::Successful) => self.delivered += 1,
            Some(Status::Failure | Status::Dead) => {
                self.failed += 1;
                if self.failures.len() < TOLD {
                    self.failures.push(message);
                }
            }
        }
        true
    }

    /// Whether the share of failures says that it is of no use to go on.
    pub fn is_failing(&self, limit: f64) -> bool {
        let settled = self.delivered + self.failed;
        settled >= TELLING && self.failed as f64 / settled as f64 >= limit
    }

    /// All that was meant was delivered, or there was nothing to do.
    pub fn is_complete(&self) -> bool {
        self.failed + self.unsettled + self.remaining == 0 && self.skipped.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(status: &str) -> MessageView {
        MessageView {
            sequence_no: "a".into(),
            send_status: status.into(),
            attempts: 2,
            sns_message_id: None,
            last_error: None,
            due_at: None,
            created_at: None,
            updated_at: None,
        }
    }

    #[test]
    fn each_status_is_an_outcome_but_for_pending() {
        let mut tally = Tally::default();
        let settled: Vec<bool> =
            ["Pending", "", "Successful", "Failure", "Dead"].map(|status| tally.settle(message(status))).into();
        assert_eq!(settled, [false, false, true, true, true]);
        assert_eq!((tally.delivered, tally.failed, tally.failures.len()), (1, 2, 2));
        assert!(!tally.is_complete() && Tally { claimed: 3, delivered: 3, ..Tally::default() }.is_complete());
    }

    #[test]
    fn a_few_failures_are_no_trend() {
        let tally = |delivered, failed| Tally { delivered, failed, ..Tally::default() };
        assert!(!tally(0, 9).is_failing(0.5));
        assert!(tally(5, 5).is_failing(0.5));
        assert!(!tally(6, 4).is_failing(0.5));
    }
}
