//! Drift detection: CloudFormation compares what a template says with what is there.

use aws_sdk_cloudformation::types::{StackDriftDetectionStatus, StackResourceDrift, StackResourceDriftStatus};
use gateway::{ServiceError, describe};

use super::CloudFormation;
use crate::stack::drift::{Change, Drift};

/// How far a detection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detection {
    Working,
    Done,
    /// Of some resources it is not known: why.
    Partial(String),
}

impl CloudFormation {
    /// Starts a detection; answers its id. It does not descend into nested stacks: each needs its own
    /// (CloudFormation API reference, `DetectStackDrift`).
    pub async fn detect_drift(&self, stack: &str) -> Result<String, ServiceError> {
        let answer =
            self.client.detect_stack_drift().stack_name(stack).send().await.map_err(|error| describe(&error))?;
        Ok(answer.stack_drift_detection_id().unwrap_or_default().to_owned())
    }

    pub async fn detection(&self, id: &str) -> Result<Detection, ServiceError> {
        let request = self.client.describe_stack_drift_detection_status().stack_drift_detection_id(id);
        let answer = request.send().await.map_err(|error| describe(&error))?;
        Ok(match answer.detection_status() {
            Some(StackDriftDetectionStatus::DetectionInProgress) => Detection::Working,
            Some(StackDriftDetectionStatus::DetectionFailed) => Detection::Partial(
                answer.detection_status_reason().unwrap_or("CloudFormation gives no reason").to_owned(),
            ),
            _ => Detection::Done,
        })
    }

    /// The resources of a stack that its last detection found changed or deleted.
    pub async fn drifts(&self, stack: &str, name: &str) -> Result<Vec<Drift>, ServiceError> {
        let mut found = vec![];
        let request = self
            .client
            .describe_stack_resource_drifts()
            .stack_name(stack)
            .stack_resource_drift_status_filters(StackResourceDriftStatus::Modified)
            .stack_resource_drift_status_filters(StackResourceDriftStatus::Deleted);
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            found.extend(page.stack_resource_drifts().iter().flat_map(|resource| drifts(name, resource)));
        }
        Ok(found)
    }

    /// What the last detection found: `DRIFTED`, `IN_SYNC`, `UNKNOWN`, or `NOT_CHECKED` when there was none.
    pub async fn last_drift(&self, stack: &str) -> Result<String, ServiceError> {
        let answer = self.client.describe_stacks().stack_name(stack).send().await.map_err(|error| describe(&error))?;
        let information = answer.stacks().first().and_then(|stack| stack.drift_information());
        let status = information.and_then(|one| one.stack_drift_status());
        Ok(status.map_or("NOT_CHECKED", |status| status.as_str()).to_owned())
    }
}

fn drifts(stack: &str, resource: &StackResourceDrift) -> Vec<Drift> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let drift = |change, property: String, expected: Option<&str>, actual: Option<&str>| Drift {
        stack: stack.to_owned(),
        resource: text(resource.logical_resource_id()),
        kind: text(resource.resource_type()),
        property,
        change,
        expected: expected.map(str::to_owned),
        actual: actual.map(str::to_owned),
    };
    if resource.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted) {
        return vec![drift(Change::Deleted, String::new(), resource.physical_resource_id(), None)];
    }
    let differences = resource.property_differences().iter().map(|one| {
        // `ADD`, `REMOVE` and `NOT_EQUAL` (API reference, `PropertyDifference`).
        let change = match one.difference_type().map(|kind| kind.as_str()) {
            Some("ADD") => Change::Added,
            Some("REMOVE") => Change::Removed,
            _ => Change::Changed,
        };
        let (expected, actual) = (one.expected_value(), one.actual_value());
        let expected = expected.filter(|_| change != Change::Added);
        let actual = actual.filter(|_| change != Change::Removed);
        drift(change, text(one.property_path()), expected, actual)
    });
    differences.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::{answers, requests};

    #[tokio::test]
    async fn a_detection_is_started_awaited_and_read() {
        let started = "<DetectStackDriftResponse><DetectStackDriftResult><StackDriftDetectionId>d-1</StackDriftDetectionId></DetectStackDriftResult></DetectStackDriftResponse>";
        let state = |status: &str, rest: &str| {
            format!(
                "<DescribeStackDriftDetectionStatusResponse><DescribeStackDriftDetectionStatusResult><StackId>s</StackId><StackDriftDetectionId>d-1</StackDriftDetectionId><DetectionStatus>{status}</DetectionStatus>{rest}<Timestamp>2026-01-01T00:00:00Z</Timestamp></DescribeStackDriftDetectionStatusResult></DescribeStackDriftDetectionStatusResponse>"
            )
        };
        let working = state("DETECTION_IN_PROGRESS", "");
        let done = state("DETECTION_COMPLETE", "<DriftedStackResourceCount>1</DriftedStackResourceCount>");
        let failed = state(
            "DETECTION_FAILED",
            "<DetectionStatusReason>Failed to detect drift on resources [Topic]</DetectionStatusReason>",
        );
        let (config, client) = answers(&[(200, started), (200, &working), (200, &done), (200, &failed)]).await;
        let gateway = CloudFormation::new(&config);
        assert_eq!(gateway.detect_drift("arn:s").await, Ok("d-1".into()));
        assert_eq!(gateway.detection("d-1").await, Ok(Detection::Working));
        assert_eq!(gateway.detection("d-1").await, Ok(Detection::Done));
        let reason = "Failed to detect drift on resources [Topic]".to_owned();
        assert_eq!(gateway.detection("d-1").await, Ok(Detection::Partial(reason)));
        assert!(requests(&client)[1].contains("StackDriftDetectionId=d-1"));
    }

    /// As the example of the API reference for `DescribeStackResourceDrifts` has it.
    #[tokio::test]
    async fn every_difference_is_a_row_and_a_deleted_resource_one() {
        let difference = |path: &str, expected: &str, actual: &str, kind: &str| {
            format!(
                "<member><PropertyPath>{path}</PropertyPath><ExpectedValue>{expected}</ExpectedValue><ActualValue>{actual}</ActualValue><DifferenceType>{kind}</DifferenceType></member>"
            )
        };
        let differences = [
            difference("/DelaySeconds", "0", "10", "NOT_EQUAL"),
            difference("/RedrivePolicy", "{&quot;maxReceiveCount&quot;:10}", "null", "REMOVE"),
            difference("/Tags/2", "null", "{&quot;Key&quot;:&quot;a&quot;}", "ADD"),
        ]
        .concat();
        let member = |status: &str, logical: &str, rest: &str| {
            format!(
                "<member><StackId>s</StackId><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>url</PhysicalResourceId><ResourceType>AWS::SQS::Queue</ResourceType>{rest}<StackResourceDriftStatus>{status}</StackResourceDriftStatus><Timestamp>2026-01-01T00:00:00Z</Timestamp></member>"
            )
        };
        let modified =
            member("MODIFIED", "Queue", &format!("<PropertyDifferences>{differences}</PropertyDifferences>"));
        let page = |members: &str, token: &str| {
            format!(
                "<DescribeStackResourceDriftsResponse><DescribeStackResourceDriftsResult><StackResourceDrifts>{members}</StackResourceDrifts>{token}</DescribeStackResourceDriftsResult></DescribeStackResourceDriftsResponse>"
            )
        };
        let first = page(&modified, "<NextToken>t</NextToken>");
        let second = page(&member("DELETED", "Gone", ""), "");
        let (config, client) = answers(&[(200, &first), (200, &second)]).await;
        let found = CloudFormation::new(&config).drifts("arn:s", "DeadLetterQueueStack").await.expect("drifts");
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.change, one.property.as_str(), one.expected.as_deref(), one.actual.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                (Change::Changed, "/DelaySeconds", Some("0"), Some("10")),
                (Change::Removed, "/RedrivePolicy", Some("{\"maxReceiveCount\":10}"), None),
                (Change::Added, "/Tags/2", None, Some("{\"Key\":\"a\"}")),
                (Change::Deleted, "", Some("url"), None),
            ]
        );
        assert!(found.iter().all(|one| one.stack == "DeadLetterQueueStack" && one.kind == "AWS::SQS::Queue"));
        let asked = requests(&client);
        assert!(asked[0].contains("MODIFIED") && asked[0].contains("DELETED") && !asked[0].contains("IN_SYNC"));
    }
}
