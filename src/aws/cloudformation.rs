//! CloudFormation: stacks and their events.

mod account;
mod drift;
#[cfg(test)]
mod recorded;

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::StackStatus;
use gateway::{ServiceError, describe};

use crate::stack::event::Event;

pub use drift::Detection;

pub struct CloudFormation {
    pub(super) client: Client,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub id: String,
    pub status: String,
    pub reason: Option<String>,
    pub parameters: BTreeMap<String, String>,
    pub outputs: Vec<Output>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    pub name: String,
    pub value: String,
}

impl Stack {
    /// Whether `disa deploy` made it. A stack in review has not yet got the tags of its change set: it is an empty
    /// shell, whoever asked for it (CloudFormation user guide, "Create a change set": it holds no resources until a
    /// change set is executed).
    pub fn is_of(&self, project: &str) -> bool {
        self.status == "REVIEW_IN_PROGRESS" || self.tags.get("ProjectName").is_some_and(|name| name == project)
    }
}

impl CloudFormation {
    pub fn new(config: &SdkConfig) -> CloudFormation {
        CloudFormation { client: Client::new(config) }
    }

    /// Looks a stack up by name or ARN; `None` when there is none. A deleted one is found by its ARN only.
    pub async fn stack(&self, name: &str) -> Result<Option<Stack>, ServiceError> {
        let answer = match self.client.describe_stacks().stack_name(name).send().await {
            Ok(answer) => answer,
            Err(error) => match describe(&error) {
                error if error.is("ValidationError") && error.text.contains("does not exist") => return Ok(None),
                error => return Err(error),
            },
        };
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Ok(answer.stacks().first().map(|stack| Stack {
            id: text(stack.stack_id()),
            status: stack.stack_status().map_or("UNKNOWN", |status| status.as_str()).to_owned(),
            reason: stack.stack_status_reason().map(str::to_owned),
            parameters: stack
                .parameters()
                .iter()
                .map(|p| (text(p.parameter_key()), text(p.parameter_value())))
                .collect(),
            outputs: stack
                .outputs()
                .iter()
                .map(|o| Output { name: text(o.output_key()), value: text(o.output_value()) })
                .collect(),
            tags: stack.tags().iter().map(|tag| (text(tag.key()), text(tag.value()))).collect(),
        }))
    }

    pub async fn delete_stack(&self, name: &str) -> Result<(), ServiceError> {
        self.client.delete_stack().stack_name(name).send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Asks for an update to be rolled back.
    pub async fn cancel_update(&self, name: &str) -> Result<(), ServiceError> {
        self.client.cancel_update_stack().stack_name(name).send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Goes on with a rollback that failed; what is skipped is left as it is, and taken for rolled back. A
    /// nested stack's resource is named `NestedStackName.ResourceLogicalId` (API reference,
    /// `ContinueUpdateRollback`).
    pub async fn continue_rollback(&self, name: &str, skip: &[String]) -> Result<(), ServiceError> {
        let skip = Some(skip.to_vec()).filter(|skip| !skip.is_empty());
        let request = self.client.continue_update_rollback().stack_name(name).set_resources_to_skip(skip);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// The ARN of the latest deleted stack of a name: CloudFormation knows it for 90 days (API reference,
    /// `ListStacks`).
    pub async fn latest_deleted(&self, name: &str) -> Result<Option<String>, ServiceError> {
        let request = self.client.list_stacks().stack_status_filter(StackStatus::DeleteComplete);
        let mut pages = request.into_paginator().send();
        let mut latest: Option<(i64, String)> = None;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            for stack in page.stack_summaries().iter().filter(|stack| stack.stack_name() == Some(name)) {
                let time = stack.deletion_time().and_then(|time| time.to_millis().ok()).unwrap_or(0);
                let id = stack.stack_id().unwrap_or_default().to_owned();
                latest = latest.into_iter().chain([(time, id)]).max();
            }
        }
        Ok(latest.map(|(_, id)| id))
    }

    /// The ARNs of the stacks that exist and whose name begins so.
    pub async fn stacks_named(&self, beginning: &str) -> Result<Vec<String>, ServiceError> {
        let mut found = vec![];
        let existing = StackStatus::values().iter().filter(|status| **status != "DELETE_COMPLETE");
        let request = self.client.list_stacks().set_stack_status_filter(Some(existing.map(|s| (*s).into()).collect()));
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            let named = page.stack_summaries().iter();
            let named = named.filter(|stack| stack.stack_name().is_some_and(|name| name.starts_with(beginning)));
            found.extend(named.filter_map(|stack| stack.stack_id()).map(str::to_owned));
        }
        Ok(found)
    }

    /// The newest event of a stack.
    pub async fn newest_event(&self, stack: &str) -> Result<Option<String>, ServiceError> {
        let answer = self.client.describe_stack_events().stack_name(stack).send().await;
        let answer = answer.map_err(|error| describe(&error))?;
        Ok(answer.stack_events().first().and_then(|event| event.event_id()).map(str::to_owned))
    }

    /// The events of one stack, newest first, up to and without `known`. Nested stacks need a call of their
    /// own, by ARN.
    pub async fn events(&self, stack: &str, known: Option<&str>) -> Result<Vec<Event>, ServiceError> {
        let mut events = vec![];
        let mut pages = self.client.describe_stack_events().stack_name(stack).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            for event in page.stack_events() {
                if event.event_id() == known && known.is_some() {
                    return Ok(events);
                }
                let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
                events.push(Event {
                    id: text(event.event_id()),
                    stack_id: text(event.stack_id()),
                    stack_name: text(event.stack_name()),
                    logical_id: text(event.logical_resource_id()),
                    physical_id: text(event.physical_resource_id()),
                    resource_type: text(event.resource_type()),
                    status: event.resource_status().map_or("", |status| status.as_str()).to_owned(),
                    reason: event.resource_status_reason().map(str::to_owned),
                    time: event.timestamp().and_then(|time| time.to_millis().ok()).unwrap_or(0),
                });
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::status::{End, Next, end, next};
    use aws_sdk_cloudformation::types::StackStatus;
    use gateway::replay::answers;

    #[tokio::test]
    async fn a_stack_that_does_not_exist_is_none_and_other_errors_are_told() {
        let error = |code: &str, text: &str| {
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>{text}</Message></Error></ErrorResponse>")
        };
        let missing = error("ValidationError", "Stack with id x does not exist");
        let denied = error("AccessDenied", "not authorized to perform: cloudformation:DescribeStacks");
        let (config, _) = answers(&[(400, &missing), (403, &denied)]).await;
        let gateway = CloudFormation::new(&config);
        assert_eq!(gateway.stack("x").await, Ok(None));
        assert_eq!(gateway.stack("x").await.expect_err("denied").code, "AccessDenied");
    }

    /// As CloudFormation describes the shell that a change set of the kind CREATE makes: without tags.
    #[tokio::test]
    async fn a_stack_in_review_is_nobody_elses_though_it_has_no_tags_yet() {
        let described = |status: &str, tags: &str| {
            format!(
                "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>s</StackName><StackId>arn:s</StackId><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{status}</StackStatus><Tags>{tags}</Tags></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
            )
        };
        let tag = "<member><Key>ProjectName</Key><Value>disa</Value></member>";
        let texts =
            [described("REVIEW_IN_PROGRESS", ""), described("CREATE_COMPLETE", ""), described("CREATE_COMPLETE", tag)];
        let recorded: Vec<(u16, &str)> = texts.iter().map(|text| (200, text.as_str())).collect();
        let (config, _) = answers(&recorded).await;
        let gateway = CloudFormation::new(&config);
        for expected in [true, false, true] {
            let stack = gateway.stack("s").await.expect("an answer").expect("a stack");
            assert_eq!(stack.is_of("disa"), expected, "{stack:?}");
        }
    }

    #[tokio::test]
    async fn resources_are_read_page_by_page_without_those_that_are_gone() {
        let page = |status: &str, id: &str, next: &str| {
            format!(
                "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries><member><LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>p</PhysicalResourceId><ResourceType>AWS::SNS::Topic</ResourceType><ResourceStatus>{status}</ResourceStatus></member></StackResourceSummaries>{next}</ListStackResourcesResult></ListStackResourcesResponse>"
            )
        };
        let pages = [
            page("CREATE_COMPLETE", "A", "<NextToken>t</NextToken>"),
            page("DELETE_COMPLETE", "B", "<NextToken>u</NextToken>"),
            page("UPDATE_COMPLETE", "C", ""),
        ];
        let recorded: Vec<(u16, &str)> = pages.iter().map(|text| (200, text.as_str())).collect();
        let (config, _) = answers(&recorded).await;
        let found = CloudFormation::new(&config).resources("s").await.expect("resources");
        let ids: Vec<&str> = found.iter().map(|resource| resource.logical_id.as_str()).collect();
        assert_eq!(ids, ["A", "C"]);
    }

    #[test]
    fn every_status_that_aws_knows_has_an_answer() {
        for status in StackStatus::values() {
            assert_ne!(next(Some(status)), Next::Unknown, "{status}");
            // What is joined is what runs, so that a join comes to an end.
            assert_eq!(next(Some(status)) == Next::Join, end(status) == End::Running, "{status}");
        }
    }
}
