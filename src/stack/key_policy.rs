//! Whether an operator's own key lets the services in.

use serde_json::{Value, json};

/// The statement that CloudWatch Logs needs in the key's policy; everything else works through the roles'
/// permissions, which a key policy delegates to by its statement for the account's root.
/// Source: CloudWatch Logs user guide, "Encrypt log data in CloudWatch Logs using AWS KMS".
pub fn logs_statement(partition: &str, region: &str, account: &str, project: &str, environment: &str) -> Value {
    let group =
        |prefix: &str| format!("arn:{partition}:logs:{region}:{account}:log-group:{prefix}{project}-{environment}-*");
    json!({
        "Sid": "DisaLogs",
        "Effect": "Allow",
        "Principal": { "Service": format!("logs.{region}.amazonaws.com") },
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": [group("/aws/lambda/"), group("/aws/vendedlogs/states/")]
            }
        }
    })
}

/// What the roles do with the key: read and write what is encrypted with it (SNS developer guide, "Key
/// management"; SQS developer guide, "Key management").
pub const USE: [&str; 2] = ["kms:Decrypt", "kms:GenerateDataKey"];

/// The statement that leaves the use of the key, and grants for it, to the policies of the account.
/// Source: DynamoDB developer guide, "Authorizing use of a customer managed key".
pub fn roles_statement(partition: &str, account: &str) -> Value {
    json!({
        "Sid": "DisaRoles",
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:{partition}:iam::{account}:root") },
        "Action": [
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncrypt*",
            "kms:GenerateDataKey*",
            "kms:DescribeKey",
            "kms:CreateGrant"
        ],
        "Resource": "*"
    })
}

/// Whether some statement allows one of these principals an action. Conditions are not weighed: this finds what
/// is missing, it does not prove what is there.
pub fn allows(policy: &str, principals: &[&str], action: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let covers = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => action.starts_with(prefix),
        None => pattern == action,
    };
    statements(&policy).iter().any(|statement| {
        let who = ["AWS", "Service"].map(|kind| texts(&statement["Principal"][kind])).concat();
        let who = [texts(&statement["Principal"]), who].concat();
        statement["Effect"] == "Allow"
            && texts(&statement["Action"]).into_iter().any(covers)
            && who.iter().any(|one| principals.contains(one))
    })
}

/// The statement that the alarms need to tell a topic which the key encrypts.
/// Source: SNS developer guide, "Enable compatibility between event sources from AWS services and encrypted
/// topics".
pub fn alarms_statement(partition: &str, region: &str, account: &str, project: &str, environment: &str) -> Value {
    let alarms = format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{project}-{environment}-*");
    json!({
        "Sid": "DisaAlarms",
        "Effect": "Allow",
        "Principal": { "Service": ALARMS },
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
        "Condition": {
            "StringEquals": { "aws:SourceAccount": account },
            "ArnLike": { "aws:SourceArn": alarms }
        }
    })
}

const ALARMS: &str = "cloudwatch.amazonaws.com";

/// Whether the log service of the region may encrypt.
pub fn lets_logs_in(policy: &str, region: &str) -> bool {
    allows(policy, &[&format!("logs.{region}.amazonaws.com")], "kms:Encrypt")
}

/// Whether the alarms may tell an encrypted topic.
pub fn lets_alarms_in(policy: &str) -> bool {
    USE.iter().all(|action| allows(policy, &[ALARMS], action))
}

/// Whether the account's root is allowed everything, and by that the policies of its roles decide.
pub fn delegates_to_account(policy: &str, account: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    statements(&policy).iter().any(|statement| {
        statement["Effect"] == "Allow"
            && texts(&statement["Action"]).contains(&"kms:*")
            && texts(&statement["Principal"]["AWS"])
                .iter()
                .any(|who| *who == account || who.ends_with(&format!("::{account}:root")))
    })
}

fn statements(policy: &Value) -> Vec<&Value> {
    match &policy["Statement"] {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_that_is_asked_for_is_the_one_that_is_looked_for() {
        let statement = logs_statement("aws", "eu-west-1", "123456789012", "disa", "devl");
        let policy = json!({ "Statement": [statement] }).to_string();
        assert!(lets_logs_in(&policy, "eu-west-1"));
        assert!(!lets_logs_in(&policy, "us-east-1"));
        assert!(!lets_logs_in("not json", "eu-west-1"));
    }

    #[test]
    fn the_alarms_need_both_actions_and_a_statement_of_their_own() {
        let statement = alarms_statement("aws", "eu-west-1", "123456789012", "disa", "devl");
        assert!(lets_alarms_in(&json!({ "Statement": [statement] }).to_string()));
        let mut half = statement.clone();
        half["Action"] = json!(["kms:Decrypt"]);
        let mut rest = statement;
        rest["Action"] = json!("kms:GenerateDataKey*");
        assert!(!lets_alarms_in(&json!({ "Statement": [half] }).to_string()));
        assert!(lets_alarms_in(&json!({ "Statement": [half, rest] }).to_string()));
        let logs = logs_statement("aws", "eu-west-1", "123456789012", "disa", "devl");
        assert!(!lets_alarms_in(&json!({ "Statement": [logs] }).to_string()));
    }

    /// The key that the stack makes lets in whom an operator's own key is asked to let in.
    #[test]
    fn the_key_of_the_stack_has_the_same_statements() {
        let template = crate::stack::bundle::root_template();
        for part in ["cloudwatch.amazonaws.com", "kms:GenerateDataKey*", "aws:SourceAccount: !Ref AWS::AccountId"] {
            assert!(template.contains(part), "{part}");
        }
        let arn = alarms_statement(
            "${AWS::Partition}",
            "${AWS::Region}",
            "${AWS::AccountId}",
            "${ProjectName}",
            "${Environment}",
        );
        let arn = arn["Condition"]["ArnLike"]["aws:SourceArn"].as_str().expect("an ARN");
        assert!(template.contains(&format!("aws:SourceArn: !Sub \"{arn}\"")), "{arn}");
    }

    #[test]
    fn the_default_policy_of_a_key_delegates() {
        let policy = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}}"#;
        assert!(delegates_to_account(policy, "123456789012"));
        assert!(!delegates_to_account(policy, "210987654321"));
        assert!(!lets_logs_in(policy, "eu-west-1"));
    }
}
