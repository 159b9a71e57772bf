//! What a change set would do, over the root stack and its nested ones: what is added, changed, replaced and
//! removed, and for which of it somebody's word is needed.

use serde::Serialize;

use super::event::STACK_TYPE;

/// What is lost when one of these goes: messages, what they are encrypted with, dead letters, logs, artifacts,
/// and the subscriptions of a topic.
const HOLDS_DATA: [&str; 6] = [
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::SQS::Queue",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Values of the root stack's parameters that change.
    pub parameters: Vec<Property>,
    pub changes: Vec<Change>,
}

/// What happens to one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub logical_id: String,
    pub resource_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
    pub action: Action,
    /// It leaves the stack and stays: its deletion policy says so.
    pub kept: bool,
    /// The template's condition that it hangs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    pub properties: Vec<Property>,
    /// What happens in a nested stack; `null` where CloudFormation does not tell.
    pub nested: Option<Vec<Change>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Add,
    Change,
    /// Whether it is replaced shows only while it is changed.
    MayReplace,
    Replace,
    Remove,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Property {
    /// `Code.S3Key`, `Tags`.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// It is why the resource is replaced.
    pub replaces: bool,
}

/// A resource by its place: `DynamoDBStack/MessageTable`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Risk {
    pub resource: String,
    pub action: Action,
    /// What it holds would be lost.
    pub holds_data: bool,
}

/// What must be said before a change set may be executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// What holds data, and was not named.
    pub missing: Vec<Risk>,
    /// What is replaced or removed besides: a yes will do.
    pub asked: Vec<Risk>,
    /// What was named, and is neither replaced nor removed.
    pub needless: Vec<String>,
}

/// How many resources of each kind of change; nested stacks themselves are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub add: usize,
    pub change: usize,
    pub replace: usize,
    pub may_replace: usize,
    pub remove: usize,
}

impl Property {
    /// The same property, with another cause of its change.
    pub fn add(&mut self, other: Property) {
        self.before = self.before.take().or(other.before);
        self.after = self.after.take().or(other.after);
        self.replaces |= other.replaces;
    }
}

impl Change {
    pub fn is_nested_stack(&self) -> bool {
        self.resource_type == STACK_TYPE
    }

    fn is_risk(&self) -> bool {
        match self.action {
            Action::Add | Action::Change => false,
            Action::Remove => !self.kept,
            Action::Replace => true,
            // Where nothing can be lost, a maybe is no reason to ask.
            Action::MayReplace => self.holds_data(),
        }
    }

    /// A nested stack goes with all that is in it.
    fn holds_data(&self) -> bool {
        let inside = |changes: &Vec<Change>| changes.iter().any(Change::holds_data);
        match self.is_nested_stack() {
            true => self.nested.as_ref().is_none_or(inside),
            false => HOLDS_DATA.contains(&self.resource_type.as_str()),
        }
    }

    /// Whether it changes who may do what.
    fn is_of_permissions(&self) -> bool {
        let kind = self.resource_type.as_str();
        kind.starts_with("AWS::IAM::")
            || kind.ends_with("Policy")
            || kind == "AWS::Lambda::Permission"
            || self.properties.iter().any(|property| property.name.starts_with("KeyPolicy"))
    }
}

impl Plan {
    /// Takes out what CloudFormation lists and does not change: with nested change sets it names every nested
    /// stack, also one whose own change set is empty.
    pub fn pruned(mut self) -> Plan {
        let idle =
            |change: &Change| change.action == Action::Change && change.nested.as_ref().is_some_and(Vec::is_empty);
        self.changes.retain(|change| !idle(change));
        self
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.each(&mut |_, change| {
            // A nested stack counts by what is in it, where that is told.
            let told = change.is_nested_stack() && change.nested.is_some();
            if !told && change.condition.is_none() {
                match change.action {
                    Action::Add => counts.add += 1,
                    Action::Change => counts.change += 1,
                    Action::MayReplace => counts.may_replace += 1,
                    Action::Replace => counts.replace += 1,
                    Action::Remove => counts.remove += 1,
                }
            }
        });
        counts
    }

    /// The resources that are replaced or removed.
    pub fn risks(&self) -> Vec<Risk> {
        let mut risks = vec![];
        self.each(&mut |place, change| {
            if change.is_risk() {
                risks.push(Risk { resource: place, action: change.action, holds_data: change.holds_data() });
            }
        });
        risks
    }

    /// The places of the resources that change who may do what.
    pub fn permissions(&self) -> Vec<String> {
        let mut places = vec![];
        self.each(&mut |place, change| {
            if change.is_of_permissions() {
                places.push(place);
            }
        });
        places
    }

    /// What is still to be said when the replacement or removal of some resources was allowed by name, by the
    /// whole place or its last part.
    pub fn consent(&self, allowed: &[String]) -> Consent {
        let risks = self.risks();
        let names = |risk: &Risk, name: &String| {
            risk.resource == *name || risk.resource.rsplit('/').next() == Some(name.as_str())
        };
        let needless = allowed.iter().filter(|name| !risks.iter().any(|risk| names(risk, name))).cloned().collect();
        let open = risks.into_iter().filter(|risk| !allowed.iter().any(|name| names(risk, name)));
        let (missing, asked) = open.partition(|risk| risk.holds_data);
        Consent { missing, asked, needless }
    }

    fn each(&self, visit: &mut impl FnMut(String, &Change)) {
        fn below(prefix: &str, changes: &[Change], visit: &mut impl FnMut(String, &Change)) {
            for change in changes {
                let place = format!("{prefix}{}", change.logical_id);
                visit(place.clone(), change);
                below(&format!("{place}/"), change.nested.as_deref().unwrap_or_default(), visit);
            }
        }
        below("", &self.changes, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(logical_id: &str, kind: &str, action: Action) -> Change {
        Change {
            logical_id: logical_id.to_owned(),
            resource_type: kind.to_owned(),
            physical_id: None,
            action,
            kept: false,
            condition: None,
            properties: vec![],
            nested: None,
        }
    }

    fn stack(logical_id: &str, action: Action, nested: Option<Vec<Change>>) -> Change {
        Change { nested, ..change(logical_id, STACK_TYPE, action) }
    }

    fn plan(changes: Vec<Change>) -> Plan {
        Plan { parameters: vec![], changes }
    }

    #[test]
    fn a_nested_stack_without_changes_is_none() {
        let role = change("Role", "AWS::IAM::Role", Action::Change);
        let plan = plan(vec![
            stack("Idle", Action::Change, Some(vec![])),
            stack("Untold", Action::Change, None),
            stack("Roles", Action::Change, Some(vec![role])),
        ])
        .pruned();
        let left: Vec<&str> = plan.changes.iter().map(|change| change.logical_id.as_str()).collect();
        assert_eq!(left, ["Untold", "Roles"]);
        assert_eq!(plan.counts(), Counts { change: 2, ..Counts::default() });
        assert_eq!(plan.permissions(), ["Roles/Role"]);
    }

    #[test]
    fn what_holds_data_needs_its_name_and_the_rest_a_yes() {
        let table = change("MessageTable", "AWS::DynamoDB::Table", Action::Replace);
        let function = change("Function", "AWS::Lambda::Function", Action::Replace);
        let plan = plan(vec![
            stack("DynamoDBStack", Action::Change, Some(vec![table])),
            stack("ProcessFunctionStack", Action::Change, Some(vec![function])),
            change("Alarm", "AWS::CloudWatch::Alarm", Action::Remove),
        ]);
        let places = |risks: &[Risk]| risks.iter().map(|risk| risk.resource.clone()).collect::<Vec<_>>();
        let none = plan.consent(&[]);
        assert_eq!(places(&none.missing), ["DynamoDBStack/MessageTable"]);
        assert_eq!(places(&none.asked), ["ProcessFunctionStack/Function", "Alarm"]);
        for name in ["MessageTable", "DynamoDBStack/MessageTable"] {
            assert_eq!(plan.consent(&[name.to_owned()]).missing, [], "{name}");
        }
        assert_eq!(plan.consent(&["Table".to_owned()]).needless, ["Table"]);
    }

    #[test]
    fn a_maybe_counts_only_where_something_can_be_lost() {
        let plan = plan(vec![
            change("Mapping", "AWS::Lambda::EventSourceMapping", Action::MayReplace),
            change("Queue", "AWS::SQS::Queue", Action::MayReplace),
        ]);
        let risks: Vec<String> = plan.risks().into_iter().map(|risk| risk.resource).collect();
        assert_eq!(risks, ["Queue"]);
    }

    #[test]
    fn what_leaves_the_stack_and_stays_is_no_risk() {
        let kept = Change { kept: true, ..stack("DynamoDBStack", Action::Remove, None) };
        assert_eq!(plan(vec![kept]).consent(&[]), Consent::default());
        // A nested stack of which nothing is told may hold anything.
        assert!(plan(vec![stack("DynamoDBStack", Action::Remove, None)]).risks()[0].holds_data);
    }

    #[test]
    fn a_key_policy_is_a_permission() {
        let policy = Property { name: "KeyPolicy".into(), before: None, after: None, replaces: false };
        let key = Change { properties: vec![policy], ..change("EncryptionKey", "AWS::KMS::Key", Action::Change) };
        let renamed = change("EncryptionKey", "AWS::KMS::Key", Action::Change);
        assert_eq!(plan(vec![key]).permissions(), ["EncryptionKey"]);
        assert_eq!(plan(vec![renamed]).permissions(), [] as [String; 0]);
    }
}
