//! The parameters of the root stack: what the template declares and permits, what was asked for, what stays as
//! deployed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use saphyr::{LoadableYamlNode, Scalar, Yaml};

use super::bundle;
use super::plan::Property;

/// The local engine judges the alarm by the datapoints of one period: a short one makes it lively. For a first
/// deployment; a later one keeps what is deployed.
pub const LOCAL_PERIOD: (&str, &str) = ("AlarmPeriodInSeconds", "10");

/// A parameter as the template declares it.
/// Source: CloudFormation user guide, "CloudFormation template Parameters syntax".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub default: Option<String>,
    is_number: bool,
    allowed_values: Vec<String>,
    allowed_pattern: Option<String>,
    /// What the pattern means, in words.
    meaning: Option<String>,
    min_value: Option<f64>,
    max_value: Option<f64>,
    min_length: Option<usize>,
    max_length: Option<usize>,
}

/// The parameters of the root template, in its order.
pub fn declared() -> &'static [Parameter] {
    static DECLARED: LazyLock<Vec<Parameter>> = LazyLock::new(|| read(bundle::ROOT));
    &DECLARED
}

pub fn find(name: &str) -> Option<&'static Parameter> {
    declared().iter().find(|parameter| parameter.name == name)
}

/// The parameters of a template; none of a text that is no template.
fn read(template: &str) -> Vec<Parameter> {
    let documents = Yaml::load_from_str(template).unwrap_or_default();
    let section = documents.first().and_then(|document| document.as_mapping_get("Parameters"));
    let entries = section.and_then(Yaml::as_mapping).into_iter().flatten();
    entries.filter_map(|(name, body)| Some(parameter(text(name)?, body))).collect()
}

fn parameter(name: String, body: &Yaml) -> Parameter {
    let field = |key: &str| body.as_mapping_get(key).and_then(text);
    let values = body.as_mapping_get("AllowedValues").and_then(Yaml::as_vec);
    Parameter {
        name,
        default: field("Default"),
        is_number: field("Type").as_deref() == Some("Number"),
        allowed_values: values.into_iter().flatten().filter_map(text).collect(),
        allowed_pattern: field("AllowedPattern"),
        meaning: field("ConstraintDescription"),
        min_value: field("MinValue").and_then(|text| text.parse().ok()),
        max_value: field("MaxValue").and_then(|text| text.parse().ok()),
        min_length: field("MinLength").and_then(|text| text.parse().ok()),
        max_length: field("MaxLength").and_then(|text| text.parse().ok()),
    }
}

fn text(value: &Yaml) -> Option<String> {
    match value {
        Yaml::Value(Scalar::String(text)) => Some(text.to_string()),
        Yaml::Value(Scalar::Integer(number)) => Some(number.to_string()),
        Yaml::Value(Scalar::FloatingPoint(number)) => Some(number.to_string()),
        Yaml::Value(Scalar::Boolean(value)) => Some(value.to_string()),
        _ => None,
    }
}

impl Parameter {
    /// Whether CloudFormation will take the value; else the constraint that it breaks.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if self.is_number {
            self.check_number(value)?;
        }
        let length = value.chars().count();
        match () {
            () if !self.allowed_values.is_empty() && !self.allowed_values.iter().any(|allowed| allowed == value) => {
                Err(format!("one of {}", self.allowed_values.join(", ")))
            }
            () if self.min_length.is_some_and(|min| length < min) => {
                Err(format!("at least {} long", self.min_length.unwrap_or_default()))
            }
            () if self.max_length.is_some_and(|max| length > max) => {
                Err(format!("at most {} characters long", self.max_length.unwrap_or_default()))
            }
            () => self.check_pattern(value),
        }
    }

    fn check_number(&self, value: &str) -> Result<(), String> {
        let plain = value.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
        let number = value.parse::<f64>().ok().filter(|_| plain).ok_or("a number")?;
        match (self.min_value, self.max_value) {
            (Some(min), Some(max)) if !(min..=max).contains(&number) => Err(format!("from {min} to {max}")),
            (Some(min), _) if number < min => Err(format!("at least {min}")),
            (_, Some(max)) if number > max => Err(format!("at most {max}")),
            _ => Ok(()),
        }
    }

    /// The pattern must match the whole value. It is Java's syntax; what this engine cannot read, or gives up on,
    /// is left for CloudFormation to judge.
    fn check_pattern(&self, value: &str) -> Result<(), String> {
        let Some(pattern) = &self.allowed_pattern else { return Ok(()) };
        let matches = fancy_regex::Regex::new(&format!(r"\A(?:{pattern})\z")).map(|regex| regex.is_match(value));
        match matches {
            Ok(Ok(false)) => Err(match &self.meaning {
                Some(meaning) => meaning.clone(),
                None => format!("as the pattern {pattern} says"),
            }),
            _ => Ok(()),
        }
    }
}

/// What gives a parameter its value, where it is not the operator's to set.
pub fn giver(name: &str) -> Option<&'static str> {
    match name {
        "ProjectName" => Some("`--project`"),
        "Environment" => Some("`--env`"),
        "CodeRepositoryBucket" => Some("`--bucket`"),
        "Architecture" => Some("the functions that are deployed"),
        name if name.ends_with("Key") => Some("the artifacts that are deployed"),
        _ => None,
    }
}

/// Whether the value may be set; else why not, in words that name the parameter and the value.
pub fn permit(name: &str, value: &str) -> Result<(), String> {
    let Some(parameter) = find(name) else {
        let names = declared().iter().map(|parameter| parameter.name.as_str()).filter(|name| giver(name).is_none());
        let nearest = nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(format!("the stack has no parameter `{name}`{nearest}"));
    };
    if let Some(giver) = giver(name) {
        return Err(format!("the parameter `{name}` is not set by hand: {giver} gives it its value"));
    }
    parameter.check(value).map_err(|rule| format!("{name} is `{value}`; it must be {rule}"))
}

/// Reads `Name=Value` from the command line.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=') else { return Err("this is not Name=Value".to_owned()) };
    permit(name, value).map(|()| (name.to_owned(), value.to_owned()))
}

/// The name that was probably meant.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    let scored = names.map(|other| (likeness(other), other)).filter(|(score, _)| *score > 0.8);
    scored.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, other)| other)
}

/// The values for a change set; `None` keeps the deployed value. What is in neither list keeps the template's
/// default.
pub fn merge(
    deployed: Option<&BTreeMap<String, String>>,
    required: BTreeMap<String, String>,
    chosen: BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let kept = deployed.into_iter().flat_map(|all| all.keys()).filter(|name| find(name).is_some());
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
    fn the_template_is_read_and_permits_its_own_defaults() {
        let names: Vec<&str> = declared().iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!((names.first(), names.last()), (Some(&"ProjectName"), Some(&"RetentionSeconds")));
        for parameter in declared() {
            let default = parameter.default.as_deref().expect("a default");
            assert_eq!(parameter.check(default), Ok(()), "{}", parameter.name);
            if let Some(pattern) = &parameter.allowed_pattern {
                assert!(fancy_regex::Regex::new(pattern).is_ok(), "{pattern}");
            }
        }
    }

    #[test]
    fn what_cloudformation_would_refuse_is_refused() {
        let bad = [
            ("BatchSize=0", "from 1 to 100"),
            ("BatchSize=101", "from 1 to 100"),
            ("BatchSize=", "a number"),
            ("BatchSize=ten", "a number"),
            ("BatchSize=inf", "a number"),
            ("BatchSize=1e1", "a number"),
            ("LogRetentionInDays=8", "one of 1, 3, 5"),
            ("LogRetentionInDays=7.0", "one of 1, 3, 5"),
            ("RetryScheduleState=enabled", "one of ENABLED, DISABLED"),
            ("RetrySchedule=every minute", r"the pattern (rate|cron)\(.+\)"),
            ("RetrySchedule=rate(1 minute) or so", "pattern"),
            ("CloudWatchNameSpace=AWS/SNS", "pattern"),
            ("SubscriptionEmail=nobody", "pattern"),
            ("MetricName=a\n", "pattern"),
            ("KmsMasterKeyId=alias/mine", "the ARN of a key (not of an alias), or nothing"),
            (&format!("SNSTopicDisplayName={}", "x".repeat(101)), "at most 100 characters"),
        ];
        for (text, rule) in bad {
            let error = assignment(text).expect_err(text);
            assert!(error.contains(rule) && error.contains(text.split('=').next().unwrap_or("?")), "{text}: {error}");
        }
        for good in ["BatchSize=100", "CloudWatchNameSpace=MyAWS/x", "SubscriptionEmail=", "SNSTopicDisplayName=ÄÖÜ"]
        {
            let (name, value) = good.split_once('=').expect("two parts");
            assert_eq!(assignment(good), Ok((name.to_owned(), value.to_owned())));
        }
    }

    #[test]
    fn names_are_those_of_the_template_and_not_of_the_artifacts() {
        let refused = |text: &str| assignment(text).expect_err(text);
        assert!(refused("Batchsize=5").contains("no parameter `Batchsize`; did you mean `BatchSize`?"));
        assert_eq!(refused("Nonsense=1"), "the stack has no parameter `Nonsense`");
        assert!(refused("ProcessCodeKey=x").contains("the artifacts"));
        assert!(refused("Environment=prod").contains("`--env`"));
        assert!(refused("BatchSize").contains("Name=Value"));
    }

    #[test]
    fn a_text_that_is_no_template_declares_nothing() {
        assert_eq!(read("- a list"), []);
        assert_eq!(read("{"), []);
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
}
