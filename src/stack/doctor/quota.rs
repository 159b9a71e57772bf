//! Quotas near their limit.

use super::{Finding, Use};

/// The stacks of a deployment: the root and its nested ones.
pub const STACKS: u32 = 10;
/// The roles of a deployment.
pub const ROLES: u32 = 5;
/// Lambda keeps so much concurrency for functions that reserve none (Lambda developer guide, "Configuring
/// reserved concurrency for a function").
const UNRESERVED: i32 = 100;

/// How many invocations may run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concurrency {
    pub all: i32,
    pub unreserved: i32,
}

/// Warns from 80 % on. `needed` are still to come; `source` is where the numbers are from.
pub fn near(what: &str, found: Use, needed: u32, source: &str) -> Vec<Finding> {
    let Use { used, limit } = found;
    let (wanted, limit_) = (u64::from(used) + u64::from(needed), u64::from(limit));
    let said = format!("{used} of {limit} {what} ({source})");
    let fix = format!("delete some, or ask for more in Service Quotas: {what}");
    vec![match () {
        () if limit == 0 => Finding::not_checked(format!("{source} names no limit of {what}")),
        () if wanted > limit_ => Finding::problem(format!("{said}, and a deployment needs {needed} more")).fix(fix),
        () if wanted * 10 >= limit_ * 8 => Finding::warning(said).fix(fix),
        () => Finding::ok(said),
    }]
}

/// `wanted` is what the process function is to reserve, `reserved` what it has reserved already.
pub fn concurrency(found: Concurrency, wanted: i32, reserved: i32) -> Vec<Finding> {
    let Concurrency { all, unreserved } = found;
    let left = unreserved + reserved - wanted;
    let said = format!("{unreserved} of {all} invocations at once are unreserved (Lambda GetAccountSettings)");
    vec![match () {
        () if wanted > 0 && left < UNRESERVED => {
            Finding::problem(format!("{said}; reserving {wanted} would leave {left}, and Lambda demands {UNRESERVED}"))
                .fix("reserve less: `disa deploy --set LambdaReservedConcurrency=0`, or ask for more in Service Quotas")
        }
        () if unreserved < UNRESERVED => Finding::warning(said)
            .fix("ask for more in Service Quotas (Lambda, concurrent executions); new accounts begin with few"),
        () => Finding::ok(said),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn a_quota_warns_from_four_fifths_on_and_refuses_above() {
        let outcome = |used, limit, needed| near("stacks", Use { used, limit }, needed, "S")[0].outcome;
        assert_eq!(outcome(150, 200, 9), Outcome::Ok);
        assert_eq!(outcome(151, 200, 9), Outcome::Warning);
        assert_eq!(outcome(191, 200, 9), Outcome::Warning);
        assert_eq!(outcome(192, 200, 9), Outcome::Problem);
        assert_eq!(outcome(200, 200, 0), Outcome::Warning);
        assert_eq!(outcome(5, 0, 9), Outcome::NotChecked);
    }

    #[test]
    fn a_hundred_stay_unreserved() {
        let outcome = |all, unreserved, wanted, reserved| {
            concurrency(Concurrency { all, unreserved }, wanted, reserved)[0].outcome
        };
        assert_eq!(outcome(1000, 1000, 0, 0), Outcome::Ok);
        assert_eq!(outcome(1000, 1000, 900, 0), Outcome::Ok);
        assert_eq!(outcome(1000, 1000, 901, 0), Outcome::Problem);
        assert_eq!(outcome(1000, 100, 900, 900), Outcome::Ok);
        assert_eq!(outcome(10, 10, 0, 0), Outcome::Warning);
        assert_eq!(outcome(10, 10, 1, 0), Outcome::Problem);
    }

    #[test]
    fn the_templates_have_as_many_stacks_and_roles() {
        let count = |text: &str, kind: &str| text.matches(&format!("Type: {kind}\n")).count();
        let root = include_str!("../../../templates/disa-root-stack.yaml");
        let roles = include_str!("../../../templates/iam-role-stack.yaml");
        assert_eq!(1 + count(root, "AWS::CloudFormation::Stack"), STACKS as usize);
        assert_eq!(count(roles, "AWS::IAM::Role"), ROLES as usize);
    }
}
