//! What became of a message, as one timeline: from its item, from what the functions wrote, and from the
//! executions that carried it.

use outbox::EpochMs;
use outbox::item::{LastError, Status};
use serde::Serialize;
use serde_json::Value;

use super::history::{Node, Outcome};
use super::log::Line;
use super::view::MessageView;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub time: EpochMs,
    /// Milliseconds since the first entry.
    pub at_ms: i64,
    /// `item`, `init-process`, `process`, `retry` or `execution`.
    pub source: &'static str,
    pub event: String,
    /// How long it took, where it is something that lasts.
    pub duration_ms: Option<i64>,
    pub detail: String,
    #[serde(skip)]
    pub tone: Tone,
    /// Whether it has not ended yet.
    pub open: bool,
}

/// How it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
}

/// An execution that carried the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub name: String,
    /// Messages in it.
    pub messages: usize,
    pub tree: Node,
}

/// The timeline of the message `id`, the earliest first.
pub fn timeline(id: &str, item: Option<&MessageView>, lines: &[Line], runs: &[Run]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = item.map(of_item).unwrap_or_default();
    entries.extend(lines.iter().map(of_line));
    entries.extend(runs.iter().flat_map(|run| of_run(id, run)));
    // Clocks differ, and some are read to the second: what comes first by nature comes first.
    entries.sort_by_key(|entry| (entry.time, rank(entry)));
    let first = entries.first().map_or(0, |entry| entry.time);
    entries.iter_mut().for_each(|entry| entry.at_ms = entry.time - first);
    entries
}

fn rank(entry: &Entry) -> u8 {
    match (entry.source, entry.event.as_str()) {
        ("item", "written") => 0,
        ("init-process" | "retry", _) => 1,
        ("execution", _) => 2,
        ("process", _) => 3,
        _ => 4,
    }
}

fn entry(time: EpochMs, source: &'static str, event: &str, tone: Tone, detail: String) -> Entry {
    Entry { time, at_ms: 0, source, event: event.to_owned(), duration_ms: None, detail, tone, open: false }
}

fn of_item(item: &MessageView) -> Vec<Entry> {
    let mut entries = vec![];
    entries.extend(item.created_at.map(|time| entry(time, "item", "written", Tone::Plain, String::new())));
    let status = Status::parse(&item.send_status);
    let (tone, detail) = match status {
        Some(Status::Successful) => {
            (Tone::Good, item.sns_message_id.as_ref().map(|sns| format!("SNS message {sns}")).unwrap_or_default())
        }
        Some(Status::Pending) => (Tone::Plain, format!("attempt {}", item.attempts)),
        Some(Status::Failure) => (Tone::Warning, item.last_error.as_ref().map(error).unwrap_or_default()),
        Some(Status::Dead) | None => (Tone::Bad, item.last_error.as_ref().map(error).unwrap_or_default()),
    };
    // What was written and not touched since is Pending by its nature.
    let untouched = status == Some(Status::Pending) && item.updated_at == item.created_at;
    if let Some(time) = item.updated_at.filter(|_| !untouched) {
        entries.push(entry(time, "item", &item.send_status, tone, detail));
    }
    // The error of an earlier attempt: the one of the last stands with the status.
    if let Some(last) = item.last_error.as_ref().filter(|_| status == Some(Status::Pending))
        && let Ok(time) = last.time.parse::<jiff::Timestamp>()
    {
        entries.push(entry(time.as_millisecond(), "item", "failed before", Tone::Warning, error(last)));
    }
    entries
}

fn error(error: &LastError) -> String {
    format!("{} {}: {}", error.class, error.code, error.text)
}

fn of_line(line: &Line) -> Entry {
    let tone = match line.level.as_str() {
        "ERROR" => Tone::Bad,
        "WARN" => Tone::Warning,
        _ if line.message == "delivered" => Tone::Good,
        _ => Tone::Plain,
    };
    let other = line.fields.iter().filter(|(name, _)| *name != "sequenceNo");
    let detail = Line { fields: other.map(|(k, v)| (k.clone(), v.clone())).collect(), ..line.clone() }.words();
    entry(line.time, line.function, &line.message, tone, detail)
}

fn of_run(id: &str, run: &Run) -> Vec<Entry> {
    let carried = if run.messages == 1 { "1 message".to_owned() } else { format!("{} messages", run.messages) };
    let begun = entry(run.tree.started, "execution", "started", Tone::Plain, format!("{}, {carried}", run.name));
    let mut entries = vec![begun];
    states(id, &run.tree, &mut entries);
    if let Some(ended) = run.tree.ended {
        let mut end = entry(ended, "execution", run.tree.outcome.word(), tone(run.tree.outcome), why(&run.tree));
        end.duration_ms = Some(ended - run.tree.started);
        entries.push(end);
    }
    entries
}

/// The states that a message went through: of a Map only its own iteration.
fn states(id: &str, within: &Node, entries: &mut Vec<Entry>) {
    for node in &within.children {
        if node.kind == "Iteration" {
            if node.children.iter().any(|child| concerns(id, child)) {
                states(id, node, entries);
            }
            continue;
        }
        let tries = node.attempts.len();
        let tried = if tries > 1 { format!("{tries} attempts") } else { String::new() };
        let told = [if node.outcome == Outcome::Succeeded { "" } else { node.outcome.word() }, &tried, &why(node)]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(", ");
        let mut state = entry(node.started, "execution", &node.name, tone(node.outcome), told);
        state.duration_ms = node.ended.map(|ended| ended - node.started);
        state.open = node.ended.is_none();
        entries.push(state);
        states(id, node, entries);
    }
}

/// Whether the input of a state within an iteration is about this message.
fn concerns(id: &str, node: &Node) -> bool {
    let input = node.input.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    input.is_some_and(|input| input["change"]["sequenceNo"].as_str() == Some(id))
}

fn why(node: &Node) -> String {
    [&node.error, &node.cause].into_iter().flatten().cloned().collect::<Vec<_>>().join(": ")
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Running | Outcome::Succeeded => Tone::Plain,
        Outcome::Caught => Tone::Warning,
        Outcome::Failed | Outcome::TimedOut | Outcome::Aborted => Tone::Bad,
    }
}

#[cfg(test)]
mod tests;
