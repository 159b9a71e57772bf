//! CloudFormation: stacks, change sets, events.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, ChangeSetStatus, ChangeSetType, Parameter, StackStatus, Tag};
use gateway::{ServiceError, describe};

use crate::stack::event::Event;
use crate::stack::removal::Resource;

pub struct CloudFormation {
    client: Client,
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

/// What a stack is to become.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub stack: &'a str,
    pub template_url: &'a str,
    /// `None` keeps the deployed value.
    pub parameters: &'a BTreeMap<String, Option<String>>,
    pub tags: &'a BTreeMap<String, String>,
    pub create: bool,
}

/// How far a change set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeSet {
    Working,
    Ready,
    NothingChanged,
    Failed(String),
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

    /// Answers the change set's ARN.
    pub async fn create_change_set(&self, name: &str, wanted: &Wanted<'_>) -> Result<String, ServiceError> {
        let parameters = wanted.parameters.iter().map(|(key, value)| {
            let parameter = Parameter::builder().parameter_key(key);
            match value {
                Some(value) => parameter.parameter_value(value).build(),
                None => parameter.use_previous_value(true).build(),
            }
        });
        let tags = wanted.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let kind = if wanted.create { ChangeSetType::Create } else { ChangeSetType::Update };
        let request = self
            .client
            .create_change_set()
            .stack_name(wanted.stack)
            .change_set_name(name)
            .change_set_type(kind)
            .template_url(wanted.template_url)
            .set_parameters(Some(parameters.collect()))
            .set_tags(Some(tags.collect()))
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityAutoExpand);
        let answer = request.send().await.map_err(|error| describe(&error))?;
        Ok(answer.id().unwrap_or_default().to_owned())
    }

    pub async fn change_set(&self, arn: &str) -> Result<ChangeSet, ServiceError> {
        let answer =
            self.client.describe_change_set().change_set_name(arn).send().await.map_err(|error| describe(&error))?;
        let reason = answer.status_reason().unwrap_or("CloudFormation gives no reason").to_owned();
        Ok(match answer.status() {
            Some(ChangeSetStatus::CreateComplete) => ChangeSet::Ready,
            Some(ChangeSetStatus::Failed) if says_nothing_changed(&reason) => ChangeSet::NothingChanged,
            Some(ChangeSetStatus::Failed) => ChangeSet::Failed(reason),
            _ => ChangeSet::Working,
        })
    }

    pub async fn execute_change_set(&self, arn: &str) -> Result<(), ServiceError> {
        let request = self.client.execute_change_set().change_set_name(arn);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    pub async fn delete_change_set(&self, arn: &str) -> Result<(), ServiceError> {
        let request = self.client.delete_change_set().change_set_name(arn);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    pub async fn delete_stack(&self, name: &str) -> Result<(), ServiceError> {
        self.client.delete_stack().stack_name(name).send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// The resources of one stack that exist, nested stacks among them. Their own need a call by ARN.
    pub async fn resources(&self, stack: &str) -> Result<Vec<Resource>, ServiceError> {
        let mut resources = vec![];
        let mut pages = self.client.list_stack_resources().stack_name(stack).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            let there = page
                .stack_resource_summaries()
                .iter()
                .filter(|found| found.resource_status().is_none_or(|status| status.as_str() != "DELETE_COMPLETE"));
            resources.extend(there.map(|found| Resource {
                logical_id: found.logical_resource_id().unwrap_or_default().to_owned(),
                kind: found.resource_type().unwrap_or_default().to_owned(),
                physical_id: found.physical_resource_id().unwrap_or_default().to_owned(),
            }));
        }
        Ok(resources)
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

/// The two texts that AWS uses for a change set without changes.
fn says_nothing_changed(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::status::{Next, next};
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

    #[tokio::test]
    async fn both_texts_of_a_change_set_without_changes_are_known() {
        let failed = |reason: &str| {
            format!(
                "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>FAILED</Status><StatusReason>{reason}</StatusReason></DescribeChangeSetResult></DescribeChangeSetResponse>"
            )
        };
        let texts = [
            failed(
                "The submitted information didn't contain changes. Submit different information to create a change set.",
            ),
            failed("No updates are to be performed."),
            failed("Template error"),
        ];
        let recorded: Vec<(u16, &str)> = texts.iter().map(|text| (200, text.as_str())).collect();
        let (config, _) = answers(&recorded).await;
        let gateway = CloudFormation::new(&config);
        assert_eq!(gateway.change_set("arn").await, Ok(ChangeSet::NothingChanged));
        assert_eq!(gateway.change_set("arn").await, Ok(ChangeSet::NothingChanged));
        assert_eq!(gateway.change_set("arn").await, Ok(ChangeSet::Failed("Template error".into())));
    }

    #[test]
    fn every_status_that_aws_knows_has_an_answer() {
        for status in StackStatus::values() {
            let unknown = Next::Stuck("Disa does not know this status: look at it in the CloudFormation console");
            assert_ne!(next(Some(status)), unknown, "{status}");
        }
    }
}
