use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::deploy::explained;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::stack::cause::{self, Cause};
use crate::stack::event::{Event, Follower, Operation};
use crate::stack::status::{End, end};
use crate::ui::listing::one_line;
use crate::ui::table::table;
use crate::ui::text::span;
use crate::ui::{Tone, Ui, View};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa diagnose\n  disa diagnose --env prod\n  disa diagnose -o json | jq -r .cause.reason\n\nIt reads the events of the last operation over the root and nested stacks, also of a stack that is deleted:\nCloudFormation knows it for 90 days."
)]
pub struct Diagnose {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Diagnosis {
    stack: String,
    operation: Operation,
    /// What failed first; `null` where nothing did.
    cause: Option<Cause>,
    /// What keeps the rollback from its end.
    rollback_cause: Option<Cause>,
    /// All that failed, in order.
    failures: Vec<Event>,
}

impl Diagnose {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let name = context.names.stack();
        let cloudformation = context.clients.cloudformation();
        let found = cloudformation.stack(&name).await.doing(&format!("look at the stack {name}"))?;
        let id = match found {
            Some(stack) => Some(stack.id),
            None => cloudformation.latest_deleted(&name).await.doing("look for a deleted stack")?,
        };
        let never = || {
            Error::failed(format!(
                "there is no stack {name} in {}, and none in the last 90 days",
                context.clients.region
            ))
            .hint(format!("deploy it: `{}`", context.again("deploy")))
        };
        let id = id.ok_or_else(never)?;
        let own = cloudformation.events(&id, None).await.doing("read the stack's events")?;
        let operation = Operation::latest(&own).ok_or_else(never)?;
        let events = all_events(context, &id, own, operation.began).await?;
        let failures = events.iter().filter(|event| event.is_failure()).cloned().collect();
        let stuck = operation.status.ends_with("ROLLBACK_FAILED");
        context.ui.show(&Diagnosis {
            stack: name,
            cause: cause::first(&events),
            rollback_cause: cause::of_rollback(&events).filter(|_| stuck),
            failures,
            operation,
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The events of the operation, over all stacks, in the order of their times.
async fn all_events(context: &Context, root: &str, own: Vec<Event>, began: outbox::EpochMs) -> Result<Vec<Event>> {
    let cloudformation = context.clients.cloudformation();
    let mut follower = Follower::since(root, began);
    let mut all = follower.take(root, own);
    let mut asked = vec![root.to_owned()];
    while let Some((stack, _)) = follower.questions().into_iter().find(|(stack, _)| !asked.contains(stack)) {
        let events = match cloudformation.events(&stack, None).await {
            Err(error) if error.is("ValidationError") => vec![],
            answer => answer.doing("read a nested stack's events")?,
        };
        all.extend(follower.take(&stack, events));
        asked.push(stack);
    }
    all.sort_by_key(|event| event.time);
    Ok(all)
}

impl View for Diagnosis {
    fn text(&self, ui: &Ui) -> String {
        let operation = &self.operation;
        let began = ui.time(operation.began);
        let lasted = span(operation.at - operation.began);
        let outcome = match end(&operation.status) {
            End::Running => "is still running".to_owned(),
            End::Good => format!("ended well after {lasted}"),
            End::Bad => format!("failed after {lasted}"),
        };
        let tone = if end(&operation.status) == End::Bad { Tone::Bad } else { Tone::Good };
        let mut text = format!(
            "The {} of {}, {began}, {}: it is {}.",
            operation.kind,
            self.stack,
            ui.paint(tone, &outcome),
            operation.status
        );
        let causes = [("Cause", &self.cause), ("What blocks the rollback", &self.rollback_cause)];
        for (head, cause) in causes.iter().filter_map(|(head, cause)| cause.as_ref().map(|cause| (head, cause))) {
            let after = span(cause.event.time - operation.began);
            text.push_str(&format!(
                "\n\n{head}, {after} after it began:\n{}",
                one_line(&explained(cause, &self.stack))
            ));
            text.push_str(&format!("\n\nWhat to do: {}.", cause.advice));
        }
        if self.failures.len() > 1 {
            let rows = self.failures.iter().map(|event| {
                vec![span(event.time - operation.began), event.logical_id.clone(), event.status.clone(), reason(event)]
            });
            text.push_str(&format!("\n\n{}", table(&["AFTER", "FAILED", "STATUS", "REASON"], rows)));
        }
        text
    }
}

fn reason(event: &Event) -> String {
    one_line(event.reason.as_deref().unwrap_or_default())
}
