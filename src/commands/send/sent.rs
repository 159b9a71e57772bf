//! What became of many messages.

use serde::Serialize;

use crate::outbox::feed::Entry;
use crate::ui::table::table;
use crate::ui::text::count;
use crate::ui::{Tone, Ui, View};

/// So many failures, and bad lines, are told one by one.
pub const TOLD: usize = 20;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    pub file: String,
    /// Messages read, not counting those that were skipped.
    pub lines: u64,
    pub queued: u64,
    pub already_queued: u64,
    pub failed: u64,
    pub seconds: f64,
    pub dry_run: bool,
    /// The first of those that failed.
    pub failures: Vec<Failed>,
    #[serde(skip)]
    tried: Tried,
}

#[derive(Debug, Default)]
struct Tried {
    /// The first line that is not in the outbox.
    first_not_done: Option<u64>,
    last: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    pub line: u64,
    pub sequence_no: String,
    pub reason: String,
}

impl Sent {
    pub fn new(file: String, skipped: u64) -> Sent {
        Sent { file, tried: Tried { first_not_done: None, last: skipped }, ..Sent::default() }
    }

    pub fn tried(&mut self, line: u64) {
        self.lines += 1;
        self.tried.last = self.tried.last.max(line);
    }

    pub fn failed(&mut self, entry: Entry, reason: String) {
        self.failed += 1;
        self.not_done(entry.line);
        if self.failures.len() < TOLD {
            self.failures.push(Failed { line: entry.line, sequence_no: entry.id, reason });
        }
    }

    /// The line was tried, and it is not known to be in the outbox.
    pub fn not_done(&mut self, line: u64) {
        self.tried.first_not_done = Some(self.tried.first_not_done.map_or(line, |first| first.min(line)));
    }

    /// All lines up to this one are in the outbox.
    pub fn done_through(&self) -> u64 {
        self.tried.first_not_done.map_or(self.tried.last, |line| line - 1)
    }

    /// How many messages of the file are in the outbox.
    pub fn in_outbox(&self) -> u64 {
        self.queued + self.already_queued
    }
}

impl View for Sent {
    fn text(&self, ui: &Ui) -> String {
        if self.lines == 0 {
            return format!("No messages in {}", self.file);
        }
        if self.dry_run {
            return format!("{} in {}, none of them bad; nothing was sent", count(self.lines, "message"), self.file);
        }
        let failed = format!("{} failed", self.failed);
        let mut text = format!(
            "{} queued, {} already queued, {} of {} in {} s",
            self.queued,
            self.already_queued,
            if self.failed > 0 { ui.paint(Tone::Bad, &failed) } else { failed },
            count(self.lines, "message"),
            self.seconds,
        );
        if !self.failures.is_empty() {
            let rows =
                self.failures.iter().map(|one| vec![one.line.to_string(), one.sequence_no.clone(), one.reason.clone()]);
            text.push_str(&format!("\n\n{}", table(&["LINE", "ID", "REASON"], rows)));
            let untold = self.failed - self.failures.len() as u64;
            if untold > 0 {
                text.push_str(&format!("\nand {untold} more"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outbox::message::Message;

    #[test]
    fn what_is_done_is_what_stands_before_the_first_that_is_not() {
        let body = Message { body: "m".into(), subject: None, attributes: Default::default() };
        let entry = |line| Entry { line, id: format!("id-{line}"), message: body.clone() };
        let mut sent = Sent::default();
        assert_eq!(sent.done_through(), 0);
        [3, 1, 2].into_iter().for_each(|line| sent.tried(line));
        assert_eq!(sent.done_through(), 3);
        sent.not_done(3);
        sent.failed(entry(2), "r".into());
        assert_eq!((sent.done_through(), sent.failed), (1, 1));
        for line in 4..40 {
            sent.failed(entry(line), String::new());
        }
        assert_eq!((sent.failures.len(), sent.failed), (TOLD, 37));
    }
}
