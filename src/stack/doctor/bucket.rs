//! The bucket of the artifacts.

use serde_json::Value;

use super::Finding;

/// Where a bucket lies, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Missing,
    Ours,
    /// In this region.
    Elsewhere(String),
    /// The name belongs to another account, or these credentials may not use it.
    NotOurs,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// All public access is blocked.
    pub private: bool,
    pub versioned: bool,
    pub encrypted: bool,
    pub policy: Option<String>,
}

pub fn place(name: &str, region: &str, place: &Place) -> Vec<Finding> {
    const ANOTHER: &str = "take another one: `disa deploy --bucket NAME`";
    vec![match place {
        Place::Missing => Finding::ok(format!("{name} is missing: a deployment makes it")),
        Place::Ours => Finding::ok(name),
        Place::Elsewhere(other) => {
            Finding::problem(format!("{name} lies in {other}, and CloudFormation and Lambda read it in {region}"))
                .fix(ANOTHER)
        }
        Place::NotOurs => Finding::problem(format!("{name} is not this account's, or may not be used")).fix(ANOTHER),
    }]
}

/// A bucket without a policy is one that a deployment began and not finished: the next one goes on.
pub fn settings(name: &str, settings: &Settings) -> Vec<Finding> {
    let Some(policy) = &settings.policy else {
        return vec![Finding::ok(format!("{name} has no policy yet: the next deployment makes all settings"))];
    };
    let policy = serde_json::from_str(policy).unwrap_or(Value::Null);
    let missing = [
        (settings.private, "its public access is not blocked", "aws s3api put-public-access-block"),
        (settings.versioned, "it keeps no versions", "aws s3api put-bucket-versioning"),
        (settings.encrypted, "it is not encrypted by default", "aws s3api put-bucket-encryption"),
        (tls_only(&policy), "its policy permits access without TLS", "aws s3api put-bucket-policy"),
        (!open(&policy), "its policy lets everybody in", "aws s3api put-bucket-policy"),
    ];
    let findings = missing.into_iter().filter(|(good, ..)| !good).map(|(_, what, command)| {
        Finding::warning(format!("{name}: {what}")).fix(format!("`{command} --bucket {name} …`"))
    });
    let findings: Vec<Finding> = findings.collect();
    match findings.is_empty() {
        true => vec![Finding::ok("private, encrypted, versioned, TLS only")],
        false => findings,
    }
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    let all = match &policy["Statement"] {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    all.iter()
}

fn tls_only(policy: &Value) -> bool {
    statements(policy).any(|one| {
        let secure = &one["Condition"]["Bool"]["aws:SecureTransport"];
        one["Effect"] == "Deny" && (secure == "false" || secure == false) && everybody(&one["Principal"])
    })
}

/// A statement that lets everybody in, without any condition.
fn open(policy: &Value) -> bool {
    statements(policy).any(|one| one["Effect"] == "Allow" && everybody(&one["Principal"]) && one["Condition"].is_null())
}

fn everybody(principal: &Value) -> bool {
    principal == "*" || principal["AWS"] == "*"
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn only_a_bucket_of_ours_in_the_region_will_do() {
        let outcome = |found: Place| place("b", "eu-west-1", &found)[0].outcome;
        assert_eq!(outcome(Place::Missing), Outcome::Ok);
        assert_eq!(outcome(Place::Ours), Outcome::Ok);
        assert_eq!(outcome(Place::Elsewhere("us-east-1".into())), Outcome::Problem);
        assert_eq!(outcome(Place::NotOurs), Outcome::Problem);
    }

    #[test]
    fn each_setting_that_is_missing_is_a_warning() {
        let policy = |principal: &str, effect: &str, condition: &str| {
            format!(r#"{{"Statement":[{{"Effect":"{effect}","Principal":"{principal}","Action":"s3:*"{condition}}}]}}"#)
        };
        let tls = policy("*", "Deny", r#","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#);
        let good = Settings { private: true, versioned: true, encrypted: true, policy: Some(tls) };
        assert_eq!(settings("b", &good)[0].outcome, Outcome::Ok);
        assert_eq!(settings("b", &Settings::default())[0].outcome, Outcome::Ok);
        let bad = [
            (Settings { private: false, ..good.clone() }, "public access"),
            (Settings { versioned: false, ..good.clone() }, "versions"),
            (Settings { encrypted: false, ..good.clone() }, "encrypted"),
            (Settings { policy: Some("{}".into()), ..good.clone() }, "TLS"),
            (Settings { policy: Some(policy("*", "Allow", "")), ..good.clone() }, "everybody"),
        ];
        for (found, word) in bad {
            let findings = settings("b", &found);
            assert!(findings.iter().any(|one| one.found.contains(word)), "{word}: {findings:?}");
            assert!(findings.iter().all(|one| one.outcome == Outcome::Warning && one.fix.is_some()), "{findings:?}");
        }
    }
}
