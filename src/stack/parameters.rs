//! The parameters of the root stack: what was asked for, what the artifacts demand, what stays as deployed.

use std::collections::BTreeMap;

use super::bundle;

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

/// The key of the alarms' topic, when this change gives the topic its address or its key, and the stack does not
/// make the key itself.
pub fn key_of_alarm_topic<'a>(
    deployed: Option<&'a BTreeMap<String, String>>,
    chosen: &'a BTreeMap<String, String>,
) -> Option<&'a str> {
    const NAMES: [&str; 2] = ["AlarmEmail", "KmsMasterKeyId"];
    NAMES.iter().find(|name| chosen.contains_key(**name))?;
    let value = |name| chosen.get(name).or_else(|| deployed?.get(name)).filter(|value| !value.is_empty());
    let [email, key] = NAMES.map(value);
    email.and(key).map(String::as_str)
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
    fn the_key_matters_when_it_or_the_address_is_new_and_both_are_there() {
        let (email, key) = (("AlarmEmail", "a@b"), ("KmsMasterKeyId", "arn"));
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Pairs, Pairs, Option<&str>); 7] = [
            (&[], &[email, key], Some("arn")),
            (&[key], &[email], Some("arn")),
            (&[email], &[key], Some("arn")),
            (&[email, key], &[("BatchSize", "7")], None),
            (&[key], &[("AlarmEmail", "")], None),
            (&[email, key], &[("KmsMasterKeyId", "")], None),
            (&[], &[email], None),
        ];
        for (deployed, chosen, expected) in cases {
            let (deployed, chosen) = (map(deployed), map(chosen));
            assert_eq!(key_of_alarm_topic(Some(&deployed), &chosen), expected, "{deployed:?} {chosen:?}");
        }
        assert_eq!(key_of_alarm_topic(None, &map(&[email, key])), Some("arn"));
    }

    #[test]
    fn the_root_template_declares_what_is_set() {
        assert!(bundle::declared_parameters().contains(&"ProjectName"));
        assert_eq!(assignment("BatchSize=5"), Ok(("BatchSize".into(), "5".into())));
        assert!(assignment("Batchsize=5").expect_err("unknown").contains("no parameter `Batchsize`"));
        assert!(assignment("BatchSize").is_err());
    }
}
