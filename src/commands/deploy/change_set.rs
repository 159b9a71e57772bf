//! What would change, and the change set that changes it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gateway::ServiceError;

use super::pace::patiently;
use super::poll_interval;
use crate::aws::change_set::{ChangeSet, Wanted};
use crate::aws::cloudformation::CloudFormation;
use crate::context::{Context, pause};
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::plan::{Change, Plan};
use crate::stack::{contents, parameters};

const CHANGE_SET_LIMIT: Duration = Duration::from_secs(600);

/// The change set and what it would do; none where nothing would change.
///
/// What changes in the nested stacks is told by change sets of their own, which are deleted again: once such a
/// change set is executed, those of its nested stacks that hold no change can never be deleted, and pile up
/// until CloudFormation makes no more. So what is executed is another one, of the root stack alone. A first
/// deployment has none: nested change sets of a creation leave shells of stacks behind, and the templates tell
/// as much.
pub async fn plan(
    context: &Context,
    wanted: Wanted<'_>,
    deployed: Option<&BTreeMap<String, String>>,
) -> Result<(Option<String>, Plan)> {
    let cloudformation = context.clients.cloudformation();
    let told = match deployed {
        Some(_) => nested(context, &cloudformation, &wanted).await?,
        None => Told::Untold(None),
    };
    let arn = match worked_out(context, &cloudformation, &wanted).await? {
        Outcome::Ready(arn) => arn,
        Outcome::NothingChanged => return Ok((None, Plan::default())),
        Outcome::Failed(reason) => return Err(refused(wanted.stack, reason, told)),
    };
    let mut changes = match told {
        Told::Changes(changes) => changes,
        Told::Untold(why) => {
            if let Some(why) = why {
                context.ui.warn(&format!("what changes in the nested stacks is not known beforehand: {why}"));
            }
            patiently(|| cloudformation.changes(&arn)).await.doing("read the change set")?
        }
    };
    contents::tell_nested(&mut changes);
    let parameters = deployed.map(|deployed| parameters::changes(deployed, wanted.parameters)).unwrap_or_default();
    let plan = Plan { parameters, changes }.pruned();
    if plan.is_empty() && deployed.is_some() {
        discard(&cloudformation, &arn).await?;
        return Ok((None, plan));
    }
    Ok((Some(arn), plan))
}

/// What change sets with those of the nested stacks say.
enum Told {
    Changes(Vec<Change>),
    /// And why: what the nested ones depend on may be known only when it is executed.
    Untold(Option<String>),
}

async fn nested(context: &Context, cloudformation: &CloudFormation, wanted: &Wanted<'_>) -> Result<Told> {
    let with_nested = Wanted { with_nested: true, ..wanted.clone() };
    Ok(match worked_out(context, cloudformation, &with_nested).await? {
        Outcome::Ready(arn) => {
            let changes = patiently(|| cloudformation.changes(&arn)).await.doing("read the change set")?;
            discard(cloudformation, &arn).await?;
            Told::Changes(changes)
        }
        Outcome::NothingChanged => Told::Changes(vec![]),
        Outcome::Failed(reason) => Told::Untold(Some(reason)),
    })
}

fn refused(stack: &str, reason: String, told: Told) -> Error {
    let other = match told {
        Told::Untold(Some(why)) if why != reason => Some(why),
        _ => None,
    };
    let error = Error::failed(format!("CloudFormation refuses the change of {stack}")).because(reason);
    other.into_iter().fold(error, Error::because)
}

/// It would stand in the stack's list for ever.
pub async fn discard(cloudformation: &CloudFormation, change_set: &str) -> Result<()> {
    patiently(|| cloudformation.delete_change_set(change_set)).await.doing("delete the change set")
}

enum Outcome {
    Ready(String),
    NothingChanged,
    Failed(String),
}

/// An error of a change set; where another deployment may have changed the stack meanwhile it says so.
pub fn overtaken(what: &str, error: &ServiceError) -> Error {
    const CODES: [&str; 4] =
        ["AlreadyExistsException", "ChangeSetNotFound", "InvalidChangeSetStatus", "ValidationError"];
    let made = Error::service(format!("cannot {what}"), error);
    match CODES.iter().any(|code| error.is(code)) {
        true => made.hint("if another deployment came in between: run the command again"),
        false => made,
    }
}

async fn worked_out(context: &Context, cloudformation: &CloudFormation, wanted: &Wanted<'_>) -> Result<Outcome> {
    let name = format!("disa-{}", ulid::Ulid::generate().to_string().to_lowercase());
    let arn = patiently(|| cloudformation.create_change_set(&name, wanted)).await;
    let arn = arn.map_err(|error| overtaken("create the change set", &error))?;
    let _progress = context.ui.progress("working the change set out", None);
    let begin = Instant::now();
    let failed = loop {
        match cloudformation.change_set(&arn).await {
            Ok(ChangeSet::Ready) => return Ok(Outcome::Ready(arn)),
            Ok(ChangeSet::NothingChanged) => break Outcome::NothingChanged,
            Ok(ChangeSet::Failed(reason)) => break Outcome::Failed(in_full(cloudformation, reason).await),
            Ok(ChangeSet::Working) => {}
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error).doing("look at the change set"),
        }
        if begin.elapsed() > CHANGE_SET_LIMIT {
            return Err(Error::new(Kind::TimedOut, "the change set was not worked out in 10 minutes"));
        }
        pause(poll_interval(context)).await;
    };
    discard(cloudformation, &arn).await?;
    Ok(failed)
}

/// Where a change set failed because of a nested stack's, its reason only names that one: with the nested one's own.
async fn in_full(cloudformation: &CloudFormation, reason: String) -> String {
    let Some(nested) = nested_change_set(&reason) else { return reason };
    match cloudformation.change_set(nested).await {
        Ok(ChangeSet::Failed(own)) => {
            let deeper = Box::pin(in_full(cloudformation, own)).await;
            format!("{}: {deeper}", reason.trim_end_matches('.'))
        }
        _ => reason,
    }
}

/// The ARN in "Nested change set ARN was not successfully created: Currently in FAILED."
fn nested_change_set(reason: &str) -> Option<&str> {
    let arn = reason.strip_prefix("Nested change set ")?.split(' ').next()?;
    arn.starts_with("arn:").then_some(arn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::answers;

    #[tokio::test]
    async fn a_change_set_that_a_nested_one_failed_has_the_nested_ones_reason() {
        let failed = |reason: &str| {
            format!(
                "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>FAILED</Status><StatusReason>{reason}</StatusReason></DescribeChangeSetResult></DescribeChangeSetResponse>"
            )
        };
        let (config, _) =
            answers(&[(200, &failed("Template format error: Unresolved resource dependencies [X]"))]).await;
        let cloudformation = CloudFormation::new(&config);
        let arn = "arn:aws:cloudformation:eu-west-1:1:changeSet/disa-1-SNSStack/2";
        let reason = format!("Nested change set {arn} was not successfully created: Currently in FAILED.");
        let full = in_full(&cloudformation, reason.clone()).await;
        assert!(full.starts_with("Nested change set arn:") && full.ends_with("dependencies [X]"), "{full}");
        // There is no answer left: the reason alone, and no call for another kind of reason.
        assert_eq!(in_full(&cloudformation, reason.clone()).await, reason);
        assert_eq!(in_full(&cloudformation, "Access denied".to_owned()).await, "Access denied");
    }
}
