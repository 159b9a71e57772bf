//! Following an operation of the stack: its resources live, and in the end its first real cause of failure.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::pace::{Pace, patiently};
use super::poll_interval;
use crate::aws::cloudformation::{CloudFormation, Stack};
use crate::cli::Output;
use crate::context::{Context, now_ms, pause};
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::cause;
use crate::stack::event::{Event, Follower, Operation};
use crate::stack::progress::{Node, Progress};
use crate::stack::status::{End, end};
use crate::ui::tree::Tree;
use crate::ui::{Tone, Ui, View, text};

/// So long CloudFormation may give no answer at all.
const SILENCE_LIMIT: Duration = Duration::from_secs(600);
/// An operation whose stack is in a status of rest and that tells nothing is taken to be over.
const BEGIN_LIMIT: Duration = Duration::from_secs(60);

/// Follows what runs on a stack, or tells how the last operation ended; answers its kind.
pub async fn attach(context: &Context, stack: &Stack) -> Result<&'static str> {
    let Some(Operation { kind, began, .. }) = operation(context, &stack.id).await? else {
        return Err(Error::failed("nothing was ever deployed: the stack is an empty shell, left by a plan")
            .hint(format!("deploy it: `{}`", context.again("deploy"))));
    };
    follow(context, &stack.id, Follower::since(&stack.id, began), kind).await?;
    Ok(kind)
}

/// The latest operation on a stack, from its own events.
async fn operation(context: &Context, stack: &str) -> Result<Option<Operation>> {
    let cloudformation = context.clients.cloudformation();
    let events = patiently(|| cloudformation.events(stack, None)).await.doing("read the stack's events")?;
    Ok(Operation::latest(&events))
}

/// Shows an operation until it ends. An interrupt leaves it running, and CloudFormation that does not answer
/// for a while does not end it.
pub async fn follow(context: &Context, stack: &str, follower: Follower, kind: &str) -> Result<()> {
    let name = stack.split('/').nth(1).unwrap_or(stack).to_owned();
    context.when_interrupted(
        Error::new(Kind::Interrupted, format!("interrupted; the {kind} of {name} goes on"))
            .hint(format!("follow it again: `{}`", context.again("deploy --attach")))
            .hint(format!("take it back: `{}`", context.again("cancel"))),
    );
    let mut watch = Watch::new(context, stack, follower, kind);
    let status = watch.until_it_ends().await?;
    match end(&status) {
        End::Bad => Err(failure(context, &name, kind, &status, &watch.all)),
        _ => Ok(()),
    }
}

struct Watch<'a> {
    context: &'a Context,
    cloudformation: CloudFormation,
    stack: &'a str,
    follower: Follower,
    progress: Progress,
    bar: crate::ui::Progress,
    pace: Pace,
    all: Vec<Event>,
}

impl<'a> Watch<'a> {
    fn new(context: &'a Context, stack: &'a str, follower: Follower, kind: &str) -> Watch<'a> {
        Watch {
            context,
            cloudformation: context.clients.cloudformation(),
            stack,
            follower,
            progress: Progress::new(stack),
            bar: context.ui.progress(kind, None),
            pace: Pace::new(poll_interval(context)),
            all: vec![],
        }
    }

    /// Answers the status in which it ended.
    async fn until_it_ends(&mut self) -> Result<String> {
        let begin = Instant::now();
        let mut answered = Instant::now();
        loop {
            let before = self.all.len();
            match self.look().await {
                Ok(status) => {
                    answered = Instant::now();
                    let told = self.follower.began().is_some() || begin.elapsed() > BEGIN_LIMIT;
                    match status {
                        None => return Ok("DELETE_COMPLETE".to_owned()),
                        Some(status) if told && end(&status) != End::Running => return Ok(status),
                        Some(_) => self.pace.looked(self.all.len() > before),
                    }
                }
                Err(error) if error.is_transient() => {
                    self.pace.refused();
                    if answered.elapsed() > SILENCE_LIMIT {
                        let error = Error::service("CloudFormation has not answered for 10 minutes", &error);
                        let error = Error { kind: Kind::TimedOut, ..error };
                        let again = self.context.again("deploy --attach");
                        return Err(error.hint(format!("the operation goes on; follow it again: `{again}`")));
                    }
                }
                Err(error) => return Err(error).doing("follow the stack"),
            }
            self.draw();
            pause(self.pace.wait).await;
        }
    }

    /// The status first: the events that are read after it are all there were when it ended.
    async fn look(&mut self) -> std::result::Result<Option<String>, gateway::ServiceError> {
        let status = self.cloudformation.stack(self.stack).await?.map(|stack| stack.status);
        // Nested stacks that the root's events name are asked in the same look.
        let (mut asked, mut fresh) = (vec![], vec![]);
        while let Some((stack, known)) = self.follower.questions().into_iter().find(|(stack, _)| !asked.contains(stack))
        {
            let answer = match self.cloudformation.events(&stack, known.as_deref()).await {
                // A nested stack that is deleted may be gone before its last events are read.
                Err(error) if error.is("ValidationError") && stack != self.stack => vec![],
                answer => answer?,
            };
            fresh.extend(self.follower.take(&stack, answer));
            asked.push(stack);
        }
        fresh.sort_by_key(|event| event.time);
        for event in fresh {
            let news = self.progress.take(&event);
            self.tell(&event, news);
            self.all.push(event);
        }
        Ok(status)
    }

    /// A machine gets every event. On a terminal the tree shows it, and only what failed is told for good.
    fn tell(&self, event: &Event, news: bool) {
        let ui = &self.context.ui;
        if ui.output == Output::Jsonl {
            // A reader that went away does not end the operation, nor the following of it.
            let _ = ui.show(&Told { event });
        } else if news && (!ui.is_live() || event.is_failure()) {
            let began = self.follower.began().unwrap_or(event.time);
            self.bar.above(|| ui.note(&line(ui, event, &self.context.names.stack(), began)));
        }
    }

    fn draw(&self) {
        if let Some(tree) = self.progress.tree() {
            let ui = &self.context.ui;
            self.bar.say(&ui.fitted(&drawn(ui, &tree, now_ms()).text()));
        }
    }
}

#[derive(Serialize)]
struct Told<'a> {
    event: &'a Event,
}

impl View for Told<'_> {
    fn text(&self, _: &Ui) -> String {
        format!("{} {}", self.event.status, self.event.logical_id)
    }
}

fn tone(status: &str) -> Tone {
    match () {
        () if status.ends_with("_FAILED") => Tone::Bad,
        () if status.contains("ROLLBACK") => Tone::Warning,
        () if status.ends_with("_COMPLETE") => Tone::Good,
        () => Tone::Plain,
    }
}

fn line(ui: &Ui, event: &Event, root: &str, began: outbox::EpochMs) -> String {
    let place = match short(&event.stack_name, root) {
        stack if event.is_of_stack() => stack.to_owned(),
        stack if stack == root => event.logical_id.clone(),
        stack => format!("{stack}/{}", event.logical_id),
    };
    let elapsed = text::span((event.time - began).max(0));
    let status = ui.paint_err(tone(&event.status), &format!("{:<18}", event.status));
    let reason = event.reason.as_deref().filter(|_| event.is_failure()).map(|r| format!("  {r}")).unwrap_or_default();
    format!("{elapsed:>7}  {status}  {place}{reason}")
}

/// Only what runs or failed is opened: what is done takes a line, so that it all fits a terminal.
fn drawn(ui: &Ui, node: &Node, now: outbox::EpochMs) -> Tree {
    let spent = text::span(if node.is_running() { now - node.began } else { node.latest - node.began });
    let (done, begun) = node.done();
    let count = if node.children.is_empty() { String::new() } else { format!("  {done} of {begun}") };
    let status = ui.paint_err(tone(&node.status), &node.status);
    let open = node.is_running() || node.children.iter().any(Node::is_failed);
    let shown: Vec<&Node> = node.children.iter().filter(|child| child.is_running() || child.is_failed()).collect();
    let rest = node.children.len() - shown.len();
    let mut children: Vec<Tree> = shown.into_iter().map(|child| drawn(ui, child, now)).collect();
    if rest > 0 {
        children.push(Tree::leaf(format!("{rest} done")));
    }
    Tree {
        line: format!("{}  {status}  {spent}{count}", node.logical_id),
        children: if open { children } else { vec![] },
    }
}

/// A nested stack by its logical id, which CloudFormation puts between the root's name and random letters.
pub fn short<'a>(stack: &'a str, root: &str) -> &'a str {
    let nested = stack.strip_prefix(root).and_then(|rest| rest.strip_prefix('-'));
    nested.and_then(|rest| rest.split('-').next()).unwrap_or(stack)
}

fn failure(context: &Context, stack: &str, kind: &str, status: &str, events: &[Event]) -> Error {
    let error = Error::failed(format!("the {kind} of the stack {stack} failed: it is {status}"));
    let root = context.names.stack();
    match cause::first(events) {
        Some(cause) => error.because(explained(&cause, &root)).hint(cause.advice),
        None => error,
    }
    .hint(format!("all that failed, now or later: `{}`", context.again("diagnose")))
}

/// What failed first, where, and why.
pub fn explained(cause: &cause::Cause, root: &str) -> String {
    let event = &cause.event;
    format!(
        "{} ({}) in {}: {}",
        event.logical_id,
        event.resource_type,
        short(&event.stack_name, root),
        event.reason.as_deref().unwrap_or("CloudFormation gives no reason")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_stacks_are_called_by_their_logical_ids() {
        assert_eq!(short("disa-devl-root-stack-SNSStack-1A2B3C4D5E6F7", "disa-devl-root-stack"), "SNSStack");
        assert_eq!(short("disa-devl-root-stack", "disa-devl-root-stack"), "disa-devl-root-stack");
    }

    /// As `disa deploy` has it where nothing is coloured.
    fn ui() -> Ui {
        let words = ["disa", "deploy", "--color", "never"];
        let cli = <crate::cli::Cli as clap::Parser>::try_parse_from(words).expect("parses");
        Ui::new(&cli.global)
    }

    #[test]
    fn what_runs_and_what_failed_is_drawn_open_and_the_rest_counted() {
        use crate::stack::event::tests::{event, stack_event};
        let mut progress = Progress::new("arn:root");
        let at = |event: Event, seconds: i64| Event { time: seconds * 1000, ..event };
        for event in [
            at(stack_event(1, "root", "root", "UPDATE_IN_PROGRESS", None), 0),
            at(stack_event(2, "root", "RolesStack", "UPDATE_IN_PROGRESS", None), 1),
            at(event(3, "RolesStack", "ProcessRole", "UPDATE_COMPLETE", None), 2),
            at(stack_event(4, "root", "RolesStack", "UPDATE_COMPLETE", None), 3),
            at(stack_event(5, "root", "SNSStack", "UPDATE_IN_PROGRESS", None), 3),
            at(event(6, "SNSStack", "Topic", "UPDATE_IN_PROGRESS", None), 4),
            at(event(7, "SNSStack", "Topic", "UPDATE_FAILED", Some("no")), 9),
            at(event(8, "SNSStack", "TopicPolicy", "UPDATE_IN_PROGRESS", None), 5),
            at(event(9, "root", "Key", "UPDATE_COMPLETE", None), 5),
        ] {
            progress.take(&event);
        }
        let tree = drawn(&ui(), &progress.tree().expect("a tree"), 70_000);
        let expected = "\
root  UPDATE_IN_PROGRESS  1m 10s  3 of 4
├─ SNSStack  UPDATE_IN_PROGRESS  1m 7s  1 of 2
│  ├─ Topic  UPDATE_FAILED  5s
│  └─ TopicPolicy  UPDATE_IN_PROGRESS  1m 5s
└─ 2 done";
        assert_eq!(tree.text(), expected);
    }

    #[test]
    fn a_line_has_its_time_its_place_and_the_reason_of_a_failure() {
        use crate::stack::event::tests::event;
        let nested = "disa-devl-root-stack-SNSStack-1A2B3C";
        let failed = event(1, nested, "Topic", "CREATE_FAILED", Some("Invalid parameter"));
        let told = |event: &Event| line(&ui(), event, "disa-devl-root-stack", event.time - 65_000);
        assert_eq!(told(&failed), "  1m 5s  CREATE_FAILED       SNSStack/Topic  Invalid parameter");
        let begun = event(2, "disa-devl-root-stack", "Key", "CREATE_IN_PROGRESS", Some("Resource creation Initiated"));
        assert_eq!(told(&begun), "  1m 5s  CREATE_IN_PROGRESS  Key");
    }
}
