//! What the checks came to.

use serde::Serialize;
use serde_json::Value;

use super::{Code, Finding, Outcome};

/// One finding of one check.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub code: String,
    pub check: &'static str,
    pub outcome: Outcome,
    pub found: String,
    pub fix: Option<String>,
    /// A statement to add to a policy.
    pub statement: Option<Value>,
    pub why: &'static str,
    /// The IAM actions that looking needs.
    pub actions: &'static str,
    /// Asked to be passed by.
    pub ignored: bool,
}

impl Row {
    pub fn of(code: Code, finding: Finding) -> Row {
        let check = code.check();
        Row {
            code: code.id(),
            check: check.title,
            outcome: finding.outcome,
            found: finding.found,
            fix: finding.fix,
            statement: finding.statement,
            why: check.why,
            actions: check.actions,
            ignored: false,
        }
    }

    /// What to do about it, with the statement to add.
    pub fn advice(&self) -> Vec<String> {
        let statement = self.statement.as_ref().and_then(|statement| serde_json::to_string_pretty(statement).ok());
        let fix = self.fix.iter().cloned();
        fix.chain(statement.map(|text| format!("add this statement to the key's policy:\n{text}"))).collect()
    }

    /// Whether it speaks of the key that encrypts everything.
    pub fn is_about_key(&self) -> bool {
        [Code::Key, Code::KeyForLogs, Code::KeyForRoles].iter().any(|code| code.id() == self.code)
    }

    /// Whether it is something to do.
    pub fn is_finding(&self) -> bool {
        matches!(self.outcome, Outcome::Warning | Outcome::Problem) && !self.ignored
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub rows: Vec<Row>,
}

impl Report {
    /// The rows in the order of the catalogue, with the checks that were asked to be passed by marked.
    pub fn of(mut rows: Vec<Row>, ignored: &[Code]) -> Report {
        for row in &mut rows {
            row.ignored = ignored.iter().any(|code| code.id() == row.code);
        }
        rows.sort_by(|a, b| a.code.cmp(&b.code));
        Report { rows }
    }

    pub fn has_findings(&self) -> bool {
        self.rows.iter().any(Row::is_finding)
    }
}

/// The rows that stop a deployment.
pub fn problems(report: &Report) -> Vec<&Row> {
    report.rows.iter().filter(|row| row.is_finding() && row.outcome == Outcome::Problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_shown_and_stops_nothing() {
        let rows = vec![
            Row::of(Code::Variables, Finding::warning("w")),
            Row::of(Code::Key, Finding::problem("p")),
            Row::of(Code::Email, Finding::not_checked("n")),
        ];
        let report = Report::of(rows.clone(), &[]);
        assert_eq!(report.rows[0].code, "D007");
        assert_eq!((problems(&report).len(), report.has_findings()), (1, true));
        let report = Report::of(rows.clone(), &[Code::Key]);
        assert_eq!((problems(&report).len(), report.has_findings(), report.rows.len()), (0, true, 3));
        let report = Report::of(rows, &[Code::Key, Code::Variables]);
        assert!(!report.has_findings());
    }
}
