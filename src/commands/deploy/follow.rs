//! Following an operation of the stack: its events live, and in the end its first real cause of failure.

use crate::context::{Context, now_ms, pause};
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::cause;
use crate::stack::event::{Event, Follower};
use crate::stack::status::{End, end};
use crate::ui::{Tone, Ui, text};

use super::poll_interval;

/// Shows the events since a time until the operation ends. An interrupt leaves the operation running.
pub async fn follow(context: &Context, stack: &str, since: outbox::EpochMs, verb: &str) -> Result<()> {
    let cloudformation = context.clients.cloudformation();
    let doing = format!("follow the stack {stack}");
    let id = match cloudformation.stack(stack).await.doing(&doing)? {
        Some(stack) => stack.id,
        None => return Ok(()),
    };
    let root = context.names.stack();
    let mut follower = Follower::new(&id, since);
    let mut all = vec![];
    context.when_interrupted(
        Error::new(Kind::Interrupted, format!("interrupted; the {verb} of {stack} goes on"))
            .hint(format!("see how it is: `{}`", context.again("status"))),
    );
    let progress = context.ui.progress(&format!("{stack}: {verb}"), None);
    loop {
        // The status first: the events that are read after it are all there were when it ended.
        let status = cloudformation.stack(&id).await.doing(&doing)?.map(|stack| stack.status);
        for (stack, known) in follower.questions() {
            let answer = match cloudformation.events(&stack, known.as_deref()).await {
                // A nested stack that is deleted may be gone before its last events are read.
                Err(error) if error.is("ValidationError") && stack != id => vec![],
                Err(error) if error.is_transient() => continue,
                answer => answer.doing(&doing)?,
            };
            for event in follower.take(&stack, answer) {
                progress.above(|| context.ui.note(&line(&context.ui, &event, &root, since)));
                all.push(event);
            }
        }
        match status.as_deref().map(end) {
            Some(End::Running) => {}
            None | Some(End::Good) => return Ok(()),
            Some(End::Bad) => {
                return Err(failure(&root, verb, status.as_deref().unwrap_or_default(), &all));
            }
        }
        pause(poll_interval(context)).await;
    }
}

fn line(ui: &Ui, event: &Event, root: &str, since: outbox::EpochMs) -> String {
    let tone = match () {
        () if event.is_failure() => Tone::Bad,
        () if event.status.contains("ROLLBACK") => Tone::Warning,
        () if event.status.ends_with("_COMPLETE") => Tone::Good,
        () => Tone::Plain,
    };
    let place = match short(&event.stack_name, root) {
        stack if event.is_of_stack() => stack.to_owned(),
        stack if stack == root => event.logical_id.clone(),
        stack => format!("{stack}/{}", event.logical_id),
    };
    let elapsed = text::span((event.time - since).clamp(0, now_ms()));
    let status = ui.paint_err(tone, &format!("{:<18}", event.status));
    let reason = event.reason.as_deref().filter(|_| event.is_failure()).map(|r| format!("  {r}")).unwrap_or_default();
    format!("{elapsed:>7}  {status}  {place}{reason}")
}

/// A nested stack by its logical id, which CloudFormation puts between the root's name and random letters.
fn short<'a>(stack: &'a str, root: &str) -> &'a str {
    let nested = stack.strip_prefix(root).and_then(|rest| rest.strip_prefix('-'));
    nested.and_then(|rest| rest.split('-').next()).unwrap_or(stack)
}

fn failure(stack: &str, verb: &str, status: &str, events: &[Event]) -> Error {
    let error = Error::failed(format!("the {verb} of the stack {stack} failed: it is {status}"));
    let error = match cause::first(events) {
        Some(event) => error.because(format!(
            "{} ({}) in {}: {}",
            event.logical_id,
            event.resource_type,
            short(&event.stack_name, stack),
            event.reason.as_deref().unwrap_or("CloudFormation gives no reason")
        )),
        None => error,
    };
    error.hint("put the cause right and run the command again: it goes on from whatever is there")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn nested_stacks_are_called_by_their_logical_ids() {
        assert_eq!(short("disa-devl-root-stack-SNSStack-1A2B3C4D5E6F7", "disa-devl-root-stack"), "SNSStack");
        assert_eq!(short("disa-devl-root-stack", "disa-devl-root-stack"), "disa-devl-root-stack");
    }
}
