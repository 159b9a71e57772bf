//! The first real cause of a failed operation, and what to do about it.

use serde::Serialize;

use super::event::Event;

/// What explains a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    #[serde(flatten)]
    pub event: Event,
    pub advice: &'static str,
}

/// The event that explains a failure: of all `*_FAILED` events those that were not merely cancelled because
/// of another, and not merely a nested stack's report of its own failure; of these the first in time.
pub fn first(events: &[Event]) -> Option<Cause> {
    let failures = || events.iter().filter(|event| event.is_failure() && !is_cancelled(event));
    let of_resources = failures().filter(|event| event.nested_stack().is_none() && !event.is_of_stack());
    let event = of_resources.min_by_key(|event| event.time).or_else(|| failures().min_by_key(|event| event.time))?;
    Some(Cause { event: event.clone(), advice: advice(event) })
}

/// What keeps a rollback from its end: the cause of the failures after it began.
pub fn of_rollback(events: &[Event]) -> Option<Cause> {
    // The root speaks first. A nested stack turns back on its own, while others still go on and may fail.
    let root = &events.iter().filter(|event| event.is_of_stack()).min_by_key(|event| event.time)?.stack_id;
    let of_root = events.iter().filter(|event| event.is_of_stack() && event.stack_id == *root);
    let began = of_root.filter(|event| event.status.contains("ROLLBACK_IN_PROGRESS")).map(|event| event.time).min()?;
    let later: Vec<Event> = events.iter().filter(|event| event.time >= began).cloned().collect();
    first(&later)
}

/// CloudFormation's words for a resource that did not fail itself.
fn is_cancelled(event: &Event) -> bool {
    let reason = event.reason.as_deref().unwrap_or_default();
    reason.contains("cancelled") || reason.contains("Cancelled")
}

/// What to do, by the resource's type (its beginning) and a word of the reason, without regard to case; the
/// first line that fits. The words in capitals at their beginning are handler error codes, which CloudFormation
/// puts at the end of a reason (CloudFormation CLI user guide, "Handler error codes").
const ADVICE: [(&str, &str, &str); 32] = [
    (
        "AWS::CloudFormation::Stack",
        "] does not exist",
        "the nested stack was deleted by hand: `disa destroy`, then `disa deploy` makes the stack anew; the messages stay",
    ),
    (
        "AWS::CloudFormation::Stack",
        "s3 error",
        "the nested template cannot be read: `disa doctor` looks at the bucket; `disa deploy` uploads it again",
    ),
    (
        "AWS::CloudFormation::Stack",
        "template",
        "the nested template cannot be used: run `disa deploy` again from a clean checkout or an unchanged `disa`",
    ),
    (
        "AWS::Lambda::Function",
        "unreservedconcurrentexecution",
        "AWS keeps at least 100 of the account's concurrency unreserved: lower LambdaReservedConcurrency (`--set`), or ask for a higher quota",
    ),
    (
        "AWS::Lambda::Function",
        "nosuchkey",
        "the function's zip is gone from the bucket: run `disa deploy` again, it uploads what is missing",
    ),
    (
        "AWS::Lambda::Function",
        "cannot be assumed",
        "IAM had not spread the function's role yet: run the command again in a minute",
    ),
    (
        "AWS::Lambda::Function",
        "architecture",
        "the zip is built for another processor: `disa deploy --target` with the right one",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        "cannot access stream",
        "the role of the init function may not read the table's stream, or IAM had not spread it yet: run the command again in a minute",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        "already exist",
        "another mapping of the same function reads the same stream: delete it in the Lambda console, then run the command again",
    ),
    (
        "AWS::SQS::Queue",
        "wait 60 seconds",
        "SQS takes a name again 60 seconds after its queue was deleted: run the command again in a minute",
    ),
    (
        "AWS::SQS::Queue",
        "recently deleted",
        "SQS takes a name again 60 seconds after its queue was deleted: run the command again in a minute",
    ),
    (
        "AWS::Logs::LogGroup",
        "kms",
        "CloudWatch Logs may not use the key: `disa doctor` prints the statement that its policy needs",
    ),
    (
        "AWS::Logs::LogGroup",
        "already exist",
        "a log group of this name is left from an earlier stack or function: delete it (`aws logs delete-log-group`), or take another `--project`",
    ),
    (
        "AWS::DynamoDB::Table",
        "already exist",
        "a table of this name exists outside the stack: with a stream the next `disa deploy` takes it over; else take another `--project`",
    ),
    (
        "AWS::DynamoDB::Table",
        "deletion protection",
        "the table is protected: turn the protection off (`aws dynamodb update-table --no-deletion-protection-enabled`), if its messages may go",
    ),
    ("AWS::DynamoDB::Table", "kms", "DynamoDB may not use the key: `disa doctor` says what its policy lacks"),
    ("AWS::SNS::", "kms", "SNS may not use the key: `disa doctor` says what its policy lacks"),
    (
        "AWS::SNS::Subscription",
        "invalid parameter",
        "SNS refuses the subscription: look at SubscriptionEmail (`disa config`)",
    ),
    (
        "AWS::StepFunctions::StateMachine",
        "log destination",
        "IAM had not spread the state machine's role yet, or it may not write the log: run the command again in a minute",
    ),
    (
        "AWS::StepFunctions::StateMachine",
        "nosuchkey",
        "the state machine's definition is gone from the bucket: run `disa deploy` again, it uploads what is missing",
    ),
    (
        "AWS::StepFunctions::StateMachine",
        "definition",
        "Step Functions refuses the definition: run `disa deploy` again from a clean checkout or an unchanged `disa`",
    ),
    (
        "AWS::Scheduler::Schedule",
        "expression",
        "EventBridge refuses the schedule: look at RetrySchedule, rate(…) or cron(…) with six fields",
    ),
    (
        "AWS::Scheduler::Schedule",
        "assume",
        "IAM had not spread the schedule's role yet: run the command again in a minute",
    ),
    (
        "AWS::KMS::Key",
        "malformedpolicy",
        "KMS refuses the key's policy: the deploying identity must keep the right to change it; give a key of your own with `--kms-key`",
    ),
    (
        "AWS::IAM::",
        "capabilit",
        "IAM resources need an acknowledgement, which `disa deploy` gives: deploy with it and not by hand",
    ),
    (
        "",
        "accessdenied",
        "the deploying identity lacks the permission that the reason names: `disa doctor` lists what a deployment needs",
    ),
    (
        "",
        "not authorized",
        "the deploying identity lacks the permission that the reason names: `disa doctor` lists what a deployment needs",
    ),
    (
        "",
        "already exist",
        "something else has this name: delete or rename it, or take other names with `--project` or `--env`",
    ),
    ("", "limitexceeded", "a quota of the account is used up: `disa doctor` shows it; ask for a higher one"),
    ("", "throttl", "AWS had too many requests at once: run the command again, it goes on from whatever is there"),
    (
        "",
        "rate exceeded",
        "AWS had too many requests at once: run the command again, it goes on from whatever is there",
    ),
    ("", "kms", "the key cannot be used: `disa doctor` looks at its state and policy"),
];
const OTHERWISE: &str = "put the cause right and run the command again: it goes on from whatever is there";

fn advice(event: &Event) -> &'static str {
    let reason = event.reason.as_deref().unwrap_or_default().to_lowercase();
    let fits = |(kind, word, _): &&(&str, &str, &str)| event.resource_type.starts_with(kind) && reason.contains(word);
    ADVICE.iter().find(fits).map_or(OTHERWISE, |(_, _, advice)| advice)
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::{event, stack_event};
    use super::*;

    fn id(cause: Option<Cause>) -> Option<String> {
        cause.map(|cause| cause.event.logical_id)
    }

    #[test]
    fn the_resource_that_failed_first_and_not_what_it_dragged_along() {
        let events = [
            event(3, "child", "Queue", "CREATE_FAILED", Some("Resource creation cancelled")),
            event(4, "child", "Topic", "CREATE_FAILED", Some("KMS key not found")),
            stack_event(2, "root", "child", "CREATE_FAILED", Some("Embedded stack was not successfully created")),
            event(5, "child", "Alarm", "CREATE_FAILED", Some("later")),
        ];
        assert_eq!(id(first(&events)).as_deref(), Some("Topic"));
    }

    #[test]
    fn a_stack_alone_may_be_the_cause() {
        let events = [stack_event(2, "root", "child", "CREATE_FAILED", Some("Template not found"))];
        assert_eq!(id(first(&events)).as_deref(), Some("child"));
        assert_eq!(first(&[event(1, "root", "Topic", "CREATE_COMPLETE", None)]), None);
    }

    #[test]
    fn a_rollback_has_a_cause_of_its_own() {
        let events = [
            stack_event(1, "root", "root", "UPDATE_IN_PROGRESS", None),
            event(2, "root", "Topic", "UPDATE_FAILED", Some("Invalid parameter")),
            stack_event(3, "root", "root", "UPDATE_ROLLBACK_IN_PROGRESS", None),
            event(4, "root", "Queue", "UPDATE_FAILED", Some("The queue does not exist")),
            stack_event(5, "root", "root", "UPDATE_ROLLBACK_FAILED", None),
        ];
        assert_eq!(id(first(&events)).as_deref(), Some("Topic"));
        assert_eq!(id(of_rollback(&events)).as_deref(), Some("Queue"));
        assert_eq!(of_rollback(&events[..2]), None);
    }

    #[test]
    fn what_fails_while_only_a_nested_stack_turns_back_does_not_block_the_rollback() {
        let events = [
            stack_event(1, "root", "root", "UPDATE_IN_PROGRESS", None),
            stack_event(2, "child", "child", "UPDATE_ROLLBACK_IN_PROGRESS", None),
            event(3, "other", "Topic", "UPDATE_FAILED", Some("Invalid parameter")),
            stack_event(4, "root", "root", "UPDATE_ROLLBACK_IN_PROGRESS", None),
            event(5, "child", "Queue", "UPDATE_FAILED", Some("The queue does not exist")),
        ];
        assert_eq!(id(of_rollback(&events)).as_deref(), Some("Queue"));
    }

    /// Reasons as CloudFormation words them.
    #[test]
    fn the_advice_fits_the_resource_and_the_reason() {
        let advised = |kind: &str, reason: &str| {
            advice(&Event { resource_type: kind.to_owned(), ..event(1, "s", "R", "CREATE_FAILED", Some(reason)) })
        };
        let cases = [
            (
                "AWS::Lambda::Function",
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]. (Service: Lambda, Status Code: 400)",
                "LambdaReservedConcurrency",
            ),
            (
                "AWS::Logs::LogGroup",
                "Resource handler returned message: \"The specified KMS key does not exist or is not allowed to be used with Arn 'arn:aws:logs:…'\" (RequestToken: 1, HandlerErrorCode: InvalidRequest)",
                "CloudWatch Logs",
            ),
            (
                "AWS::Logs::LogGroup",
                "Resource handler returned message: \"Resource of type 'AWS::Logs::LogGroup' with identifier '…' already exists.\" (RequestToken: 1, HandlerErrorCode: AlreadyExists)",
                "delete-log-group",
            ),
            (
                "AWS::IAM::Role",
                "Resource handler returned message: \"User: arn:aws:iam::1:user/x is not authorized to perform: iam:CreateRole on resource: …\" (HandlerErrorCode: AccessDenied)",
                "lacks the permission",
            ),
            (
                "AWS::SQS::Queue",
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
                "in a minute",
            ),
            ("AWS::CloudFormation::Stack", "Stack [arn:aws:cloudformation:…] does not exist", "deleted by hand"),
            ("AWS::CloudFormation::Stack", "Requested attribute X does not exist in schema", "put the cause right"),
            ("AWS::CloudWatch::Alarm", "Rate exceeded (Service: CloudWatch)", "too many requests"),
            ("AWS::SNS::Topic", "Something nobody foresaw", "goes on from whatever is there"),
        ];
        for (kind, reason, expected) in cases {
            assert!(advised(kind, reason).contains(expected), "{kind}: {}", advised(kind, reason));
        }
    }
}
