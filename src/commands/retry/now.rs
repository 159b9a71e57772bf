use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use outbox::EpochMs;
use outbox::names::Function;
use serde::{Deserialize, Serialize};

use crate::aws::lambda::Answer;
use crate::context::{Context, pause};
use crate::error::{Doing, Error, Kind, Result};
use crate::ui::text::count;
use crate::ui::{Tone, Ui, View};

/// Ids in one request: an invocation takes 6 MB (Lambda quotas), and an id may have 2 KB.
const IDS_PER_REQUEST: usize = 500;
/// So many requests in a row that claim nothing end a run: what remains is in somebody else's hands.
const IDLE_LIMIT: usize = 3;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa retry now\n  disa retry now --dry-run\n  disa retry now --id order-66 --id order-67\n\nWhile the breaker is open one message goes out as a probe; when it is delivered the breaker closes."
)]
pub struct Now {
    /// Only this message (repeatable)
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// Count, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What the retry function answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Round {
    claimed: u64,
    started: u64,
    remaining: u64,
    skipped: Vec<Skipped>,
    breaker_open: bool,
    probe: Option<String>,
    before: EpochMs,
    error: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Skipped {
    sequence_no: String,
    reason: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retried {
    claimed: u64,
    started: u64,
    remaining: u64,
    dry_run: bool,
    breaker_open: bool,
    probe: Option<String>,
    skipped: Vec<Skipped>,
    /// Of the last request.
    #[serde(skip)]
    last_claimed: u64,
}

impl Now {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let mut ids = self.ids.clone();
        ids.sort();
        ids.dedup();
        let retried = match ids.is_empty() {
            true => all(context, self.dry_run).await?,
            false => chosen(context, &ids, self.dry_run).await?,
        };
        context.ui.show(&retried)?;
        Ok(match &retried {
            done if done.dry_run || (done.remaining == 0 && done.skipped.is_empty()) => ExitCode::SUCCESS,
            none if none.claimed == 0 && !none.skipped.is_empty() && none.remaining == 0 => {
                ExitCode::from(Kind::Failed as u8)
            }
            _ => ExitCode::from(Kind::Partial as u8),
        })
    }
}

/// Tries again all that has failed, until nothing remains.
async fn all(context: &Context, dry_run: bool) -> Result<Retried> {
    let mut total = Retried { dry_run, ..Retried::default() };
    let mut before: Option<EpochMs> = None;
    let mut idle = 0;
    let progress = context.ui.progress("retrying", Some(0));
    loop {
        let request = serde_json::json!({ "select": "all", "before": before, "dryRun": dry_run });
        let round = invoke(context, &request).await?;
        before = Some(round.before);
        total.add(round)?;
        progress.total(total.claimed + total.remaining);
        progress.advance(total.claimed.saturating_sub(progress.position()));
        let claimed_nothing = total.last_claimed == 0;
        idle = if claimed_nothing { idle + 1 } else { 0 };
        if dry_run || total.remaining == 0 || total.breaker_open || idle >= IDLE_LIMIT {
            return Ok(total);
        }
        if claimed_nothing {
            pause(Duration::from_millis(300)).await;
        }
    }
}

async fn chosen(context: &Context, ids: &[String], dry_run: bool) -> Result<Retried> {
    let mut total = Retried { dry_run, ..Retried::default() };
    for ids in ids.chunks(IDS_PER_REQUEST) {
        let earlier = total.remaining;
        let request = serde_json::json!({ "select": "ids", "ids": ids, "dryRun": dry_run });
        total.add(invoke(context, &request).await?)?;
        total.remaining += earlier;
    }
    Ok(total)
}

async fn invoke(context: &Context, request: &serde_json::Value) -> Result<Round> {
    let function = context.function(Function::Retry);
    let answer = match context.clients.lambda().invoke(&function, request).await {
        Err(error) if error.is("ResourceNotFoundException") => {
            return Err(Error::failed(format!("there is no retry function `{function}` here"))
                .hint(format!("deploy it: `{}`", context.again("deploy"))));
        }
        answer => answer.doing("invoke the retry function")?,
    };
    match answer {
        Answer::Done(value) => serde_json::from_value(value).map_err(|error| {
            Error::failed("the retry function gave an answer of another version")
                .because(error)
                .hint(format!("`{}`", context.again("deploy")))
        }),
        Answer::Failed(why) => Err(Error::failed("the retry function failed")
            .because(why)
            .hint("run the command again: what was claimed and not started is free when its lease is over")),
    }
}

impl Retried {
    fn add(&mut self, round: Round) -> Result<()> {
        self.claimed += round.claimed;
        self.last_claimed = round.claimed;
        self.started += round.started;
        self.remaining = round.remaining;
        self.breaker_open = round.breaker_open;
        self.probe = round.probe.or(self.probe.take());
        self.skipped.extend(round.skipped);
        match round.error {
            None => Ok(()),
            Some(why) => Err(Error::new(
                Kind::Partial,
                format!(
                    "the retry stopped: {} claimed, {} started, {} remaining",
                    self.claimed, self.started, self.remaining
                ),
            )
            .because(why)
            .hint("run the command again: it goes on with what remains")),
        }
    }
}

impl View for Retried {
    fn text(&self, ui: &Ui) -> String {
        let mut lines = vec![];
        if self.dry_run {
            lines.push(format!("{} would be tried again; nothing was changed", count(self.remaining, "message")));
        } else {
            lines.push(format!(
                "Claimed {}, started {}, {} remaining",
                count(self.claimed, "message"),
                count(self.started, "execution"),
                self.remaining
            ));
        }
        if self.breaker_open {
            lines.push(ui.paint(
                Tone::Warning,
                "The breaker is open: SNS takes nothing. One message at a time goes out as a probe.",
            ));
            let probe = self.probe.as_deref().unwrap_or("nothing is there to probe with");
            lines.push(format!(
                "Probe: {probe}. When it is delivered the breaker closes: see `disa status`, then run this again."
            ));
        }
        lines.extend(self.skipped.iter().map(|skipped| format!("Skipped {}: {}", skipped.sequence_no, skipped.reason)));
        lines.join("\n")
    }
}
