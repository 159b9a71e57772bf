//! The key that encrypts everything.

use super::Finding;
use crate::stack::key_policy;
use crate::stack::site::Site;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub arn: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, …
    pub state: String,
    /// `SYMMETRIC_DEFAULT` for one that AWS services can use.
    pub spec: String,
    pub customer_managed: bool,
}

const NONE_YET: &str = "none is given: the stack makes one";

pub fn usable(site: &Site, id: &str, key: &Result<Key, String>) -> Vec<Finding> {
    let key = match key {
        Ok(key) => key,
        Err(text) => {
            return vec![
                Finding::problem(format!("there is no key {id}: {text}"))
                    .fix("give another: `disa deploy --kms-key KEY`; `aws kms list-aliases` has them"),
            ];
        }
    };
    let refuse = |why: &str| Finding::problem(format!("the key {id} will not do: {why}"));
    const ANOTHER: &str = "give another: `disa deploy --kms-key KEY`";
    vec![match () {
        () if elsewhere(site, &key.arn) => elsewhere_finding(site, &key.arn),
        () if key.state != "Enabled" => refuse(&format!("it is {}", key.state)).fix(format!(
            "enable it: `aws kms enable-key --key-id {}`; one that is to be deleted must be kept first",
            key.arn
        )),
        () if key.spec != "SYMMETRIC_DEFAULT" => {
            refuse(&format!("it is {}, and AWS services need a symmetric one", key.spec)).fix(ANOTHER)
        }
        () if !key.customer_managed => {
            refuse("AWS manages it, and its policy cannot let the log service in").fix(ANOTHER)
        }
        () => Finding::ok(&key.arn),
    }]
}

/// Judged before KMS is asked: it cannot be asked for a key of another region, and perhaps may not be for one of
/// another account.
pub fn misplaced(site: &Site, id: &str) -> Option<Finding> {
    (id.starts_with("arn:") && elsewhere(site, id)).then(|| elsewhere_finding(site, id))
}

fn elsewhere(site: &Site, arn: &str) -> bool {
    let part = |at| arn.split(':').nth(at).unwrap_or_default();
    (part(3), part(4)) != (site.region.as_str(), site.account.as_str())
}

fn elsewhere_finding(site: &Site, arn: &str) -> Finding {
    Finding::problem(format!("the key {arn} will not do: it is of another region or account"))
        .fix(format!("give one of the account {} in {}: `disa deploy --kms-key KEY`", site.account, site.region))
}

/// Whether CloudWatch Logs may use the key. `enforced` is false where nothing reads key policies.
pub fn for_logs(site: &Site, policy: &str, enforced: bool) -> Vec<Finding> {
    vec![match () {
        () if !enforced => Finding::not_checked("the local engine asks no key's policy"),
        () if key_policy::lets_logs_in(policy, &site.region) => {
            Finding::ok("the key's policy lets CloudWatch Logs encrypt")
        }
        () => {
            let names = &site.names;
            let statement = key_policy::logs_statement(
                &site.partition,
                &site.region,
                &site.account,
                &names.project,
                &names.environment,
            );
            Finding {
                statement: Some(statement),
                ..Finding::problem("the key's policy does not let CloudWatch Logs encrypt")
                    .fix("no log group can be made, and no function: change the policy (`aws kms put-key-policy`)")
            }
        }
    }]
}

/// Whether the roles may use the key, and a deployment may hand it to the table. `roles` are their ARNs, as far
/// as they exist. SNS and SQS use the key as whoever calls them; DynamoDB by a grant that the creator of the
/// table makes (DynamoDB developer guide, "Encryption at rest: how it works").
pub fn for_roles(site: &Site, policy: &str, roles: &[String]) -> Vec<Finding> {
    if key_policy::delegates_to_account(policy, &site.account) {
        return vec![Finding::ok("the key's policy leaves it to the policies of the account")];
    }
    let missing = |principals: &[&str], actions: &[&'static str]| {
        let missing: Vec<_> =
            actions.iter().filter(|action| !key_policy::allows(policy, principals, action)).copied().collect();
        missing
    };
    let account = format!("arn:{}:iam::{}:root", site.partition, site.account);
    let of_all = [account.as_str(), site.account.as_str(), "*"];
    let mut lacking = match roles.is_empty() {
        true => missing(&of_all, &key_policy::USE),
        false => roles.iter().flat_map(|role| missing(&[&of_all[..], &[role]].concat(), &key_policy::USE)).collect(),
    };
    lacking.sort_unstable();
    lacking.dedup();
    if lacking.is_empty() {
        return vec![Finding::ok("the key's policy lets the roles in")];
    }
    vec![Finding {
        statement: Some(key_policy::roles_statement(&site.partition, &site.account)),
        ..Finding::warning(format!(
            "the key's policy neither leaves it to the account nor gives every role {}",
            lacking.join(" and ")
        ))
        .fix("what is not permitted fails when a message is sent: change the policy (`aws kms put-key-policy`)")
    }]
}

/// What is said where there is no key yet.
pub fn none_yet() -> Vec<Finding> {
    vec![Finding::ok(NONE_YET)]
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;
    use crate::stack::site::tests::site;
    use serde_json::json;

    fn key() -> Key {
        Key {
            arn: "arn:aws:kms:eu-west-1:123456789012:key/1".into(),
            state: "Enabled".into(),
            spec: "SYMMETRIC_DEFAULT".into(),
            customer_managed: true,
        }
    }

    #[test]
    fn only_an_enabled_symmetric_key_of_the_customer_here_will_do() {
        let found = |key: Key| usable(&site(), "k", &Ok(key)).remove(0);
        assert_eq!(found(key()).outcome, Outcome::Ok);
        let bad = [
            (Key { state: "PendingDeletion".into(), ..key() }, "PendingDeletion"),
            (Key { spec: "RSA_2048".into(), ..key() }, "symmetric"),
            (Key { customer_managed: false, ..key() }, "AWS manages it"),
            (Key { arn: "arn:aws:kms:us-east-1:123456789012:key/1".into(), ..key() }, "another region"),
            (Key { arn: "arn:aws:kms:eu-west-1:210987654321:key/1".into(), ..key() }, "another region or account"),
        ];
        for (key, word) in bad {
            let finding = found(key);
            assert!(finding.outcome == Outcome::Problem && finding.found.contains(word), "{word}: {finding:?}");
        }
        let none = usable(&site(), "alias/none", &Err("Alias is not found".into())).remove(0);
        assert!(none.outcome == Outcome::Problem && none.found.contains("alias/none"), "{none:?}");
    }

    #[test]
    fn a_key_of_another_account_is_known_by_its_arn() {
        assert!(misplaced(&site(), "arn:aws:kms:eu-west-1:210987654321:key/1").is_some());
        assert!(misplaced(&site(), "arn:aws:kms:us-east-1:123456789012:alias/a").is_some());
        assert!(misplaced(&site(), "arn:aws:kms:eu-west-1:123456789012:alias/a").is_none());
        assert!(misplaced(&site(), "alias/a").is_none());
    }

    #[test]
    fn the_policy_must_let_logs_and_roles_in_or_the_statement_is_told() {
        let site = site();
        let closed = json!({ "Statement": [] }).to_string();
        let logs = for_logs(&site, &closed, true).remove(0);
        let roles = for_roles(&site, &closed, &[]).remove(0);
        assert_eq!((logs.outcome, roles.outcome), (Outcome::Problem, Outcome::Warning));
        assert_eq!(for_logs(&site, &closed, false)[0].outcome, Outcome::NotChecked);
        // What is told to be added is enough.
        let open = json!({ "Statement": [logs.statement, roles.statement] }).to_string();
        assert_eq!(for_logs(&site, &open, true)[0].outcome, Outcome::Ok);
        assert_eq!(for_roles(&site, &open, &[])[0].outcome, Outcome::Ok);
    }

    #[test]
    fn roles_may_be_named_one_by_one() {
        let site = site();
        let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
        let policy = json!({ "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": [role("a")] },
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
        }] })
        .to_string();
        assert_eq!(for_roles(&site, &policy, &[role("a")])[0].outcome, Outcome::Ok);
        let finding = for_roles(&site, &policy, &[role("a"), role("b")]).remove(0);
        assert!(finding.found.contains("kms:Decrypt and kms:GenerateDataKey"), "{finding:?}");
    }
}
