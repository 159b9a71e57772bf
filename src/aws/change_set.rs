//! CloudFormation: change sets.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{
    self, Capability, ChangeAction, ChangeSetStatus, ChangeSetType, Parameter, PolicyAction, Replacement,
    RequiresRecreation, ResourceChange, Tag,
};
use gateway::{ServiceError, describe};

use super::cloudformation::CloudFormation;
use crate::stack::plan::{Action, Change, Property};

/// What a stack is to become.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub stack: &'a str,
    pub template_url: &'a str,
    /// `None` keeps the deployed value.
    pub parameters: &'a BTreeMap<String, Option<String>>,
    pub tags: &'a BTreeMap<String, String>,
    pub create: bool,
    /// Whether the nested stacks get change sets too. It fails where one's parameter depends on another's
    /// output in ways that only the execution can tell (CloudFormation user guide, "Change sets for nested
    /// stacks").
    pub with_nested: bool,
}

/// How far a change set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeSet {
    Working,
    Ready,
    NothingChanged,
    Failed(String),
}

/// A change, and the change set of the nested stack that it speaks of.
type Listed = (Change, Option<String>);

impl CloudFormation {
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
            .include_nested_stacks(wanted.with_nested)
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

    /// What a change set would do, with what the change sets of the nested stacks would.
    pub async fn changes(&self, arn: &str) -> Result<Vec<Change>, ServiceError> {
        let mut changes = vec![];
        for (change, nested) in self.listed(arn).await? {
            let nested = match nested {
                Some(arn) => Some(Box::pin(self.changes(&arn)).await?),
                None => None,
            };
            changes.push(Change { nested, ..change });
        }
        Ok(changes)
    }

    async fn listed(&self, arn: &str) -> Result<Vec<Listed>, ServiceError> {
        let request = self.client.describe_change_set().change_set_name(arn).include_property_values(true);
        let mut pages = request.into_paginator().send();
        let mut listed = vec![];
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            listed.extend(page.changes().iter().filter_map(|change| change.resource_change()).map(read));
        }
        Ok(listed)
    }

    pub async fn execute_change_set(&self, arn: &str) -> Result<(), ServiceError> {
        let request = self.client.execute_change_set().change_set_name(arn);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Deletes a change set that is not to be executed, and those of the nested stacks with it.
    pub async fn delete_change_set(&self, arn: &str) -> Result<(), ServiceError> {
        let request = self.client.delete_change_set().change_set_name(arn);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }
}

fn read(change: &ResourceChange) -> Listed {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let kept = matches!(change.policy_action(), Some(PolicyAction::Retain | PolicyAction::ReplaceAndRetain));
    let action = match (change.action(), change.replacement()) {
        (Some(ChangeAction::Add | ChangeAction::Import), _) => Action::Add,
        (Some(ChangeAction::Remove), _) => Action::Remove,
        // "An update never causes a nested stack to be replaced" (CloudFormation template reference,
        // AWS::CloudFormation::Stack).
        _ if change.resource_type() == Some("AWS::CloudFormation::Stack") => Action::Change,
        (_, Some(Replacement::True)) => Action::Replace,
        (_, Some(Replacement::Conditional)) => Action::MayReplace,
        _ => Action::Change,
    };
    let read = Change {
        logical_id: text(change.logical_resource_id()),
        resource_type: text(change.resource_type()),
        physical_id: change.physical_resource_id().map(str::to_owned),
        action,
        kept: kept && action == Action::Remove,
        condition: None,
        properties: properties(change.details()),
        nested: None,
    };
    (read, change.change_set_id().map(str::to_owned))
}

/// One for each thing that changes: CloudFormation lists it once for every cause.
fn properties(details: &[types::ResourceChangeDetail]) -> Vec<Property> {
    let mut found: Vec<Property> = vec![];
    for target in details.iter().filter_map(|detail| detail.target()) {
        let path = target.path().map(|path| path.trim_start_matches("/Properties/").replace('/', "."));
        let whole = target.name().or_else(|| target.attribute().map(|attribute| attribute.as_str()));
        let name = path.filter(|path| !path.is_empty()).or(whole.map(str::to_owned)).unwrap_or_default();
        let property = Property {
            name,
            before: target.before_value().map(str::to_owned),
            after: target.after_value().map(str::to_owned),
            replaces: target.requires_recreation() == Some(&RequiresRecreation::Always),
        };
        match found.iter_mut().find(|known| known.name == property.name) {
            Some(known) => known.add(property),
            None => found.push(property),
        }
    }
    found
}

/// The two texts that AWS uses for a change set without changes.
fn says_nothing_changed(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::{answers, requests};

    fn described(inner: &str) -> String {
        format!(
            "<DescribeChangeSetResponse><DescribeChangeSetResult>{inner}</DescribeChangeSetResult></DescribeChangeSetResponse>"
        )
    }

    #[tokio::test]
    async fn both_texts_of_a_change_set_without_changes_are_known() {
        let failed = |reason: &str| described(&format!("<Status>FAILED</Status><StatusReason>{reason}</StatusReason>"));
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

    /// As CloudFormation answers for a root with nested change sets and `IncludePropertyValues`, in two pages.
    #[tokio::test]
    async fn the_changes_of_nested_stacks_are_read_with_their_values() {
        let resource = |action: &str, id: &str, kind: &str, more: &str| {
            format!(
                "<member><Type>Resource</Type><ResourceChange><Action>{action}</Action><LogicalResourceId>{id}</LogicalResourceId><ResourceType>{kind}</ResourceType>{more}</ResourceChange></member>"
            )
        };
        let stack = "AWS::CloudFormation::Stack";
        let first = resource(
            "Modify",
            "ProcessFunctionStack",
            stack,
            "<PhysicalResourceId>arn:stack</PhysicalResourceId><Replacement>False</Replacement><ChangeSetId>arn:nested</ChangeSetId>",
        );
        let second = resource("Remove", "DynamoDBStack", stack, "<PolicyAction>Retain</PolicyAction>");
        let details = "<Replacement>True</Replacement><PolicyAction>ReplaceAndDelete</PolicyAction><Details>
            <member><Target><Attribute>Properties</Attribute><Name>FunctionName</Name><RequiresRecreation>Always</RequiresRecreation>
              <Path>/Properties/FunctionName</Path><BeforeValue>old</BeforeValue><AfterValue>new</AfterValue><AttributeChangeType>Modify</AttributeChangeType></Target>
              <Evaluation>Static</Evaluation><ChangeSource>DirectModification</ChangeSource></member>
            <member><Target><Attribute>Properties</Attribute><Name>Code</Name><RequiresRecreation>Never</RequiresRecreation>
              <Path>/Properties/Code/S3Key</Path><BeforeValue>a.zip</BeforeValue><AfterValue>b.zip</AfterValue></Target>
              <Evaluation>Static</Evaluation><ChangeSource>ParameterReference</ChangeSource><CausingEntity>CodeKey</CausingEntity></member>
            <member><Target><Attribute>Properties</Attribute><Name>Code</Name><RequiresRecreation>Never</RequiresRecreation>
              <Path>/Properties/Code/S3Key</Path></Target>
              <Evaluation>Dynamic</Evaluation><ChangeSource>DirectModification</ChangeSource></member>
            <member><Target><Attribute>Tags</Attribute><RequiresRecreation>Never</RequiresRecreation></Target>
              <Evaluation>Static</Evaluation><ChangeSource>DirectModification</ChangeSource></member>
          </Details>";
        let nested = resource("Modify", "Function", "AWS::Lambda::Function", details);
        let recorded = [
            described(&format!("<Changes>{first}</Changes><NextToken>more</NextToken>")),
            described(&format!("<Changes>{second}</Changes>")),
            described(&format!("<Changes>{nested}</Changes>")),
        ];
        let recorded: Vec<(u16, &str)> = recorded.iter().map(|text| (200, text.as_str())).collect();
        let (config, client) = answers(&recorded).await;
        let changes = CloudFormation::new(&config).changes("arn:root").await.expect("changes");
        assert!(requests(&client)[0].contains("IncludePropertyValues=true"));
        assert_eq!(changes.len(), 2);
        assert_eq!((changes[1].action, changes[1].kept, &changes[1].nested), (Action::Remove, true, &None));
        let function = &changes[0].nested.as_ref().expect("told")[0];
        assert_eq!((function.action, function.kept), (Action::Replace, false));
        let properties: Vec<(&str, Option<&str>, Option<&str>, bool)> = function
            .properties
            .iter()
            .map(|p| (p.name.as_str(), p.before.as_deref(), p.after.as_deref(), p.replaces))
            .collect();
        assert_eq!(
            properties,
            [
                ("FunctionName", Some("old"), Some("new"), true),
                ("Code.S3Key", Some("a.zip"), Some("b.zip"), false),
                ("Tags", None, None, false)
            ]
        );
    }
}
