//! The parameters of the root stack: what was asked for, what the artifacts demand, what stays as deployed.

use std::collections::BTreeMap;

use super::bundle;
use super::plan::Property;

/// The values for a change set; `None` keeps the deployed value. What is in neither list keeps the template's
/// default.
pub fn merge(
    deployed: Option<&BTreeMap<String, String>>,
    required: BTreeMap<String, String>,
    chosen: BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let declared = bundle::declared_parameters();
    let kept = deployed.into_iter().flat_map(|all| all.keys()).filter(|name| declared.contains(&name.as_str()));
    let mut merged: BTreeMap<String, Option<String>> = kept.map(|name| (name.clone(), None)).collect();
    merged.extend(chosen.into_iter().chain(required).map(|(name, value)| (name, Some(value))));
    merged
}

/// The values that change, for people.
pub fn changes(deployed: &BTreeMap<String, String>, wanted: &BTreeMap<String, Option<String>>) -> Vec<Property> {
    let given = wanted.iter().filter_map(|(name, value)| value.as_ref().map(|value| (name, value)));
    given
        .filter(|(name, value)| deployed.get(*name) != Some(value))
        .map(|(name, value)| Property {
            name: name.clone(),
            before: deployed.get(name).cloned(),
            after: Some(value.clone()),
            replaces: false,
        })
        .collect()
}

/// Reads `Name=Value` from the command line.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=') else { return Err("this is not Name=Value".to_owned()) };
    if bundle::declared_parameters().contains(&name) {
        return Ok((name.to_owned(), value.to_owned()));
    }
    Err(format!("the stack has no parameter `{name}`; it has {}", bundle::declared_parameters().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn what_is_not_given_stays_as_deployed() {
        let deployed = map(&[("BatchSize", "7"), ("RampStart", "9"), ("GoneFromTheTemplate", "x")]);
        let merged = merge(Some(&deployed), map(&[("ProcessCodeKey", "new")]), map(&[("RampStart", "5")]));
        let expected = [("BatchSize", None), ("ProcessCodeKey", Some("new")), ("RampStart", Some("5"))];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.map(str::to_owned)));
        assert_eq!(merged, BTreeMap::from(expected));
    }

    #[test]
    fn only_values_that_change_are_told() {
        let deployed = map(&[("BatchSize", "7"), ("RampStart", "9")]);
        let wanted = [("BatchSize", None), ("RampStart", Some("5")), ("RetryBudget", Some("1"))];
        let wanted = wanted.map(|(k, v)| (k.to_owned(), v.map(str::to_owned)));
        let changed = changes(&deployed, &BTreeMap::from(wanted));
        let told: Vec<_> = changed.iter().map(|p| (p.name.as_str(), p.before.as_deref(), p.after.as_deref())).collect();
        assert_eq!(told, [("RampStart", Some("9"), Some("5")), ("RetryBudget", None, Some("1"))]);
    }

    #[test]
    fn the_root_template_declares_what_is_set() {
        assert!(bundle::declared_parameters().contains(&"ProjectName"));
        assert_eq!(assignment("BatchSize=5"), Ok(("BatchSize".into(), "5".into())));
        assert!(assignment("Batchsize=5").expect_err("unknown").contains("no parameter `Batchsize`"));
        assert!(assignment("BatchSize").is_err());
    }
}
