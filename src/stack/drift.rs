//! Differences between what was deployed and what is there.

use std::collections::BTreeMap;

use serde::Serialize;

/// One property that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The logical id of the nested stack, or the root's name.
    pub stack: String,
    /// Its logical id.
    pub resource: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// A path as CloudFormation gives it: `/Environment/Variables/BATCH_SIZE`. Empty for the whole resource.
    pub property: String,
    pub change: Change,
    pub expected: Option<String>,
    pub actual: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    Changed,
    Added,
    Removed,
    /// The whole resource is gone.
    Deleted,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Changed => "changed",
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Deleted => "deleted",
        }
    }
}

/// What the alarm is, as far as parameters of the stack say what it must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlarmNumbers {
    pub threshold: f64,
    pub period_seconds: i32,
    pub evaluation_periods: i32,
}

/// Where the alarm differs from the stack's parameters.
pub fn alarm(parameters: &BTreeMap<String, String>, actual: AlarmNumbers) -> Vec<Drift> {
    let numbers = [
        ("AlarmThreshold", "/Threshold", actual.threshold),
        ("AlarmPeriodInSeconds", "/Period", f64::from(actual.period_seconds)),
        ("DatapointsToAlarm", "/EvaluationPeriods", f64::from(actual.evaluation_periods)),
    ];
    let differs = numbers.into_iter().filter_map(|(parameter, property, actual)| {
        let expected = parameters.get(parameter)?;
        let same = expected.parse::<f64>().is_ok_and(|expected| (expected - actual).abs() < f64::EPSILON);
        (!same).then(|| Drift {
            stack: "AlarmStack".to_owned(),
            resource: "SendStatusAlarm".to_owned(),
            kind: "AWS::CloudWatch::Alarm".to_owned(),
            property: property.to_owned(),
            change: Change::Changed,
            expected: Some(expected.clone()),
            actual: Some(actual.to_string()),
        })
    });
    differs.collect()
}

/// What CloudFormation found and what Disa found itself, each difference once.
pub fn merge(detected: Vec<Drift>, own: Vec<Drift>) -> Vec<Drift> {
    let mut all = detected;
    for drift in own {
        // CloudFormation may tell of a value, of the map that holds it, or of the whole resource.
        let told = |one: &Drift| {
            let above =
                drift.property.strip_prefix(&one.property).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            (&one.stack, &one.resource) == (&drift.stack, &drift.resource) && above
        };
        if !all.iter().any(told) {
            all.push(drift);
        }
    }
    all.sort_by(|a, b| (&a.stack, &a.resource, &a.property).cmp(&(&b.stack, &b.resource, &b.property)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(resource: &str, property: &str) -> Drift {
        Drift {
            stack: "S".into(),
            resource: resource.into(),
            kind: "T".into(),
            property: property.into(),
            change: Change::Changed,
            expected: None,
            actual: None,
        }
    }

    #[test]
    fn the_alarm_is_compared_as_numbers() {
        let parameters = [("AlarmThreshold", "300"), ("AlarmPeriodInSeconds", "60"), ("DatapointsToAlarm", "1")];
        let parameters = parameters.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let numbers = AlarmNumbers { threshold: 300.0, period_seconds: 60, evaluation_periods: 1 };
        assert_eq!(alarm(&parameters, numbers), []);
        let found = alarm(&parameters, AlarmNumbers { threshold: 250.5, ..numbers });
        assert_eq!((found[0].property.as_str(), found[0].actual.as_deref()), ("/Threshold", Some("250.5")));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn what_both_found_is_told_once() {
        let detected = vec![drift("B", "/Environment/Variables/A"), drift("C", "")];
        let own = vec![
            drift("B", "/Environment/Variables/A"),
            drift("B", "/Environment/Variables/AB"),
            drift("C", "/Threshold"),
            drift("A", "/Threshold"),
        ];
        let merged = merge(detected, own);
        let told: Vec<_> = merged.iter().map(|one| (one.resource.as_str(), one.property.as_str())).collect();
        let expected =
            [("A", "/Threshold"), ("B", "/Environment/Variables/A"), ("B", "/Environment/Variables/AB"), ("C", "")];
        assert_eq!(told, expected);
    }
}
