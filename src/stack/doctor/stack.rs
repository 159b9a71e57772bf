//! The credentials' reach: region, stack, email, and what the last drift detection found.

use std::collections::BTreeMap;

use super::{Fact, Finding};
use crate::stack::site::Site;
use crate::stack::status::{Next, next};

/// A stack, as far as it is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    pub id: String,
    pub status: String,
    pub tags: BTreeMap<String, String>,
    pub parameters: BTreeMap<String, String>,
    pub outputs: BTreeMap<String, String>,
}

impl Deployed {
    /// Whether there is something in it that an update would change.
    pub fn is_there(&self) -> bool {
        !matches!(next(Some(&self.status)), Next::Create | Next::Recreate)
    }
}

/// Whether the region answers. These credentials are good: they were just asked who they are.
pub fn region(site: &Site, stack: &Fact<Option<Deployed>>) -> Vec<Finding> {
    let region = &site.region;
    vec![match stack {
        Err(unread) if matches!(unread.code.as_str(), "InvalidClientTokenId" | "UnrecognizedClientException") => {
            Finding::problem(format!("{region} is not enabled in the account {}", site.account))
                .fix("enable it in the account's settings, or take another: `--region NAME`")
        }
        Err(unread) if matches!(unread.code.as_str(), "NoAnswer" | "Timeout") => {
            Finding::problem(format!("nothing answers for {region}: {}", unread.text))
                .fix("check the name and the network, or take another: `--region NAME`")
        }
        _ => Finding::ok(region),
    }]
}

pub fn stack(site: &Site, stack: Option<&Deployed>) -> Vec<Finding> {
    let name = site.names.stack();
    let Some(stack) = stack else { return vec![Finding::ok("not there yet: a deployment makes it")] };
    // A stack in review has not yet got the tags of its change set: see `aws::cloudformation::Stack::is_of`.
    let is_there = !matches!(stack.status.as_str(), "DELETE_COMPLETE" | "REVIEW_IN_PROGRESS");
    if is_there && stack.tags.get("ProjectName") != Some(&site.names.project) {
        return vec![
            Finding::problem(format!("the stack {name} was not made by `disa deploy`"))
                .fix("take another name: `--project NAME`"),
        ];
    }
    let status = &stack.status;
    vec![match next(Some(status)) {
        Next::Join => Finding::warning(format!("another operation runs on {name}: it is {status}"))
            .fix("a deployment waits for its end; `disa deploy --attach` shows it"),
        Next::Recreate | Next::Continue => Finding::warning(format!("{name} permits no update: it is {status}"))
            .fix("`disa diagnose` says why, and `disa deploy` repairs it"),
        Next::Unknown => Finding::problem(format!("Disa does not know the status of {name}: {status}"))
            .fix("look at it in the CloudFormation console"),
        Next::Create | Next::Update => Finding::ok(format!("{name} is {status}")),
    }]
}

pub fn email(unconfirmed: &[String]) -> Vec<Finding> {
    let waits = |address: &String| {
        Finding::warning(format!("{address} has not confirmed the subscription"))
            .fix("follow the link in the mail that SNS sent, or subscribe again")
    };
    match unconfirmed {
        [] => vec![Finding::ok("none waits for a confirmation")],
        some => some.iter().map(waits).collect(),
    }
}

/// What the last detections found, by the names of the stacks.
pub fn drift(last: &[(String, String)]) -> Vec<Finding> {
    let of = |status: &str| {
        let names = last.iter().filter(|(_, found)| found == status).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    vec![match (of("DRIFTED"), of("NOT_CHECKED")) {
        (drifted, _) if !drifted.is_empty() => {
            Finding::warning(format!("when it was last looked at, there was drift in {drifted}"))
                .fix("look again: `disa drift`")
        }
        (_, unknown) if !unknown.is_empty() => {
            Finding::not_checked("nobody has looked for it since the stack was made or changed")
                .fix("look: `disa drift`")
        }
        _ => Finding::ok("none when it was last looked for"),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::{Outcome, Unread};
    use super::*;
    use crate::stack::site::tests::site;

    fn deployed(status: &str, project: &str) -> Deployed {
        Deployed {
            id: "arn".into(),
            status: status.into(),
            tags: [("ProjectName".to_owned(), project.to_owned())].into(),
            parameters: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }

    #[test]
    fn a_stack_that_is_not_ours_is_a_problem_and_what_deploy_repairs_a_warning() {
        let outcome = |found: Option<&Deployed>| stack(&site(), found)[0].outcome;
        assert_eq!(outcome(None), Outcome::Ok);
        for status in ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"] {
            assert_eq!(outcome(Some(&deployed(status, "disa"))), Outcome::Ok, "{status}");
        }
        assert_eq!(outcome(Some(&deployed("CREATE_COMPLETE", "another"))), Outcome::Problem);
        assert_eq!(outcome(Some(&deployed("DELETE_COMPLETE", "another"))), Outcome::Ok);
        for status in ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE"] {
            let finding = stack(&site(), Some(&deployed(status, "disa"))).remove(0);
            assert!(finding.outcome == Outcome::Warning && finding.fix.is_some(), "{finding:?}");
        }
    }

    #[test]
    fn a_region_is_told_from_a_permission() {
        let error = |code: &str| Unread { code: code.into(), text: "t".into(), denied: code == "AccessDenied" };
        let outcome = |code: &str| region(&site(), &Err(error(code)))[0].outcome;
        assert_eq!(outcome("InvalidClientTokenId"), Outcome::Problem);
        assert_eq!(outcome("NoAnswer"), Outcome::Problem);
        assert_eq!(outcome("AccessDenied"), Outcome::Ok);
        assert_eq!(region(&site(), &Ok(None))[0].outcome, Outcome::Ok);
    }

    #[test]
    fn mail_and_drift_are_told_by_name() {
        assert_eq!(email(&[])[0].outcome, Outcome::Ok);
        assert!(email(&["a@b".into()])[0].found.contains("a@b"));
        let of = |all: &[(&str, &str)]| {
            let all: Vec<_> = all.iter().map(|(n, s)| ((*n).to_owned(), (*s).to_owned())).collect();
            drift(&all).remove(0)
        };
        assert_eq!(of(&[("A", "IN_SYNC"), ("B", "IN_SYNC")]).outcome, Outcome::Ok);
        assert_eq!(of(&[("A", "IN_SYNC"), ("B", "NOT_CHECKED")]).outcome, Outcome::NotChecked);
        let found = of(&[("A", "NOT_CHECKED"), ("SNSStack", "DRIFTED")]);
        assert!(found.outcome == Outcome::Warning && found.found.contains("SNSStack"), "{found:?}");
    }
}
