//! The functions' variables, as the template and the stack's parameters give them.

use std::collections::BTreeMap;

use super::drift::{Change, Drift};
use super::site::Site;

type Map = BTreeMap<String, String>;

/// The variables whose value is a parameter of the root stack.
const PARAMETERS: [(&str, &str); 14] = [
    ("METRIC_NAME", "MetricName"),
    ("METRIC_PREFIX", "MetricPrefix"),
    ("DIMENSION_NAME", "DimensionName"),
    ("DIMENSION_VALUE", "DimensionValue"),
    ("CLOUDWATCH_NAMESPACE", "CloudWatchNameSpace"),
    ("FUNCTION_TIMEOUT_SECONDS", "LambdaFunctionTimeoutSecs"),
    ("LEASE_SECONDS", "LeaseSeconds"),
    ("BACKOFF_BASE_SECONDS", "BackoffBaseSeconds"),
    ("BACKOFF_CAP_SECONDS", "BackoffCapSeconds"),
    ("UNKNOWN_CAP", "UnknownErrorCap"),
    ("BATCH_SIZE", "BatchSize"),
    ("RETRY_BUDGET", "RetryBudget"),
    ("RAMP_START", "RampStart"),
    ("RETENTION_SECONDS", "RetentionSeconds"),
];

/// The parameter that a variable's value comes from; `None` for one that follows from the names.
pub fn parameter(variable: &str) -> Option<&'static str> {
    PARAMETERS.iter().find(|(name, _)| *name == variable).map(|(_, parameter)| *parameter)
}

/// What every function's variables must be. A parameter that the deployed stack does not have yet gives none.
pub fn expected(site: &Site, parameters: &Map) -> Map {
    let names = &site.names;
    let mut all: Map = PARAMETERS
        .iter()
        .filter_map(|(variable, parameter)| Some(((*variable).to_owned(), parameters.get(*parameter)?.clone())))
        .collect();
    // As the root template has it: `HasDimensionValue`.
    if let Some(value) = all.get_mut("DIMENSION_VALUE").filter(|value| value.is_empty()) {
        *value = format!("{}-{}", names.project, names.environment);
    }
    all.insert("TABLE_NAME".to_owned(), names.table());
    all.insert("STATE_MACHINE_ARN".to_owned(), site.state_machine());
    all.insert("SNS_TOPIC_ARN".to_owned(), site.topic());
    all.insert("ALARM_NAME".to_owned(), names.alarm());
    all
}

/// Where a function's variables differ from what they must be: the nested stack's name is the function's own.
pub fn changed(stack: &str, expected: &Map, actual: &Map) -> Vec<Drift> {
    let drift = |name: &str, change| Drift {
        stack: stack.to_owned(),
        resource: "Function".to_owned(),
        kind: "AWS::Lambda::Function".to_owned(),
        property: format!("{PATH}{name}"),
        change,
        expected: expected.get(name).cloned(),
        actual: actual.get(name).cloned(),
    };
    let there = expected.iter().filter_map(|(name, value)| match actual.get(name) {
        Some(found) if found == value => None,
        Some(_) => Some(drift(name, Change::Changed)),
        None => Some(drift(name, Change::Removed)),
    });
    let added = actual.keys().filter(|name| !expected.contains_key(*name)).map(|name| drift(name, Change::Added));
    there.chain(added).collect()
}

/// Where CloudFormation sees a variable in a function.
const PATH: &str = "/Environment/Variables/";

/// The name of the variable that a difference is about.
pub fn name(drift: &Drift) -> &str {
    drift.property.strip_prefix(PATH).unwrap_or(&drift.property)
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::site;
    use super::*;

    const FUNCTION: &str = include_str!("../../templates/lambda-function-stack.yaml");
    const ROOT: &str = include_str!("../../templates/disa-root-stack.yaml");

    /// The variables of the template, each with what stands behind it.
    fn declared() -> Map {
        let block = FUNCTION.lines().skip_while(|line| line.trim() != "Variables:").skip(1);
        let block = block.take_while(|line| line.starts_with("          "));
        block.filter_map(|line| line.trim().split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    fn defaults() -> Map {
        PARAMETERS.iter().map(|(_, parameter)| ((*parameter).to_owned(), "x".to_owned())).collect()
    }

    #[test]
    fn every_variable_of_the_template_is_expected_and_no_other() {
        let declared = declared();
        assert!(declared.len() > 10, "{declared:?}");
        assert!(expected(&site(), &defaults()).keys().eq(declared.keys()), "{declared:?}");
    }

    #[test]
    fn the_templates_take_the_same_parameters_and_build_the_same_names() {
        let site = site();
        let found = expected(&site, &defaults());
        for (variable, source) in declared() {
            match parameter(&variable) {
                Some(parameter) => {
                    assert_eq!(source, format!("!Ref {parameter}"), "{variable}");
                    let handed = ROOT.contains(&format!("{parameter}: !Ref {parameter}\n"));
                    assert!(handed || parameter == "DimensionValue", "{parameter}");
                }
                None => {
                    let built = source.trim_start_matches("!Sub ").trim_matches('"');
                    let built = built.replace("${ProjectName}", "disa").replace("${Environment}", "devl");
                    let built = built.replace("${AWS::Partition}", "aws").replace("${AWS::Region}", "eu-west-1");
                    assert_eq!(built.replace("${AWS::AccountId}", "123456789012"), found[&variable], "{variable}");
                }
            }
        }
    }

    #[test]
    fn an_empty_dimension_is_named_after_the_deployment_and_a_parameter_that_is_not_there_says_nothing() {
        let parameters = Map::from([("DimensionValue".to_owned(), String::new())]);
        let found = expected(&site(), &parameters);
        assert_eq!(found["DIMENSION_VALUE"], "disa-devl");
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn changed_removed_and_added_variables_are_told() {
        let map =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Map>();
        let found =
            changed("S", &map(&[("A", "1"), ("B", "2"), ("C", "3")]), &map(&[("A", "9"), ("C", "3"), ("D", "4")]));
        let told: Vec<_> = found.iter().map(|drift| (name(drift), drift.change)).collect();
        assert_eq!(told, [("A", Change::Changed), ("B", Change::Removed), ("D", Change::Added)]);
        assert_eq!((found[0].expected.as_deref(), found[0].actual.as_deref()), (Some("1"), Some("9")));
    }
}
