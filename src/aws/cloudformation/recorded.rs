//! Failed operations as CloudFormation tells them, from its answers to the paragraph that a person reads. The events
//! have the shape and the words of real ones; accounts, ids and names are made up.

use gateway::replay::{answers, requests};

use super::CloudFormation;
use crate::commands::deploy::explained;
use crate::stack::cause;
use crate::stack::event::{Event, Follower, Operation};

const ROOT: &str =
    "arn:aws:cloudformation:eu-west-1:123456789012:stack/disa-devl-root-stack/5e7f0a10-0000-11f0-0000-000000000000";
const SNS: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/disa-devl-root-stack-SNSStack-1A2B3C4D5E6F7/6a000000-0000-11f0-0000-000000000000";
const DEAD: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/disa-devl-root-stack-DeadLetterQueueStack-7F6E5D4C3B2A1/6b000000-0000-11f0-0000-000000000000";
const STACK: &str = "AWS::CloudFormation::Stack";

/// An event at a second of the operation: logical id, physical id, type, status, reason.
type Told<'a> = (u32, &'a str, &'a str, &'a str, &'a str, &'a str);

/// The answer of DescribeStackEvents for one stack: newest first.
fn described(stack: &str, oldest_first: &[Told]) -> String {
    let name = stack.split('/').nth(1).unwrap_or_default();
    let member = |(second, logical, physical, kind, status, reason): &Told| {
        let reason = match *reason {
            "" => String::new(),
            reason => format!("<ResourceStatusReason>{}</ResourceStatusReason>", reason.replace('"', "&quot;")),
        };
        format!(
            "<member><StackId>{stack}</StackId><EventId>{logical}-{status}-{second}</EventId><StackName>{name}</StackName><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId><ResourceType>{kind}</ResourceType><Timestamp>2026-11-25T10:00:{second:02}.123Z</Timestamp><ResourceStatus>{status}</ResourceStatus>{reason}</member>"
        )
    };
    let members: String = oldest_first.iter().rev().map(member).collect();
    format!(
        "<DescribeStackEventsResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStackEventsResult><StackEvents>{members}</StackEvents></DescribeStackEventsResult></DescribeStackEventsResponse>"
    )
}

/// Follows the latest operation as the command does, each stack asked once.
async fn followed(recorded: &[String]) -> (Operation, Vec<Event>) {
    let recorded: Vec<(u16, &str)> = recorded.iter().map(|text| (200, text.as_str())).collect();
    let (config, client) = answers(&recorded).await;
    let cloudformation = CloudFormation::new(&config);
    let own = cloudformation.events(ROOT, None).await.expect("events");
    let operation = Operation::latest(&own).expect("an operation");
    let mut follower = Follower::since(ROOT, operation.began);
    let mut all = follower.take(ROOT, own);
    let mut asked = vec![ROOT.to_owned()];
    while let Some((stack, _)) = follower.questions().into_iter().find(|(stack, _)| !asked.contains(stack)) {
        let events = cloudformation.events(&stack, None).await.expect("events");
        all.extend(follower.take(&stack, events));
        asked.push(stack);
    }
    assert_eq!(requests(&client).len(), recorded.len(), "every stack is asked");
    (operation, all)
}

#[tokio::test]
async fn a_creation_that_failed_in_a_nested_stack_is_explained_by_the_resource_in_it() {
    let name = "disa-devl-root-stack";
    let embedded = format!(
        "Embedded stack {SNS} was not successfully created: The following resource(s) failed to create: [Topic]. "
    );
    let root = described(
        ROOT,
        &[
            (0, name, ROOT, STACK, "REVIEW_IN_PROGRESS", "User Initiated"),
            (1, name, ROOT, STACK, "CREATE_IN_PROGRESS", "User Initiated"),
            (2, "DeadLetterQueueStack", "", STACK, "CREATE_IN_PROGRESS", ""),
            (2, "SNSStack", "", STACK, "CREATE_IN_PROGRESS", ""),
            (3, "DeadLetterQueueStack", DEAD, STACK, "CREATE_IN_PROGRESS", "Resource creation Initiated"),
            (3, "SNSStack", SNS, STACK, "CREATE_IN_PROGRESS", "Resource creation Initiated"),
            (9, "SNSStack", SNS, STACK, "CREATE_FAILED", &embedded),
            (9, "DeadLetterQueueStack", DEAD, STACK, "CREATE_FAILED", "Resource creation cancelled"),
            (
                10,
                name,
                ROOT,
                STACK,
                "ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to create: [DeadLetterQueueStack, SNSStack]. Rollback requested by user.",
            ),
            (11, "SNSStack", SNS, STACK, "DELETE_IN_PROGRESS", ""),
            (20, "SNSStack", SNS, STACK, "DELETE_COMPLETE", ""),
            (21, "DeadLetterQueueStack", DEAD, STACK, "DELETE_COMPLETE", ""),
            (22, name, ROOT, STACK, "ROLLBACK_COMPLETE", ""),
        ],
    );
    let sns_name = "disa-devl-root-stack-SNSStack-1A2B3C4D5E6F7";
    let denied = "Resource handler returned message: \"User: arn:aws:iam::123456789012:user/ci is not authorized to perform: SNS:CreateTopic on resource: arn:aws:sns:eu-west-1:123456789012:disa-devl-notification because no identity-based policy allows the SNS:CreateTopic action (Service: Sns, Status Code: 403, Request ID: 00000000-0000-0000-0000-000000000000)\" (RequestToken: 11111111-1111-1111-1111-111111111111, HandlerErrorCode: AccessDenied)";
    let sns = described(
        SNS,
        &[
            (4, sns_name, SNS, STACK, "CREATE_IN_PROGRESS", "User Initiated"),
            (5, "Topic", "", "AWS::SNS::Topic", "CREATE_IN_PROGRESS", ""),
            (7, "Topic", "", "AWS::SNS::Topic", "CREATE_FAILED", denied),
            (8, sns_name, SNS, STACK, "CREATE_FAILED", "The following resource(s) failed to create: [Topic]. "),
        ],
    );
    let dead_name = "disa-devl-root-stack-DeadLetterQueueStack-7F6E5D4C3B2A1";
    let dead = described(
        DEAD,
        &[
            (4, dead_name, DEAD, STACK, "CREATE_IN_PROGRESS", "User Initiated"),
            (6, "StreamDeadLetters", "", "AWS::SQS::Queue", "CREATE_FAILED", "Resource creation cancelled"),
            (
                9,
                dead_name,
                DEAD,
                STACK,
                "CREATE_FAILED",
                "The following resource(s) failed to create: [StreamDeadLetters]. ",
            ),
        ],
    );
    let (operation, events) = followed(&[root, dead, sns]).await;
    assert_eq!((operation.kind, operation.status.as_str()), ("creation", "ROLLBACK_COMPLETE"));
    let cause = cause::first(&events).expect("a cause");
    let told = explained(&cause, name);
    assert!(told.starts_with("Topic (AWS::SNS::Topic) in SNSStack: Resource handler returned message:"), "{told}");
    assert!(cause.advice.contains("lacks the permission"), "{}", cause.advice);
    assert_eq!(cause::of_rollback(&events), None);
}

#[tokio::test]
async fn an_update_whose_rollback_failed_has_two_causes() {
    let name = "disa-devl-root-stack";
    let embedded = format!(
        "Embedded stack {SNS} was not successfully updated. Currently in UPDATE_ROLLBACK_IN_PROGRESS with reason: The following resource(s) failed to update: [Topic]. "
    );
    let stuck = format!(
        "Embedded stack {SNS} was not successfully updated. Currently in UPDATE_ROLLBACK_FAILED with reason: The following resource(s) failed to update: [Topic]. "
    );
    let root = described(
        ROOT,
        &[
            (1, name, ROOT, STACK, "CREATE_IN_PROGRESS", "User Initiated"),
            (5, "SNSStack", SNS, STACK, "CREATE_FAILED", "of an operation before"),
            (9, name, ROOT, STACK, "CREATE_COMPLETE", ""),
            (20, name, ROOT, STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
            (21, "SNSStack", SNS, STACK, "UPDATE_IN_PROGRESS", ""),
            (26, "SNSStack", SNS, STACK, "UPDATE_FAILED", &embedded),
            (26, "EncryptionKey", "key", "AWS::KMS::Key", "UPDATE_FAILED", "Resource update cancelled"),
            (
                27,
                name,
                ROOT,
                STACK,
                "UPDATE_ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to update: [EncryptionKey, SNSStack]. ",
            ),
            (33, "SNSStack", SNS, STACK, "UPDATE_FAILED", &stuck),
            (
                34,
                name,
                ROOT,
                STACK,
                "UPDATE_ROLLBACK_FAILED",
                "The following resource(s) failed to update: [SNSStack]. ",
            ),
        ],
    );
    let sns_name = "disa-devl-root-stack-SNSStack-1A2B3C4D5E6F7";
    let limited = "Resource handler returned message: \"Invalid parameter: KmsMasterKeyId (Service: Sns, Status Code: 400, Request ID: 0)\" (RequestToken: 1, HandlerErrorCode: InvalidRequest)";
    let gone = "Resource handler returned message: \"Topic does not exist (Service: Sns, Status Code: 404, Request ID: 0)\" (RequestToken: 2, HandlerErrorCode: NotFound)";
    let sns = described(
        SNS,
        &[
            (2, sns_name, SNS, STACK, "CREATE_IN_PROGRESS", "User Initiated"),
            (22, sns_name, SNS, STACK, "UPDATE_IN_PROGRESS", "User Initiated"),
            (23, "Topic", "arn:topic", "AWS::SNS::Topic", "UPDATE_FAILED", limited),
            (
                24,
                sns_name,
                SNS,
                STACK,
                "UPDATE_ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to update: [Topic]. ",
            ),
            (31, "Topic", "arn:topic", "AWS::SNS::Topic", "UPDATE_FAILED", gone),
            (
                32,
                sns_name,
                SNS,
                STACK,
                "UPDATE_ROLLBACK_FAILED",
                "The following resource(s) failed to update: [Topic]. ",
            ),
        ],
    );
    let (operation, events) = followed(&[root, sns]).await;
    assert_eq!((operation.kind, operation.status.as_str()), ("update", "UPDATE_ROLLBACK_FAILED"));
    let reason = |cause: Option<cause::Cause>| cause.and_then(|cause| cause.event.reason).unwrap_or_default();
    assert_eq!(reason(cause::first(&events)), limited);
    assert_eq!(reason(cause::of_rollback(&events)), gone);
}
