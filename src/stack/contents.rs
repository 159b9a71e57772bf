//! What the embedded templates hold: the plan of a first deployment, which CloudFormation tells for the root stack
//! alone.

use saphyr::{LoadableYamlNode, Scalar, Yaml};

use super::bundle::{NESTED, ROOT};
use super::plan::{Action, Change};

/// Adds to each nested stack that is to be made what its template makes.
pub fn tell_nested(changes: &mut [Change]) {
    for change in changes.iter_mut().filter(|change| change.is_nested_stack() && change.action == Action::Add) {
        if change.nested.is_none() {
            change.nested = template_of(&change.logical_id).map(added);
        }
    }
}

/// The template that a nested stack of the root is made from.
fn template_of(logical_id: &str) -> Option<&'static str> {
    let documents = Yaml::load_from_str(ROOT).ok()?;
    let resource = documents.first()?.as_mapping_get("Resources")?.as_mapping_get(logical_id)?;
    let url = text(resource.as_mapping_get("Properties")?.as_mapping_get("TemplateURL")?)?;
    let named = |(parameter, _, _): &&(&str, &str, &str)| url.ends_with(&format!("${{{parameter}}}"));
    NESTED.iter().find(named).map(|(_, _, template)| *template)
}

/// The resources of a template, as additions.
fn added(template: &str) -> Vec<Change> {
    let documents = Yaml::load_from_str(template).unwrap_or_default();
    let section = documents.first().and_then(|document| document.as_mapping_get("Resources"));
    let resources = section.and_then(Yaml::as_mapping).into_iter().flatten();
    let change = |(name, body): (&Yaml, &Yaml)| {
        Some(Change {
            logical_id: text(name)?,
            resource_type: body.as_mapping_get("Type").and_then(text)?,
            physical_id: None,
            action: Action::Add,
            kept: false,
            condition: body.as_mapping_get("Condition").and_then(text),
            properties: vec![],
            nested: None,
        })
    };
    resources.filter_map(change).collect()
}

/// A text, also one that a function of CloudFormation is applied to.
fn text(value: &Yaml) -> Option<String> {
    match value {
        Yaml::Value(Scalar::String(text)) => Some(text.to_string()),
        Yaml::Tagged(_, inner) => text(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::plan::Plan;

    fn stack(logical_id: &str, action: Action) -> Change {
        let kind = "AWS::CloudFormation::Stack".to_owned();
        Change { logical_id: logical_id.to_owned(), resource_type: kind, action, ..added(ROOT).remove(0) }
    }

    #[test]
    fn every_nested_stack_has_a_template_with_resources() {
        let nested: Vec<Change> = added(ROOT).into_iter().filter(Change::is_nested_stack).collect();
        assert_eq!(nested.len(), 9);
        for one in nested {
            let template = template_of(&one.logical_id);
            assert!(template.is_some_and(|template| !added(template).is_empty()), "{}", one.logical_id);
        }
    }

    #[test]
    fn what_is_made_is_told_and_what_is_there_is_not() {
        let mut changes = vec![stack("IamRoleStack", Action::Add), stack("SNSStack", Action::Change)];
        tell_nested(&mut changes);
        assert_eq!(changes[1].nested, None);
        let plan = Plan { parameters: vec![], changes };
        assert_eq!(plan.permissions().len(), 5);
        let mut topic = vec![stack("SNSStack", Action::Add)];
        tell_nested(&mut topic);
        let told: Vec<_> =
            topic[0].nested.iter().flatten().map(|one| (one.logical_id.as_str(), one.condition.as_deref())).collect();
        assert_eq!(told, [("Topic", None), ("TopicPolicy", None), ("EmailSubscription", Some("HasEmail"))]);
    }
}
