mod access;
mod deployed;
mod examine;
mod names;

use std::process::ExitCode;

use clap::Args;
use clap_complete::CompletionCandidate;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::Output;
use crate::context::Context;
use crate::error::{Error, FINDING, Kind, Result};
use crate::stack::doctor::{self, CHECKS, Code, Outcome, Report, Row as Finding};
use crate::ui::listing::{Cell, Column, Columns, Listing, Row};
use crate::ui::{Tone, Ui, text};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa doctor\n  disa doctor --kms-key alias/mine --bucket my-artifacts\n  disa doctor --ignore D014 --exit-code\n  disa doctor -o json | jq '.items[] | select(.outcome == \"problem\")'\n  disa doctor --list\n\n`disa deploy` makes the same checks first: a problem stops it. What these credentials may not look at is\nnot checked, and the permission is named. Nothing is changed."
)]
pub struct Doctor {
    /// The key that the deployment is to use; else the stack's own
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,
    /// The bucket that the deployment is to use
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Do not count what this check finds; may be repeated
    #[arg(long, value_name = "CODE", value_parser = Code::parse, add = ArgValueCandidates::new(codes))]
    ignore: Vec<Code>,
    /// Exit with 3 if there is a problem or a warning
    #[arg(long)]
    exit_code: bool,
    /// Print the catalogue of the checks as Markdown, and check nothing
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    columns: Columns,
}

/// What a deployment is to be, as far as the checks must know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Intent<'a> {
    pub kms_key: Option<&'a str>,
    pub bucket: Option<&'a str>,
    /// Parameters that are set.
    pub set: &'a [(String, String)],
    pub target: Option<&'a str>,
}

impl Doctor {
    pub fn list(&self, ui: &Ui) -> Result<ExitCode> {
        ui.print(doctor::markdown().trim_end())?;
        Ok(ExitCode::SUCCESS)
    }

    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let mut listing = Listing::new(&context.ui, &self.columns)?;
        let intent = Intent { kms_key: self.kms_key.as_deref(), bucket: self.bucket.as_deref(), ..Intent::default() };
        let progress = context.ui.progress("examining", None);
        let report = Report::of(examine::examine(context, intent).await, &self.ignore);
        drop(progress);
        report.rows.iter().cloned().try_for_each(|row| listing.push(row))?;
        listing.finish()?;
        if context.ui.output == Output::Table {
            for row in report.rows.iter().filter(|row| row.is_finding() || row.fix.is_some() && !row.ignored) {
                context.ui.print(&told(&context.ui, row))?;
            }
        }
        let found = self.exit_code && report.has_findings();
        Ok(if found { ExitCode::from(FINDING) } else { ExitCode::SUCCESS })
    }
}

/// Makes all checks before a deployment: a problem stops it, a warning is told.
pub async fn preflight(context: &Context, intent: Intent<'_>, ignored: &[Code]) -> Result<Report> {
    let progress = context.ui.progress("examining", None);
    let report = Report::of(examine::examine(context, intent).await, ignored);
    drop(progress);
    // A key that could not be looked at fails a deployment half way, if it fails it.
    let is_told = |row: &&Finding| match row.outcome {
        Outcome::Warning => row.is_finding(),
        Outcome::NotChecked => row.is_about_key() && row.fix.is_some() && !row.ignored,
        _ => false,
    };
    for row in report.rows.iter().filter(is_told) {
        let fix = row.advice().into_iter().map(|fix| format!("\n  fix: {fix}")).collect::<String>();
        context.ui.warn(&format!("{} {}: {}{fix}", row.code, row.check, row.found));
    }
    let problems = doctor::problems(&report);
    let Some(first) = problems.first() else { return Ok(report) };
    let count = text::count(problems.len() as u64, "problem");
    let mut error = Error::new(Kind::Access, format!("nothing was deployed: {count} found beforehand"));
    for row in &problems {
        error = error.because(format!("{} {}: {}", row.code, row.check, row.found));
        error = row.advice().into_iter().fold(error, Error::hint);
    }
    Err(error.hint(format!("or pass it by: `{}`", context.again(&format!("deploy --ignore {}", first.code)))))
}

/// A finding in full.
fn told(ui: &Ui, row: &Finding) -> String {
    let head = ui.paint(tone(row.outcome), &format!("{} {}", row.code, row.outcome.as_str()));
    let advice = row.advice().into_iter().map(|advice| format!("\n  fix: {advice}")).collect::<String>();
    format!("\n{head}: {}\n  why: {}{advice}", row.found, row.why)
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Ok => Tone::Good,
        Outcome::Warning => Tone::Warning,
        Outcome::Problem => Tone::Bad,
        Outcome::NotChecked => Tone::Faint,
    }
}

/// The codes, for a shell that completes.
pub fn codes() -> Vec<CompletionCandidate> {
    CHECKS.iter().map(|check| CompletionCandidate::new(check.code.id()).help(Some(check.title.into()))).collect()
}

impl Row for Finding {
    const NOUN: &'static str = "result";
    const COLUMNS: &'static [Column] = &[
        Column::usual("code"),
        Column::usual("outcome"),
        Column::usual("check"),
        Column::usual("found"),
        Column::asked("fix"),
        Column::asked("actions"),
    ];

    fn cell(&self, column: &str) -> Cell {
        match column {
            "code" => Cell::Text(self.code.clone()),
            "outcome" if self.ignored => Cell::Toned(Tone::Faint, format!("{}, ignored", self.outcome.as_str())),
            "outcome" => Cell::Toned(tone(self.outcome), self.outcome.as_str().to_owned()),
            "check" => Cell::Text(self.check.to_owned()),
            "found" => Cell::Text(self.found.clone()),
            "fix" => self.fix.clone().map_or(Cell::Empty, Cell::Text),
            _ => Cell::Text(self.actions.to_owned()),
        }
    }
}
