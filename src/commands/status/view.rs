//! One look at the outbox, for people.

use super::StatusView;
use crate::context::now_ms;
use crate::ui::table::{facts, table};
use crate::ui::text::span;
use crate::ui::{Tone, Ui, View};

impl StatusView {
    /// What both the table and the full-screen view say.
    pub fn facts(&self, ui: &Ui) -> Vec<(&'static str, Tone, String)> {
        let now = now_ms();
        let backlog = &self.backlog;
        let backlog_tone = match () {
            () if backlog.dead > 0 => Tone::Bad,
            () if backlog.failure > 0 => Tone::Warning,
            () => Tone::Plain,
        };
        let oldest = backlog.oldest.map_or_else(|| "none waits".to_owned(), |t| format!("{} old", span(now - t)));
        let (alarm_tone, alarm) = match &self.alarm {
            None => (Tone::Bad, "missing".to_owned()),
            Some(alarm) => {
                let tone = if alarm.is_open() { Tone::Bad } else { Tone::Good };
                let since = alarm.since.map(|since| format!(" since {}", ui.time(since))).unwrap_or_default();
                let reason = if alarm.reason.is_empty() { String::new() } else { format!(" ({})", alarm.reason) };
                (tone, format!("{}{since}{reason}", alarm.state))
            }
        };
        let (schedule_tone, schedule) = match &self.schedule {
            None => (Tone::Bad, "missing".to_owned()),
            Some(schedule) if schedule.state != "ENABLED" => {
                (Tone::Warning, format!("{} {}", schedule.state, schedule.expression))
            }
            Some(schedule) => (Tone::Plain, format!("{} {}", schedule.state, schedule.expression)),
        };
        let letters = |depth: Option<u64>| depth.map_or_else(|| "missing".to_owned(), |n| n.to_string());
        let counts: Vec<String> = self.executions.by_status.iter().map(|(status, n)| format!("{n} {status}")).collect();
        let executions = if counts.is_empty() {
            "none yet".to_owned()
        } else {
            format!("latest {}: {}", self.executions.by_status.values().sum::<usize>(), counts.join(", "))
        };
        let stack = format!("{} {} in {}", self.stack.name, self.stack.status, self.stack.region);
        let in_backlog = format!("{} Pending, {} Failure, {} Dead", backlog.pending, backlog.failure, backlog.dead);
        let dead_letters = format!(
            "{} of the stream, {} of the schedule",
            letters(self.dead_letters.stream),
            letters(self.dead_letters.schedule)
        );
        vec![
            ("Stack", Tone::Plain, stack),
            ("Backlog", backlog_tone, in_backlog),
            ("Oldest", Tone::Plain, oldest),
            ("Alarm", alarm_tone, alarm),
            ("Schedule", schedule_tone, schedule),
            ("Executions", Tone::Plain, executions),
            ("Dead letters", Tone::Plain, dead_letters),
        ]
    }
}

impl View for StatusView {
    fn text(&self, ui: &Ui) -> String {
        let rows = self.facts(ui).into_iter().map(|(name, tone, value)| (name, ui.paint(tone, &value)));
        let mut text = facts(rows.collect());
        if !self.executions.latest.is_empty() {
            let rows = self.executions.latest.iter().map(|execution| {
                vec![
                    execution.name.clone(),
                    execution.status.clone(),
                    execution.started.map(|started| ui.time(started)).unwrap_or_default(),
                ]
            });
            text.push_str(&format!("\n\n{}", table(&["LATEST EXECUTION", "STATUS", "STARTED"], rows)));
        }
        for finding in &self.findings {
            text.push_str(&format!("\n{} {finding}", ui.paint(Tone::Warning, "!")));
        }
        text
    }
}
