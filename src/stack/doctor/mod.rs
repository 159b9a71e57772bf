//! What is examined before a deployment: the catalogue of checks, and how facts are judged. Pure functions
//! over domain types; `commands::doctor` gathers the facts.

pub mod bucket;
mod catalogue;
pub mod function;
pub mod key;
pub mod name;
pub mod permission;
pub mod quota;
mod report;
pub mod stack;

use gateway::ServiceError;
use serde_json::Value;

pub use catalogue::{CHECKS, Code, markdown};
pub use report::{Report, Row, problems};

/// A fact, or why it could not be read.
pub type Fact<T> = Result<T, Unread>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    pub code: String,
    pub text: String,
    /// For lack of a permission.
    pub denied: bool,
}

impl From<ServiceError> for Unread {
    fn from(error: ServiceError) -> Unread {
        let denied = ["AccessDenied", "AuthorizationError", "UnauthorizedOperation"];
        let denied = denied.iter().any(|code| error.code.starts_with(code));
        Unread { code: error.code, text: error.text, denied }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Ok,
    /// A deployment goes through, and something is not as it should be.
    Warning,
    /// A deployment fails, or does harm.
    Problem,
    NotChecked,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Warning => "warning",
            Outcome::Problem => "problem",
            Outcome::NotChecked => "not checked",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub outcome: Outcome,
    pub found: String,
    pub fix: Option<String>,
    /// What is to be added to a policy.
    pub statement: Option<Value>,
}

impl Finding {
    fn new(outcome: Outcome, found: impl Into<String>) -> Finding {
        Finding { outcome, found: found.into(), fix: None, statement: None }
    }
    pub fn ok(found: impl Into<String>) -> Finding {
        Finding::new(Outcome::Ok, found)
    }
    pub fn warning(found: impl Into<String>) -> Finding {
        Finding::new(Outcome::Warning, found)
    }
    pub fn problem(found: impl Into<String>) -> Finding {
        Finding::new(Outcome::Problem, found)
    }
    pub fn not_checked(found: impl Into<String>) -> Finding {
        Finding::new(Outcome::NotChecked, found)
    }
    pub fn fix(self, fix: impl Into<String>) -> Finding {
        Finding { fix: Some(fix.into()), ..self }
    }
}

/// Judges a fact; one that could not be read is not checked.
pub fn judge<T>(code: Code, fact: &Fact<T>, judgement: impl FnOnce(&T) -> Vec<Finding>) -> Vec<Row> {
    let findings = match fact {
        Ok(fact) => judgement(fact),
        Err(unread) => vec![not_read(code, unread)],
    };
    findings.into_iter().map(|finding| Row::of(code, finding)).collect()
}

fn not_read(code: Code, unread: &Unread) -> Finding {
    match unread.denied {
        true => Finding::not_checked("these credentials may not look").fix(format!("grant {}", code.check().actions)),
        false => Finding::not_checked(format!("{}: {}", unread.code, unread.text)),
    }
}

/// So much of a quota is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    pub used: u32,
    pub limit: u32,
}

impl Use {
    pub fn of(used: i32, limit: i32) -> Use {
        Use { used: u32::try_from(used).unwrap_or(0), limit: u32::try_from(limit).unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_checked_and_names_the_permission() {
        let error = |code: &str, status| {
            Unread::from(ServiceError { code: code.into(), text: "t".into(), status: Some(status), request_id: None })
        };
        let judged = |unread| judge::<()>(Code::Key, &Err(unread), |()| vec![Finding::ok("x")]);
        for denied in [error("AccessDeniedException", 400), error("AuthorizationErrorException", 403)] {
            let rows = judged(denied);
            assert_eq!(rows[0].outcome, Outcome::NotChecked);
            assert_eq!(rows[0].fix.as_deref(), Some("grant kms:DescribeKey"));
        }
        let rows = judged(error("InvalidAction", 400));
        assert_eq!((rows[0].found.as_str(), rows[0].fix.as_deref()), ("InvalidAction: t", None));
        assert_eq!(judge(Code::Key, &Ok(()), |()| vec![Finding::ok("x")])[0].outcome, Outcome::Ok);
    }
}
