//! A run of `retry now`: chunk by chunk it asks the retry function to claim and start, and looks what becomes of
//! the messages. It holds only the ids that are on their way.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use futures::stream::LocalBoxStream;
use outbox::EpochMs;
use outbox::hold::Hold;
use outbox::item::Note;
use outbox::names::Function;
use serde::Deserialize;

use super::now::{Retried, STATUSES, is_free};
use crate::aws::dynamodb::DynamoDb;
use crate::aws::lambda::Answer;
use crate::commands::list::unreadable;
use crate::commands::selection::{Found, Selected, Selection};
use crate::context::{Context, pause};
use crate::error::{Doing, Error, Kind, Result};
use crate::outbox::pace::Rate;
use crate::outbox::tally::Skipped;
use crate::outbox::view::MessageView;
use crate::ui::Progress;
use crate::ui::text::{count, span};

/// Ids in one request: an invocation takes 6 MB (Lambda quotas), and an id may have 2 KB.
const CHUNK: usize = 500;
/// Ids in one request while the failures are watched: no more than these fail in vain.
const CAREFUL_CHUNK: usize = 50;
/// Ids on their way at once.
const WINDOW: usize = 2_000;
/// Keys in one request of BatchGetItem (DynamoDB API reference).
const BATCH: usize = 100;
/// What has not come to an end for so long is left to its own.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Options {
    /// Only what last changed before: what fails again is not taken again.
    pub before: EpochMs,
    /// Each message was asked for: what is not tried must be told.
    pub by_id: bool,
    pub total: Option<u64>,
    pub max: u64,
    pub rate: Option<Rate>,
    pub stop_when_failing: Option<f64>,
    pub reason: Option<String>,
}

pub struct Run<'a> {
    context: &'a Context,
    options: Options,
    note: Option<Note>,
    table: String,
    dynamodb: DynamoDb,
    result: Retried,
    /// Ids whose outcome is not known yet.
    under_way: Vec<String>,
    sent: u64,
    begin: Instant,
    progress: Progress,
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
    hold: Option<Hold>,
    probe: Option<String>,
    error: Option<String>,
}

impl<'a> Run<'a> {
    pub async fn new(context: &'a Context, options: Options) -> Result<Run<'a>> {
        let note = match &options.reason {
            None => None,
            Some(reason) => {
                let by = context.account().await?.caller;
                Some(Note { by, reason: outbox::error::shorten(reason), at: options.before })
            }
        };
        let progress = context.ui.progress("retrying", options.total);
        Ok(Run {
            context,
            note,
            table: context.names.table(),
            dynamodb: context.clients.dynamodb(),
            result: Retried::default(),
            under_way: vec![],
            sent: 0,
            begin: Instant::now(),
            progress,
            options,
        })
    }

    pub async fn all(mut self, selection: &Selection) -> Result<Retried> {
        let table = self.context.table();
        let mut found = selection.stream(&table, &STATUSES);
        loop {
            let chunk = self.chunk(&mut found).await?;
            if chunk.is_empty() {
                break;
            }
            self.try_again(chunk).await?;
            if self.result.stopped.is_none() && !self.result.breaker_open {
                let window = if self.options.stop_when_failing.is_some() { 0 } else { WINDOW };
                self.settle(window).await?;
                self.glance().await?;
            }
            if self.options.stop_when_failing.is_some_and(|limit| self.result.tally.is_failing(limit)) {
                self.result.stopped = Some("too much of it fails again".to_owned());
            }
            if self.result.stopped.is_some() || self.result.breaker_open {
                break;
            }
        }
        self.settle(0).await?;
        self.result.tally.unsettled = self.under_way.len() as u64;
        self.count_the_rest(found).await?;
        Ok(self.result)
    }

    /// The ids of the next request, when their time has come.
    async fn chunk(&mut self, found: &mut LocalBoxStream<'_, Found>) -> Result<Vec<String>> {
        let most = if self.options.stop_when_failing.is_some() { CAREFUL_CHUNK } else { CHUNK };
        let most = self.options.rate.map_or(most, |rate| rate.together(most));
        let most = usize::try_from(self.options.max - self.sent).unwrap_or(usize::MAX).min(most);
        let mut ids = vec![];
        while ids.len() < most {
            match self.next(found).await? {
                Some(message) => ids.push(message.sequence_no),
                None => break,
            }
        }
        if let Some(rate) = self.options.rate {
            pause(rate.due(self.sent).saturating_sub(self.begin.elapsed())).await;
        }
        self.sent += ids.len() as u64;
        Ok(ids)
    }

    /// The next message that is free and was not tried by this run.
    async fn next(&mut self, found: &mut LocalBoxStream<'_, Found>) -> Result<Option<MessageView>> {
        loop {
            match found.try_next().await.map_err(|error| unreadable(self.context, error))? {
                None => return Ok(None),
                Some(Selected::Not(sequence_no, reason)) => {
                    self.result.tally.skipped.push(Skipped { sequence_no, reason });
                }
                Some(Selected::Message(message)) => {
                    let untried = message.updated_at.is_none_or(|updated| updated < self.options.before);
                    match is_free(&message, self.options.before) {
                        true if untried => return Ok(Some(message)),
                        false if self.options.by_id => self.result.tally.skipped.push(being_sent(&message)),
                        _ => {}
                    }
                }
            }
        }
    }

    async fn try_again(&mut self, ids: Vec<String>) -> Result<()> {
        let request = serde_json::json!({ "select": "ids", "ids": ids, "note": self.note });
        let round = invoke(self.context, &request).await?;
        let tally = &mut self.result.tally;
        tally.claimed += round.claimed;
        tally.started += round.started;
        let skipped: std::collections::HashSet<&str> =
            round.skipped.iter().map(|skipped| skipped.sequence_no.as_str()).collect();
        if round.breaker_open {
            self.result.breaker_open = true;
            self.result.probe = round.probe;
            self.result.hold = round.hold;
            tally.remaining += round.remaining;
        } else {
            self.under_way.extend(ids.iter().filter(|id| !skipped.contains(id.as_str())).cloned());
        }
        // What was found by what it is, and has changed since, is nobody's wish: only what was asked for by its id.
        if self.options.by_id {
            tally.skipped.extend(round.skipped);
        }
        self.result.stopped = round.error;
        Ok(())
    }

    /// Looks what became of the messages, until no more than so many are under way, or nothing moves.
    async fn settle(&mut self, window: usize) -> Result<()> {
        let mut step = Duration::from_millis(100);
        let mut moved = Instant::now();
        while self.under_way.len() > window && moved.elapsed() < PATIENCE {
            let before = self.under_way.len();
            self.look().await?;
            let settled = before - self.under_way.len();
            self.progress.advance(settled as u64);
            if settled > 0 {
                (moved, step) = (Instant::now(), Duration::from_millis(100));
            } else {
                pause(step).await;
                step = (step * 2).min(Duration::from_secs(2));
            }
        }
        Ok(())
    }

    /// Where chunks go out slowly, what came to an end meanwhile: for the progress, and for an interrupt.
    async fn glance(&mut self) -> Result<()> {
        if self.options.rate.is_some() && !self.under_way.is_empty() {
            let before = self.under_way.len();
            self.look().await?;
            self.progress.advance((before - self.under_way.len()) as u64);
        }
        let tally = &self.result.tally;
        let text = format!(
            "interrupted: {} claimed, {} delivered, {} failed again; the others are on their way",
            count(tally.claimed, "message"),
            tally.delivered,
            tally.failed
        );
        self.context.when_interrupted(
            Error::new(Kind::Interrupted, text).hint("run the command again: it goes on with what remains"),
        );
        Ok(())
    }

    async fn look(&mut self) -> Result<()> {
        const FIELDS: &str = "sequenceNo, sendStatus, attempts, lastError";
        let ids = std::mem::take(&mut self.under_way);
        for batch in ids.chunks(BATCH) {
            let items = self.dynamodb.items(&self.table, batch, Some(FIELDS)).await.doing("look at the messages")?;
            for view in items.iter().filter_map(MessageView::of) {
                let id = view.sequence_no.clone();
                if !self.result.tally.settle(view) {
                    self.under_way.push(id);
                }
            }
        }
        Ok(())
    }

    /// What was meant and is not tried, when the run ended early.
    async fn count_the_rest(&mut self, mut found: LocalBoxStream<'_, Found>) -> Result<()> {
        while self.next(&mut found).await?.is_some() {
            self.result.tally.remaining += 1;
        }
        Ok(())
    }
}

fn being_sent(message: &MessageView) -> Skipped {
    let left = message.due_at.unwrap_or(0) - crate::context::now_ms();
    let reason = format!("it is being sent; if that fails silently, it is free in {}", span(left));
    Skipped { sequence_no: message.sequence_no.clone(), reason }
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
