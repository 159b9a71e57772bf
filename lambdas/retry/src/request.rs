//! What the function is asked, and what it answers. The schedule asks with `{}`, the command with the rest.

use outbox::EpochMs;
use outbox::change::ClaimBy;
use outbox::hold::Hold;
use outbox::item::Note;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    pub select: Select,
    /// With `select: ids`.
    pub ids: Vec<String>,
    /// With `select: all`: only what last changed before this time, so that a run which is continued does
    /// not take up again what it has itself tried.
    pub before: Option<EpochMs>,
    /// At the most so many messages, within the function's own budget.
    pub limit: Option<usize>,
    /// Count only.
    pub dry_run: bool,
    /// What to leave on each message that is claimed.
    pub note: Option<Note>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Select {
    /// The schedule's choice: failed messages whose time has come, and pending ones whose lease is over.
    #[default]
    Due,
    /// Failed messages whether due or not, and pending ones whose lease is over.
    All,
    Ids,
}

impl Request {
    pub fn claim_by(&self) -> ClaimBy {
        match self.select {
            Select::Due => ClaimBy::Schedule,
            Select::All | Select::Ids => ClaimBy::Hand,
        }
    }
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Messages taken for a new attempt.
    pub claimed: usize,
    /// Executions started.
    pub started: usize,
    /// Messages that the same request would still find.
    pub remaining: u64,
    pub skipped: Vec<Skipped>,
    pub breaker_open: bool,
    /// In force: who holds the breaker, which way, until when and why. Always there, so that the command sees
    /// whether this function knows of holds.
    pub hold: Option<Hold>,
    /// While the breaker is open and not held: the probe's execution, or why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// To be sent back with the next request of the same run.
    pub before: EpochMs,
    /// The first thing that went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Response {
    pub fn fail(&mut self, reason: &str) {
        tracing::error!(reason, "retry");
        self.error.get_or_insert_with(|| reason.to_owned());
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    pub sequence_no: String,
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_schedule_sends_means_due() {
        for event in ["{}", r#"{"version":"0","source":"aws.scheduler","detail":{}}"#] {
            let request: Request = serde_json::from_str(event).expect("a request");
            assert_eq!((request.select, request.claim_by()), (Select::Due, ClaimBy::Schedule));
        }
    }
}
