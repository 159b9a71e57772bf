//! From whatever status the stack is in to one that can be created or updated: the table of `stack::status`,
//! carried out.

use std::time::{Duration, Instant};

use super::consent::agree;
use super::follow::{attach, follow};
use super::pace::patiently;
use super::poll_interval;
use crate::aws::cloudformation::Stack;
use crate::context::{Context, pause};
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::event::{Follower, STACK_TYPE};
use crate::stack::status::{Next, next};
use crate::stack::tree::Resource;

/// A deletion of what was never in use is done in minutes.
const DELETION_LIMIT: Duration = Duration::from_secs(1800);

/// Waits for what runs, repairs what is broken, and answers the stack that is to be updated; `None` when it is
/// to be created. `skip` names resources that a failed rollback is to go on without.
pub async fn ready(context: &Context, yes: bool, skip: &[String]) -> Result<Option<Stack>> {
    loop {
        let found = ours(context).await?;
        let status = found.as_ref().map(|stack| stack.status.clone());
        match (next(status.as_deref()), found) {
            (Next::Create, _) | (_, None) => return Ok(None),
            (Next::Update, Some(stack)) => {
                whole(context, &stack).await?;
                return Ok(Some(stack));
            }
            (Next::Join, Some(stack)) => join(context, &stack).await?,
            (Next::Continue, Some(stack)) => go_on(context, &stack, yes, skip).await?,
            (Next::Recreate, Some(stack)) => delete(context, &stack, yes).await?,
            (Next::Unknown, Some(stack)) => {
                return Err(Error::failed(format!("Disa does not know the stack's status {}", stack.status))
                    .hint("look at the stack in the CloudFormation console, and for a newer `disa`"));
            }
        }
    }
}

/// The root stack, if there is one; one of another making is not touched.
pub async fn ours(context: &Context) -> Result<Option<Stack>> {
    let name = context.names.stack();
    let cloudformation = context.clients.cloudformation();
    let found = patiently(|| cloudformation.stack(&name)).await.doing(&format!("look at the stack {name}"))?;
    match found.filter(|stack| stack.status != "DELETE_COMPLETE") {
        Some(stack) if !stack.is_of(&context.names.project) => {
            Err(Error::new(Kind::Access, format!("the stack {name} was not made by `disa deploy`"))
                .because("it has no tag ProjectName with this project")
                .hint("take another name: `--project NAME`"))
        }
        found => Ok(found),
    }
}

/// A failure of what somebody else began is told, and what is to be done is judged by where it ended.
async fn join(context: &Context, stack: &Stack) -> Result<()> {
    context.ui.note(&format!(
        "Another operation runs on {}: it is {}. Waiting for its end",
        context.names.stack(),
        stack.status
    ));
    match attach(context, stack).await {
        Err(error) if error.kind == Kind::Failed => {
            context.ui.warn(&[vec![error.message], error.causes].concat().join(": "));
            Ok(())
        }
        outcome => outcome.map(|_| ()),
    }
}

async fn go_on(context: &Context, stack: &Stack, yes: bool, skip: &[String]) -> Result<()> {
    let name = context.names.stack();
    agree(
        context,
        yes,
        &format!("The last update of {name} could not be rolled back."),
        "Go on with its rollback, and update then?",
    )?;
    let cloudformation = context.clients.cloudformation();
    let known = patiently(|| cloudformation.newest_event(&stack.id)).await.doing("read the stack's events")?;
    patiently(|| cloudformation.continue_rollback(&stack.id, skip))
        .await
        .doing(&format!("go on with the rollback of {name}"))?;
    let outcome = follow(context, &stack.id, Follower::after(&stack.id, known), "rollback").await;
    match ours(context).await? {
        // A rollback that comes to its end leaves a stack that can be updated: its status alone says so.
        Some(stack) if stack.status == "UPDATE_ROLLBACK_COMPLETE" => Ok(()),
        _ => outcome.map_err(|error| {
            error.hint(format!("what blocks it: `{}`", context.again("diagnose"))).hint(format!(
                "go on without it: `{}`, or STACK.RESOURCE in a nested one",
                context.again("deploy --skip RESOURCE")
            ))
        }),
    }
}

/// Deletes a stack in which nothing works. Its table and key are retained, and taken over by the next one.
async fn delete(context: &Context, stack: &Stack, yes: bool) -> Result<()> {
    let name = context.names.stack();
    let why = match stack.status.as_str() {
        "DELETE_FAILED" => "could not be deleted",
        _ => "could not be created",
    };
    agree(
        context,
        yes,
        &format!("The stack {name} {why} ({}). Its messages, if there are any, stay.", stack.status),
        "Delete what is left of it, and create it anew?",
    )?;
    let cloudformation = context.clients.cloudformation();
    let doing = format!("delete the stack {name}");
    patiently(|| cloudformation.delete_stack(&stack.id)).await.doing(&doing)?;
    let _progress = context.ui.progress("deleting what is left", None);
    let begin = Instant::now();
    loop {
        match cloudformation.stack(&stack.id).await {
            Ok(None) => return Ok(()),
            Ok(Some(stack)) if stack.status == "DELETE_COMPLETE" => return Ok(()),
            Ok(Some(stack)) if stack.status == "DELETE_FAILED" && begin.elapsed() > Duration::from_secs(5) => {
                return Err(Error::failed(format!("cannot {doing}"))
                    .because(stack.reason.unwrap_or_else(|| "CloudFormation gives no reason".to_owned()))
                    .hint(format!("what blocks it: `{}`", context.again("diagnose"))));
            }
            Err(error) if !error.is_transient() => return Err(error).doing(&doing),
            _ if begin.elapsed() > DELETION_LIMIT => {
                return Err(Error::new(Kind::TimedOut, format!("{name} is still being deleted after 30 minutes")));
            }
            _ => pause(poll_interval(context)).await,
        }
    }
}

/// A nested stack that was deleted by hand makes every update fail.
pub async fn whole(context: &Context, stack: &Stack) -> Result<()> {
    let cloudformation = context.clients.cloudformation();
    let resources = patiently(|| cloudformation.resources(&stack.id)).await.doing("look at the nested stacks")?;
    for Resource { logical_id, physical_id, .. } in resources.into_iter().filter(|found| found.kind == STACK_TYPE) {
        let nested = patiently(|| cloudformation.stack(&physical_id)).await;
        let nested = nested.doing(&format!("look at the nested stack {logical_id}"))?;
        if nested.is_none_or(|nested| nested.status == "DELETE_COMPLETE") {
            return Err(Error::failed(format!("the nested stack {logical_id} is gone: it was deleted by hand"))
                .because("CloudFormation updates no stack that misses one of its nested stacks")
                .hint(format!("delete the rest, and make it anew: `{}`, then", context.again("destroy")))
                .hint(format!("`{}`; the messages stay", context.again("deploy"))));
        }
    }
    Ok(())
}
