//! The checks, as data.

use std::fmt::Write;

/// One check; its number is its place in the catalogue, and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Credentials,
    Region,
    Stack,
    Permissions,
    Bucket,
    BucketSettings,
    Key,
    KeyForLogs,
    KeyForRoles,
    StackQuota,
    RoleQuota,
    Concurrency,
    Names,
    Email,
    Architecture,
    Variables,
    Drift,
}

#[derive(Clone, Copy, Debug)]
pub struct Check {
    pub code: Code,
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// The IAM actions that looking needs.
    pub actions: &'static str,
}

pub const CHECKS: [Check; 17] = [
    Check {
        code: Code::Credentials,
        title: "Credentials",
        why: "Without valid credentials nothing can be asked or done.",
        actions: "sts:GetCallerIdentity",
    },
    Check {
        code: Code::Region,
        title: "Region",
        why: "A region that is misspelled, or not enabled in the account, answers nothing.",
        actions: "cloudformation:DescribeStacks",
    },
    Check {
        code: Code::Stack,
        title: "Stack",
        why: "A stack of the same name that Disa did not make is not touched, nor one that permits no update.",
        actions: "cloudformation:DescribeStacks",
    },
    Check {
        code: Code::Permissions,
        title: "Permissions",
        why: "A deployment that lacks one permission fails half way, and is rolled back.",
        actions: "iam:SimulatePrincipalPolicy, iam:GetRole",
    },
    Check {
        code: Code::Bucket,
        title: "Bucket",
        why: "Artifacts go only to a bucket of this account, in this region: bucket names are global, and another's bucket could hand out other code.",
        actions: "s3:ListBucket",
    },
    Check {
        code: Code::BucketSettings,
        title: "Bucket settings",
        why: "The bucket holds the code that runs: it must be private, encrypted, versioned, and for TLS only.",
        actions: "s3:GetBucketPolicy, s3:GetBucketPublicAccessBlock, s3:GetBucketVersioning, s3:GetEncryptionConfiguration",
    },
    Check {
        code: Code::Key,
        title: "Key",
        why: "Everything is encrypted with one key: enabled, symmetric, customer-managed, of this account and region.",
        actions: "kms:DescribeKey",
    },
    Check {
        code: Code::KeyForLogs,
        title: "Key for logs",
        why: "CloudWatch Logs uses the key as a service: the key's policy itself must let it in, or no log group can be made.",
        actions: "kms:GetKeyPolicy",
    },
    Check {
        code: Code::KeyForRoles,
        title: "Key for roles",
        why: "Table, topic and queues are used with the key on behalf of whoever calls: the key's policy must let the roles in, or leave it to their own policies.",
        actions: "kms:GetKeyPolicy",
    },
    Check {
        code: Code::StackQuota,
        title: "Stack quota",
        why: "Each nested stack counts: a deployment makes ten.",
        actions: "cloudformation:DescribeAccountLimits, cloudformation:ListStacks",
    },
    Check {
        code: Code::RoleQuota,
        title: "Role quota",
        why: "Each function, the state machine and the schedule have a role of their own: five.",
        actions: "iam:GetAccountSummary",
    },
    Check {
        code: Code::Concurrency,
        title: "Concurrency",
        why: "Lambda refuses a reservation that leaves fewer than 100 unreserved; where few functions run at once, deliveries wait.",
        actions: "lambda:GetAccountSettings",
    },
    Check {
        code: Code::Names,
        title: "Names",
        why: "CloudFormation fails on a name that something else has.",
        actions: "cloudformation:ListStackResources, dynamodb:DescribeTable, lambda:GetFunctionConfiguration, logs:DescribeLogGroups, sns:GetTopicAttributes, sqs:GetQueueUrl, states:DescribeStateMachine, cloudwatch:DescribeAlarms, scheduler:GetSchedule",
    },
    Check {
        code: Code::Email,
        title: "Email",
        why: "A subscription that nobody confirmed gets nothing, and SNS forgets it.",
        actions: "sns:ListSubscriptionsByTopic",
    },
    Check {
        code: Code::Architecture,
        title: "Architecture",
        why: "A function runs only code that is built for its processor.",
        actions: "lambda:GetFunctionConfiguration",
    },
    Check {
        code: Code::Variables,
        title: "Variables",
        why: "A variable changed by hand stays changed: a deployment sees parameters, not variables.",
        actions: "lambda:GetFunctionConfiguration",
    },
    Check {
        code: Code::Drift,
        title: "Drift",
        why: "What was changed by hand behaves otherwise than the template says, and an update may undo it or fail.",
        actions: "cloudformation:DescribeStacks, cloudformation:ListStackResources",
    },
];

impl Code {
    /// `D001`.
    pub fn id(self) -> String {
        format!("D{:03}", self as usize + 1)
    }

    pub fn check(self) -> &'static Check {
        &CHECKS[self as usize]
    }

    /// Reads a code from the command line.
    pub fn parse(text: &str) -> Result<Code, String> {
        let found = CHECKS.iter().find(|check| check.code.id().eq_ignore_ascii_case(text));
        found
            .map(|check| check.code)
            .ok_or_else(|| format!("there is no check `{text}`: `disa doctor --list` has them"))
    }
}

/// The catalogue as a page.
pub fn markdown() -> String {
    let mut out = String::from("# Checks of `disa doctor`\n\nGenerated from the catalogue: `disa doctor --list`.\n\n");
    out.push_str("`disa deploy` makes the same checks first. A problem stops it; `--ignore CODE` passes one by.\n\n");
    out.push_str("| code | check | why | IAM actions that looking needs |\n|---|---|---|---|\n");
    for check in &CHECKS {
        let _ = writeln!(out, "| {} | {} | {} | {} |", check.code.id(), check.title, check.why, check.actions);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_at_its_place_and_is_read_back() {
        for (at, check) in CHECKS.iter().enumerate() {
            assert_eq!(check.code as usize, at);
            assert_eq!(Code::parse(&check.code.id().to_lowercase()), Ok(check.code));
            let action =
                |one: &str| one.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
            assert!(check.actions.split(", ").all(action), "{check:?}");
        }
        assert_eq!(Code::Concurrency.id(), "D012");
        assert!(Code::parse("D000").is_err() && Code::parse("D018").is_err());
    }

    #[test]
    fn the_page_is_what_the_catalogue_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/doctor.md");
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(stored == markdown(), "docs/doctor.md is old: `cargo run -- doctor --list > docs/doctor.md`");
    }
}
