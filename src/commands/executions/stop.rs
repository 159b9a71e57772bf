use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;

use super::show::messages_of;
use super::{arn, details};
use crate::aws::sfn::Details;
use crate::complete;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ui::text::count;
use crate::ui::{Tone, Ui, View};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa executions stop stream-1-315502b4277f99b854d2fe17c6613624\n  disa executions stop --reason 'wrong topic' --yes $(disa executions list --status running -o jsonl | jq -r .name)\n\nNo message is lost: what was not delivered stays in the backlog, and is tried again when its lease is over."
)]
pub struct Stop {
    /// The executions' names or ARNs
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete::executions), required = true)]
    names: Vec<String>,
    /// Why; written into the execution's record
    #[arg(long, value_name = "TEXT", default_value = "stopped by hand")]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stopped {
    stopped: usize,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: String,
    stopped: bool,
    /// What it was before.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Stop {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        // All of them are looked at before the first is stopped: a name that is wrong stops nothing.
        let mut found: Vec<Details> = vec![];
        for name in &self.names {
            let execution = details(context, &arn(context, name).await?).await?;
            if !found.iter().any(|other| other.execution.arn == execution.execution.arn) {
                found.push(execution);
            }
        }
        let running: Vec<&Details> = found.iter().filter(|execution| execution.execution.is_running()).collect();
        if !running.is_empty() && !self.yes {
            confirm(context, &running)?;
        }
        let sfn = context.clients.sfn();
        let mut items = vec![];
        for execution in found {
            let execution = execution.execution;
            let outcome = match execution.is_running() {
                true => sfn.stop(&execution.arn, &self.reason).await.map(|()| true),
                false => Ok(false),
            };
            let problem = outcome.as_ref().err().map(|error| error.to_string());
            let stopped = outcome.unwrap_or(false);
            items.push(Item { name: execution.name, stopped, status: execution.status, problem });
        }
        let failed = items.iter().filter(|item| item.problem.is_some()).count();
        let stopped = items.iter().filter(|item| item.stopped).count();
        context.ui.show(&Stopped { stopped, items })?;
        Ok(match (failed, stopped) {
            (0, _) => ExitCode::SUCCESS,
            (_, 0) => ExitCode::from(Kind::Failed as u8),
            _ => ExitCode::from(Kind::Partial as u8),
        })
    }
}

fn confirm(context: &Context, running: &[&Details]) -> Result<()> {
    if !context.ui.can_ask() {
        return Err(Error::usage("this stops executions, and there is nobody to ask").hint("say so: `--yes`"));
    }
    for execution in running {
        context.ui.note(&format!("{}  {}", execution.execution.name, messages_of(execution)));
    }
    context.ui.note("What they have not delivered stays in the backlog, and is tried again.");
    let executions = count(running.len() as u64, "execution");
    match context.ui.ask(&format!("Type yes to stop {executions}")) {
        Some(answer) if answer.trim() == "yes" => Ok(()),
        _ => Err(Error::failed("nothing was stopped")),
    }
}

impl View for Stopped {
    fn text(&self, ui: &Ui) -> String {
        let line = |item: &Item| match (&item.problem, item.stopped) {
            (Some(problem), _) => format!("{}  {}: {problem}", item.name, ui.paint(Tone::Bad, "not stopped")),
            (None, true) => format!("{}  {}", item.name, ui.paint(Tone::Good, "stopped")),
            (None, false) => format!("{}  had ended before: {}", item.name, item.status),
        };
        let mut lines: Vec<String> = self.items.iter().map(line).collect();
        if self.stopped > 0 {
            lines.push(
                "What they have not delivered stays in the backlog, and is tried again when its lease is over."
                    .to_owned(),
            );
        }
        lines.join("\n")
    }
}
