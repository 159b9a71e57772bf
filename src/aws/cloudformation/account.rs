//! The stacks of the account, and what a stack holds.

use aws_sdk_cloudformation::types::StackStatus;
use gateway::{ServiceError, describe};

use super::CloudFormation;
use crate::stack::doctor::Use;
use crate::stack::event::STACK_TYPE;
use crate::stack::tree::{Branch, Resource};

impl CloudFormation {
    /// The stacks of the account and region, nested ones too, and their quota.
    pub async fn stacks(&self) -> Result<Use, ServiceError> {
        let mut limit = 0;
        let mut pages = self.client.describe_account_limits().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            let found = page.account_limits().iter().find(|one| one.name() == Some("StackLimit"));
            limit = found.and_then(|one| one.value()).unwrap_or(limit);
        }
        let there = StackStatus::values().iter().filter(|status| **status != "DELETE_COMPLETE");
        let there = there.map(|status| StackStatus::from(*status)).collect();
        let mut used = 0;
        let mut pages = self.client.list_stacks().set_stack_status_filter(Some(there)).into_paginator().send();
        while let Some(page) = pages.next().await {
            used += page.map_err(|error| describe(&error))?.stack_summaries().len();
        }
        Ok(Use::of(i32::try_from(used).unwrap_or(i32::MAX), limit))
    }

    /// The resources of one stack, without those that are gone.
    pub async fn resources(&self, stack: &str) -> Result<Vec<Resource>, ServiceError> {
        let mut found = vec![];
        let mut pages = self.client.list_stack_resources().stack_name(stack).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            let there = page.stack_resource_summaries().iter().filter(|resource| {
                resource.resource_status().is_none_or(|status| status.as_str() != "DELETE_COMPLETE")
            });
            found.extend(there.map(|resource| Resource {
                logical_id: text(resource.logical_resource_id()),
                physical_id: text(resource.physical_resource_id()),
                kind: text(resource.resource_type()),
            }));
        }
        Ok(found)
    }

    /// A stack with all that are nested in it, the root first.
    pub async fn tree(&self, root: &str, id: &str) -> Result<Vec<Branch>, ServiceError> {
        let mut tree: Vec<Branch> = vec![];
        let mut open = vec![(root.to_owned(), id.to_owned())];
        while let Some((name, id)) = open.pop() {
            let resources = self.resources(&id).await?;
            let nested = resources.iter().filter(|one| one.kind == STACK_TYPE && one.physical_id.starts_with("arn:"));
            open.extend(nested.map(|one| (one.logical_id.clone(), one.physical_id.clone())));
            tree.push(Branch { name, id, resources });
        }
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::{answers, requests};

    #[tokio::test]
    async fn stacks_are_counted_over_all_pages_against_their_limit() {
        let limits = "<DescribeAccountLimitsResponse><DescribeAccountLimitsResult><AccountLimits><member><Name>StackOutputsLimit</Name><Value>200</Value></member><member><Name>StackLimit</Name><Value>2000</Value></member></AccountLimits></DescribeAccountLimitsResult></DescribeAccountLimitsResponse>";
        let page = |count: usize, token: &str| {
            let one = "<member><StackName>s</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus></member>";
            format!(
                "<ListStacksResponse><ListStacksResult>{token}<StackSummaries>{}</StackSummaries></ListStacksResult></ListStacksResponse>",
                one.repeat(count)
            )
        };
        let (first, second) = (page(100, "<NextToken>t</NextToken>"), page(7, ""));
        let (config, client) = answers(&[(200, limits), (200, &first), (200, &second)]).await;
        assert_eq!(CloudFormation::new(&config).stacks().await, Ok(Use { used: 107, limit: 2000 }));
        let asked = requests(&client);
        assert!(!asked[1].contains("DELETE_COMPLETE") && asked[2].contains("NextToken=t"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_tree_has_the_resources_of_every_nested_stack() {
        let page = |members: &str| {
            format!(
                "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries>{members}</StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>"
            )
        };
        let member = |logical: &str, physical: &str, kind: &str, status: &str| {
            format!(
                "<member><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId><ResourceType>{kind}</ResourceType><LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp><ResourceStatus>{status}</ResourceStatus></member>"
            )
        };
        let root = page(
            &[
                member("SNSStack", "arn:aws:cloudformation:r:1:stack/n/1", STACK_TYPE, "CREATE_COMPLETE"),
                member("Gone", "g", "AWS::SQS::Queue", "DELETE_COMPLETE"),
            ]
            .concat(),
        );
        let nested = page(&member("Topic", "arn:topic", "AWS::SNS::Topic", "UPDATE_COMPLETE"));
        let (config, _) = answers(&[(200, &root), (200, &nested)]).await;
        let tree = CloudFormation::new(&config).tree("root", "arn:root").await.expect("a tree");
        let names: Vec<_> = tree.iter().map(|branch| (branch.name.as_str(), branch.resources.len())).collect();
        assert_eq!(names, [("root", 1), ("SNSStack", 1)]);
        assert_eq!(tree[1].resources[0].physical_id, "arn:topic");
    }
}
