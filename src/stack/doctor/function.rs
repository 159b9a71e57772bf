//! The functions, as they are and as they are to be.

use std::collections::BTreeMap;

use super::Finding;
use crate::stack::drift::{Change, Drift};
use crate::stack::variables;

/// How a function is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub variables: BTreeMap<String, String>,
    /// As Lambda names it.
    pub architecture: String,
}

/// `planned` is what the next deployment brings, where that is known without building; `stack` what the stack's
/// parameter says; `functions` what the functions are.
pub fn architecture(planned: Option<&str>, stack: &str, functions: &[(String, String)]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = functions
        .iter()
        .filter(|(_, found)| found != stack)
        .map(|(name, found)| {
            Finding::warning(format!("{name} is {found}, the stack says {stack}"))
                .fix("deploy code for the other processor and back: `disa deploy --target TRIPLE`")
        })
        .collect();
    match planned {
        Some(planned) if planned != stack => findings.push(
            Finding::warning(format!("the functions are {stack}, and the next deployment brings {planned}"))
                .fix("keep it with `disa deploy --target TRIPLE`, if it is not wanted"),
        ),
        _ if findings.is_empty() => findings.push(Finding::ok(stack)),
        _ => {}
    }
    findings
}

/// One finding for each variable that was changed by hand, by the function's name.
pub fn variables(changed: &[(String, Drift)]) -> Vec<Finding> {
    if changed.is_empty() {
        return vec![Finding::ok("as the stack says")];
    }
    let finding = |(function, drift): &(String, Drift)| {
        let name = variables::name(drift);
        let value = |value: &Option<String>| format!("{:?}", value.as_deref().unwrap_or_default());
        let (expected, actual) = (value(&drift.expected), value(&drift.actual));
        let keep = variables::parameter(name).zip(drift.actual.as_ref());
        let keep = keep.map(|(parameter, value)| format!(", or keep it: `disa deploy --set {parameter}={value}`"));
        let keep = keep.unwrap_or_default();
        match drift.change {
            Change::Added => Finding::warning(format!("{function}: {name} was added by hand"))
                .fix("remove it in the Lambda console: no function of Disa reads it"),
            Change::Removed | Change::Deleted => Finding::warning(format!("{function}: {name} was removed by hand"))
                .fix(format!("set it to {expected} in the Lambda console")),
            Change::Changed => Finding::warning(format!("{function}: {name} is {actual}, the stack says {expected}"))
                .fix(format!("set it back in the Lambda console{keep}")),
        }
    };
    changed.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn another_processor_is_told() {
        let functions = |one: &str| vec![("f".to_owned(), one.to_owned())];
        let outcomes = |planned, stack, one: &str| {
            architecture(planned, stack, &functions(one)).iter().map(|one| one.outcome).collect::<Vec<_>>()
        };
        assert_eq!(outcomes(Some("arm64"), "arm64", "arm64"), [Outcome::Ok]);
        assert_eq!(outcomes(None, "x86_64", "x86_64"), [Outcome::Ok]);
        assert_eq!(outcomes(Some("arm64"), "x86_64", "x86_64"), [Outcome::Warning]);
        assert_eq!(outcomes(Some("arm64"), "x86_64", "arm64"), [Outcome::Warning, Outcome::Warning]);
    }

    #[test]
    fn a_changed_variable_can_be_set_back_or_kept() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let expected: BTreeMap<String, String> =
            map(&[("BATCH_SIZE", "100"), ("SNS_TOPIC_ARN", "t"), ("RAMP_START", "1")]);
        let actual = map(&[("BATCH_SIZE", "9"), ("SNS_TOPIC_ARN", "u"), ("X", "y")]);
        let changed = variables::changed("S", &expected, &actual);
        let changed: Vec<_> = changed.into_iter().map(|drift| ("f".to_owned(), drift)).collect();
        let found = super::variables(&changed);
        assert_eq!(found[0].found, "f: BATCH_SIZE is \"9\", the stack says \"100\"");
        assert!(found[0].fix.as_ref().is_some_and(|fix| fix.contains("--set BatchSize=9")), "{found:?}");
        assert!(found[1].found.contains("RAMP_START was removed"), "{found:?}");
        assert!(found[2].fix.as_ref().is_some_and(|fix| !fix.contains("--set")), "{found:?}");
        assert!(found[3].found.contains("X was added"), "{found:?}");
        assert_eq!(super::variables(&[])[0].outcome, Outcome::Ok);
    }
}
