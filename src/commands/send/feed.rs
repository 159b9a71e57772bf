use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::run::Run;
use super::sent::{Sent, TOLD};
use super::source::Source;
use crate::commands::interrupted;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::outbox::feed::{Format, Trouble};
use crate::outbox::pace::{Rate, rate};
use crate::ui::Ui;
use crate::ui::text::count;

/// What gives a single message. Clap asks for no `--from` beside what conflicts with it.
const ONE: [&str; 2] = ["message", "file"];

/// Many messages, of a file.
#[derive(Args, Debug)]
#[command(next_help_heading = "Many messages")]
pub struct Feed {
    /// Send every message of a file, JSON lines or CSV, gzip too; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["message", "file", "id", "subject", "attributes", "wait"])]
    from: Option<PathBuf>,
    /// How the file is written; by its name if not given: `.csv`, `.csv.gz`, else JSON lines
    #[arg(long, value_name = "FORMAT", value_enum, requires = "from", conflicts_with_all = ONE)]
    format: Option<Format>,
    /// No faster: 500/s, 90/m
    #[arg(long, value_name = "RATE", value_parser = rate, requires = "from", conflicts_with_all = ONE)]
    rate: Option<Rate>,
    /// Go on after so many lines, and do not look at these
    #[arg(long, value_name = "LINES", default_value_t = 0, hide_default_value = true, requires = "from", conflicts_with_all = ONE)]
    skip: u64,
    /// Check the file, and send nothing
    #[arg(long, requires = "from", conflicts_with_all = ONE)]
    dry_run: bool,
}

impl Feed {
    pub fn is_given(&self) -> bool {
        self.from.is_some()
    }

    pub async fn run(self, global: &crate::cli::Global, ui: Ui) -> Result<ExitCode> {
        let source = Source::new(self.from.as_deref().unwrap_or("-".as_ref()), self.format, self.skip)?;
        let prepare = async {
            // What can be read only once is checked as it is sent.
            let checked = match self.dry_run || source.size.is_some() {
                true => Some(check(&ui, &source).await?),
                false => None,
            };
            match checked {
                Some(mut checked) if self.dry_run || checked.lines == 0 => {
                    checked.dry_run = self.dry_run;
                    ui.show(&checked)?;
                    Ok(None)
                }
                checked => Ok(Some((Context::connect(global, ui).await?, checked.map(|checked| checked.lines)))),
            }
        };
        let prepared = tokio::select! {
            prepared = prepare => prepared?,
            _ = tokio::signal::ctrl_c() => return Err(interrupted()),
            () = crate::commands::terminated() => return Err(interrupted()),
        };
        match prepared {
            None => Ok(ExitCode::SUCCESS),
            Some((context, total)) => Run::new(&context, source, self.rate, self.skip, total).all().await,
        }
    }
}

/// Reads all of it once, and counts; an error names the bad lines.
async fn check(ui: &Ui, source: &Source) -> Result<Sent> {
    let progress = ui.progress(&format!("checking {}", source.name()), source.size);
    let (mut lines, mut bad, mut told) = (0, 0, vec![]);
    let reading = source.clone();
    let read = tokio::task::spawn_blocking(move || {
        for entry in reading.open(Some(progress))? {
            match entry {
                Ok(_) => lines += 1,
                Err(Trouble::Unreadable(error)) => return Err(error),
                Err(Trouble::Bad(line, reason)) => {
                    bad += 1;
                    if told.len() < TOLD {
                        told.push(format!("line {line}: {reason}"));
                    }
                }
            }
        }
        Ok((lines, bad, told))
    });
    let name = source.name();
    let unreadable = |why: String| Error::usage(format!("cannot read {name}; nothing was sent")).because(why);
    let read = read.await.map_err(|error| unreadable(error.to_string()))?;
    let (lines, bad, told) = read.map_err(|error| unreadable(error.to_string()))?;
    if bad == 0 {
        let mut checked = Sent::new(name, 0);
        checked.lines = lines;
        return Ok(checked);
    }
    let untold = bad - told.len() as u64;
    let error = Error::usage(format!("{name} has {}; nothing was sent", count(bad, "bad line")));
    let error = told.into_iter().fold(error, Error::because);
    Err(if untold > 0 { error.because(format!("and {untold} more")) } else { error })
}
