use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;

use super::list::tone as status_tone;
use super::{arn, details, messages};
use crate::aws::sfn::Details;
use crate::complete;
use crate::context::Context;
use crate::error::{Doing, Result};
use crate::outbox::history::{self, Attempt, Node, Outcome, Shown};
use crate::ui::listing::one_line;
use crate::ui::table::facts;
use crate::ui::text::{self, count, duration};
use crate::ui::tree::Tree;
use crate::ui::{Tone, Ui, View};

/// Of iterations that are alike so many are drawn.
const ALIKE: usize = 2;
/// Ids that are named.
const NAMED: usize = 5;
/// A cause can be long; the JSON has all of it.
const CAUSE: usize = 300;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa executions show stream-1-315502b4277f99b854d2fe17c6613624\n  disa executions show arn:aws:states:eu-west-1:123456789012:execution:disa-devl-state-machine:probe-179546134\n  disa executions show probe-179546134 --data -o json | jq .run.children"
)]
pub struct Show {
    /// The execution's name or ARN
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete::executions))]
    name: String,
    /// Show the input and output of each state: keys, statuses and errors, and never a message's text
    #[arg(long)]
    data: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    execution: Details,
    messages: Vec<String>,
    run: Option<Node>,
}

impl Show {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let arn = arn(context, &self.name).await?;
        let execution = details(context, &arn).await?;
        let events = context.clients.sfn().history(&arn, self.data).await.doing("read the execution's history")?;
        let messages = messages(execution.input.as_deref()).into_iter().map(|(id, _)| id).collect();
        let run = history::tree(&events.unwrap_or_default());
        context.ui.show(&Run { execution, messages, run })?;
        Ok(ExitCode::SUCCESS)
    }
}

pub fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Running => Tone::Plain,
        Outcome::Succeeded => Tone::Good,
        Outcome::Caught => Tone::Warning,
        Outcome::Failed | Outcome::TimedOut | Outcome::Aborted => Tone::Bad,
    }
}

impl View for Run {
    fn text(&self, ui: &Ui) -> String {
        let found = &self.execution;
        let execution = &found.execution;
        let mut rows = vec![
            ("Execution", execution.name.clone()),
            ("Status", ui.paint(status_tone(&execution.status), &execution.status)),
        ];
        rows.extend(execution.started.map(|time| ("Started", ui.full_time(time))));
        let ended = execution.started.zip(execution.stopped);
        rows.extend(ended.map(|(started, stopped)| ("Duration", duration(stopped - started))));
        let named: Vec<String> = self.messages.iter().take(NAMED).map(|id| one_line(id)).collect();
        let more = if self.messages.len() > NAMED { ", …" } else { "" };
        rows.push(("Messages", format!("{}: {}{more}", self.messages.len(), named.join(", "))));
        rows.extend(found.error.clone().map(|error| ("Error", one_line(&error))));
        rows.extend(found.cause.clone().map(|cause| ("Cause", one_line(&cause))));
        let tree = self.run.as_ref().map(|run| drawn(ui, run).text()).unwrap_or_default();
        format!("{}\n\n{tree}", facts(rows))
    }
}

fn drawn(ui: &Ui, node: &Node) -> Tree {
    let name = if node.kind == "Execution" { "Execution" } else { node.name.as_str() };
    let spent = node.ended.map(|ended| format!("  {}", duration(ended - node.started))).unwrap_or_default();
    let outcome = ui.paint(tone(node.outcome), node.outcome.word());
    // What failed for good tells it with each attempt, and of the execution it stands above.
    let told = node.attempts.len() > 1 || node.kind == "Execution";
    let why = if told { String::new() } else { why(&node.error, &node.cause) };
    let mut children: Vec<Tree> = [("input", &node.input), ("output", &node.output)]
        .into_iter()
        .filter_map(|(what, data)| data.as_ref().map(|data| Tree::leaf(format!("{what} {}", one_line(data)))))
        .collect();
    if node.attempts.len() > 1 {
        children.extend(node.attempts.iter().enumerate().map(|(at, attempt)| tried(ui, at + 1, attempt)));
    }
    children.extend(history::collapse(&node.children, most(node)).into_iter().map(|shown| match shown {
        Shown::Node(child) => drawn(ui, child),
        Shown::More(more, outcome) => Tree::leaf(format!("… {more} more {}", outcome.word())),
    }));
    Tree { line: format!("{}  {outcome}{spent}{why}", one_line(name)), children }
}

/// Only what repeats by its nature is left out.
fn most(node: &Node) -> usize {
    if node.kind == "Map" { ALIKE } else { usize::MAX }
}

fn tried(ui: &Ui, number: usize, attempt: &Attempt) -> Tree {
    let spent = attempt.ended.map(|ended| format!("  {}", duration(ended - attempt.started))).unwrap_or_default();
    let outcome = ui.paint(tone(attempt.outcome), attempt.outcome.word());
    Tree::leaf(format!("attempt {number}  {outcome}{spent}{}", why(&attempt.error, &attempt.cause)))
}

fn why(error: &Option<String>, cause: &Option<String>) -> String {
    let told = [error, cause].into_iter().flatten().map(|text| one_line(text)).collect::<Vec<_>>().join(": ");
    if told.is_empty() { told } else { format!("  {}", text::shortened(&told, CAUSE)) }
}

/// `3 messages`, for the commands that act on executions.
pub fn messages_of(details: &Details) -> String {
    count(messages(details.input.as_deref()).len() as u64, "message")
}
