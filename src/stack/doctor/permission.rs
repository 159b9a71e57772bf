//! What a deployment must be permitted, and what the simulation of the caller's policies says.

use super::Finding;
use crate::stack::site::Site;

/// Whom to simulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A user.
    User(String),
    /// A role, by its name: the ARN of a session does not tell the role's path.
    Role(String),
    /// It cannot be simulated: why.
    None(&'static str),
}

/// Of the caller's ARN. Only users, groups and roles can be simulated (IAM API reference,
/// `SimulatePrincipalPolicy`).
pub fn principal(caller: &str) -> Principal {
    let resource = caller.splitn(6, ':').nth(5).unwrap_or_default();
    match resource.split_once('/') {
        Some(("user", _)) => Principal::User(caller.to_owned()),
        Some(("assumed-role", rest)) => Principal::Role(rest.split('/').next().unwrap_or_default().to_owned()),
        Some(("federated-user", _)) => Principal::None("a federated user cannot be simulated"),
        _ if resource == "root" => Principal::None("the root user may do everything, and cannot be simulated"),
        _ => Principal::None("this kind of caller cannot be simulated"),
    }
}

/// What IAM says of one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub action: String,
    pub allowed: bool,
    /// Keys of conditions whose values the simulation did not know.
    pub unknown: Vec<String>,
}

/// Actions on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub resource: String,
    pub actions: Vec<&'static str>,
}

/// What a deployment does as the caller: CloudFormation makes the resources with the caller's permissions
/// (CloudFormation user guide, "Control access with IAM").
pub fn needs(site: &Site, bucket: &str, key: Option<&str>) -> Vec<Need> {
    let names = &site.names;
    let need = |resource: String, actions: &[&'static str]| Need { resource, actions: actions.to_vec() };
    let stack = |suffix: &str| site.arn("cloudformation", &format!("stack/{}{suffix}/*", names.stack()));
    let role = format!("arn:{}:iam::{}:role/{}-role", site.partition, site.account, names.stack());
    let bucket = format!("arn:{}:s3:::{bucket}", site.partition);
    let mut all = vec![
        need(stack(""), &STACK),
        need(stack("-SNSStack"), &NESTED_STACK),
        need(bucket.clone(), &BUCKET),
        need(format!("{bucket}/*"), &["s3:GetObject", "s3:PutObject"]),
        need(site.arn("dynamodb", &format!("table/{}", names.table())), &TABLE),
        need(site.topic(), &["sns:CreateTopic", "sns:GetTopicAttributes", "sns:SetTopicAttributes", "sns:TagResource"]),
        need(
            site.arn("sqs", &names.stream_dead_letters()),
            &["sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes", "sqs:TagQueue"],
        ),
        need(site.arn("lambda", &format!("function:{}", names.function(outbox::names::Function::Process))), &FUNCTION),
        need("*".to_owned(), &["lambda:CreateEventSourceMapping", "lambda:GetEventSourceMapping"]),
        need(role, &ROLE),
        need(site.state_machine(), &STATE_MACHINE),
        need(
            site.arn("scheduler", &format!("schedule/default/{}", names.schedule())),
            &["scheduler:CreateSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule"],
        ),
        need(
            site.arn("cloudwatch", &format!("alarm:{}", names.alarm())),
            &["cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"],
        ),
        need(
            format!("arn:{}:cloudwatch::{}:dashboard/{}", site.partition, site.account, names.dashboard()),
            &["cloudwatch:GetDashboard", "cloudwatch:PutDashboard"],
        ),
        need(site.arn("logs", &format!("log-group:{}:*", site.state_machine_log())), &LOG_GROUP),
    ];
    all.push(match key {
        Some(arn) if arn.starts_with("arn:") => need(arn.to_owned(), &["kms:DescribeKey", "kms:CreateGrant"]),
        _ => need("*".to_owned(), &["kms:CreateKey", "kms:DescribeKey", "kms:CreateGrant"]),
    });
    all
}

const STACK: [&str; 8] = [
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStackResources",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:ListStackResources",
];
const NESTED_STACK: [&str; 4] = [
    "cloudformation:CreateStack",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:UpdateStack",
];
const BUCKET: [&str; 7] = [
    "s3:CreateBucket",
    "s3:GetBucketPolicy",
    "s3:ListBucket",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
];
const TABLE: [&str; 6] = [
    "dynamodb:CreateTable",
    "dynamodb:DescribeTable",
    "dynamodb:TagResource",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateTable",
    "dynamodb:UpdateTimeToLive",
];
const FUNCTION: [&str; 5] = [
    "lambda:CreateFunction",
    "lambda:GetFunction",
    "lambda:TagResource",
    "lambda:UpdateFunctionCode",
    "lambda:UpdateFunctionConfiguration",
];
const ROLE: [&str; 5] = ["iam:CreateRole", "iam:GetRole", "iam:PassRole", "iam:PutRolePolicy", "iam:TagRole"];
const STATE_MACHINE: [&str; 4] =
    ["states:CreateStateMachine", "states:DescribeStateMachine", "states:TagResource", "states:UpdateStateMachine"];
const LOG_GROUP: [&str; 5] = [
    "logs:AssociateKmsKey",
    "logs:CreateLogGroup",
    "logs:DescribeLogGroups",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
];

/// What the simulation refused. A refusal that hangs on a condition which the simulation could not know may be
/// none.
pub fn judge(principal: &str, decisions: &[Decision]) -> Vec<Finding> {
    let (open, refused): (Vec<&Decision>, Vec<&Decision>) =
        decisions.iter().filter(|one| !one.allowed).partition(|one| !one.unknown.is_empty());
    let list = |of: &[&Decision]| {
        let mut actions: Vec<&str> = of.iter().map(|one| one.action.as_str()).collect();
        actions.sort_unstable();
        actions.dedup();
        actions.join(", ")
    };
    let mut findings = vec![];
    if !refused.is_empty() {
        findings.push(
            Finding::problem(format!("{principal} may not {}", list(&refused)))
                .fix("ask for the permissions, or deploy as somebody else: `--profile NAME`"),
        );
    }
    if !open.is_empty() {
        let mut keys: Vec<&str> = open.iter().flat_map(|one| &one.unknown).map(String::as_str).collect();
        keys.sort_unstable();
        keys.dedup();
        findings.push(
            Finding::warning(format!("whether {principal} may {} hangs on {}", list(&open), keys.join(", ")))
                .fix("the simulation cannot know these conditions: compare them with the policies"),
        );
    }
    match findings.is_empty() {
        true => vec![Finding::ok(format!("{principal} may do all that a deployment does, by simulation"))],
        false => findings,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;
    use crate::stack::site::tests::site;

    #[test]
    fn users_and_roles_are_simulated_and_nobody_else() {
        let user = "arn:aws:iam::123456789012:user/people/ann";
        assert_eq!(principal(user), Principal::User(user.into()));
        let session = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0f/ann@example.com";
        assert_eq!(principal(session), Principal::Role("AWSReservedSSO_Admin_0f".into()));
        for caller in ["arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:federated-user/ann", "x"] {
            assert!(matches!(principal(caller), Principal::None(_)), "{caller}");
        }
    }

    #[test]
    fn every_need_names_actions_of_one_service_on_a_resource_of_it() {
        let all = needs(&site(), "b", None);
        for need in &all {
            for action in &need.actions {
                let service = action.split(':').next().unwrap_or_default();
                let of = need.resource.split(':').nth(2).unwrap_or(service);
                assert_eq!(of, service, "{need:?}");
            }
        }
        assert!(all.iter().any(|need| need.resource == "arn:aws:s3:::b"), "{all:?}");
        let key = "arn:aws:kms:eu-west-1:123456789012:key/1";
        let with_key = needs(&site(), "b", Some(key));
        assert!(!with_key.iter().any(|need| need.actions.contains(&"kms:CreateKey")));
        assert!(with_key.iter().any(|need| need.resource == key));
    }

    #[test]
    fn refusals_are_problems_and_unknown_conditions_warnings() {
        let decision = |action: &str, allowed, unknown: &[&str]| Decision {
            action: action.into(),
            allowed,
            unknown: unknown.iter().map(|key| (*key).to_owned()).collect(),
        };
        let good = decision("sns:CreateTopic", true, &["aws:RequestTag/x"]);
        assert_eq!(judge("ann", std::slice::from_ref(&good))[0].outcome, Outcome::Ok);
        let refused = decision("iam:CreateRole", false, &[]);
        let open = decision("iam:PassRole", false, &["iam:PassedToService"]);
        let found = judge("ann", &[good, refused.clone(), refused, open]);
        assert_eq!(found[0].found, "ann may not iam:CreateRole");
        assert_eq!(found[1].found, "whether ann may iam:PassRole hangs on iam:PassedToService");
        assert_eq!(found.iter().map(|one| one.outcome).collect::<Vec<_>>(), [Outcome::Problem, Outcome::Warning]);
    }
}
