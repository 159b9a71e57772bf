use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use futures::{Stream, StreamExt, TryStreamExt};
use gateway::ServiceError;
use outbox::EpochMs;
use outbox::names::Function;

use crate::aws;
use crate::aws::merge::merge;
use crate::cli::Output;
use crate::complete;
use crate::context::{Context, now_ms, pause};
use crate::error::{Error, Result};
use crate::outbox::log::Line;
use crate::outbox::moment;
use crate::ui::Tone;
use crate::ui::listing::{Cell, Column, Columns, Listing, Row};

/// A line may come to the service later than a younger one of another invocation; so far back following looks.
const LATE_MS: i64 = 60_000;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa logs\n  disa logs process --since 2h --filter 'not delivered'\n  disa logs --id order-66 --since 1d\n  disa logs -f -o jsonl | jq 'select(.level == \"ERROR\")'\n\nThe functions write ids, statuses and errors, and never a message's text."
)]
pub struct Logs {
    /// Only this function
    #[arg(value_name = "FUNCTION", value_enum)]
    function: Option<Which>,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// From this time on: 10m (ago), 2h, 2026-11-24, 2026-11-24T05:00
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = moment::argument)]
    since: EpochMs,
    /// Only lines with this text, in any case
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Only lines that name this message, execution or SNS message
    #[arg(long, value_name = "ID", add = ArgValueCompleter::new(complete::ids))]
    id: Option<String>,
    /// Also what Lambda itself writes of each invocation
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    columns: Columns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Takes the table's stream
    InitProcess,
    /// Publishes
    Process,
    /// Tries again
    Retry,
}

impl Which {
    fn function(self) -> Function {
        match self {
            Which::InitProcess => Function::InitProcess,
            Which::Process => Function::Process,
            Which::Retry => Function::Retry,
        }
    }
}

impl Logs {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        if self.follow && context.ui.output == Output::Json {
            return Err(Error::usage("one document has an end, and `--follow` has none")
                .hint("take a line for each: `-o jsonl`"));
        }
        let functions = match self.function {
            Some(which) => vec![which.function()],
            None => Function::ALL.to_vec(),
        };
        let mut listing = Listing::new(&context.ui, &self.columns)?;
        if self.follow {
            return self.follow(context, &functions, listing).await;
        }
        let logs = context.clients.logs();
        let mut lines = std::pin::pin!(lines(context, &logs, &functions, self.since, None, self.id.as_deref()));
        while let Some(line) = lines.try_next().await? {
            if self.wants(&line) {
                listing.push(line)?;
            }
        }
        listing.finish()?;
        Ok(ExitCode::SUCCESS)
    }

    fn wants(&self, line: &Line) -> bool {
        (self.all || !line.platform)
            && self.id.as_ref().is_none_or(|id| line.names(id))
            && self.filter.as_ref().is_none_or(|text| line.says(text))
    }

    /// Reads again and again what may have come, and writes what was not there before.
    async fn follow(
        &self,
        context: &Context,
        functions: &[Function],
        mut listing: Listing<'_, Line>,
    ) -> Result<ExitCode> {
        context.ends_by_interrupt();
        let logs = context.clients.logs();
        let mut tails: Vec<Tail> = functions.iter().map(|function| Tail::new(*function, self.since)).collect();
        loop {
            let new = futures::future::try_join_all(tails.iter_mut().map(|tail| tail.read(context, &logs))).await?;
            let mut new: Vec<Line> = new.into_iter().flatten().filter(|line| self.wants(line)).collect();
            new.sort_by_key(|line| line.time);
            new.into_iter().try_for_each(|line| listing.push(line))?;
            listing.flush()?;
            pause(if context.local { Duration::from_millis(500) } else { Duration::from_secs(2) }).await;
        }
    }
}

/// The end of one function's log.
struct Tail {
    function: Function,
    since: EpochMs,
    /// The events that were read, with their times, as far back as they are read again.
    seen: HashMap<String, EpochMs>,
}

impl Tail {
    fn new(function: Function, since: EpochMs) -> Tail {
        Tail { function, since, seen: HashMap::new() }
    }

    async fn read(&mut self, context: &Context, logs: &aws::logs::Logs) -> Result<Vec<Line>> {
        let group = context.names.log_group(self.function);
        let events: Vec<_> = logs
            .events(group, self.since, None, None)
            .try_collect()
            .await
            .map_err(|error| unreadable(context, self.function, &error))?;
        let mut new = vec![];
        for event in events {
            if self.seen.insert(event.key, event.time).is_none() {
                new.push(Line::of(self.function, event.time, &event.text));
            }
        }
        let newest = self.seen.values().copied().max().unwrap_or_else(now_ms);
        self.since = self.since.max(newest - LATE_MS);
        self.seen.retain(|_, time| *time >= self.since);
        Ok(new)
    }
}

/// What some functions wrote in a span of time, in one order; narrowed to an id where the service can do that.
pub fn lines<'a>(
    context: &'a Context,
    logs: &'a aws::logs::Logs,
    functions: &[Function],
    since: EpochMs,
    until: Option<EpochMs>,
    naming: Option<&'a str>,
) -> impl Stream<Item = Result<Line>> + 'a {
    let parts = functions.iter().map(|function| one(context, logs, *function, since, until, naming).boxed()).collect();
    merge(parts, |a: &Line, b: &Line| a.time.cmp(&b.time))
}

fn one<'a>(
    context: &'a Context,
    logs: &'a aws::logs::Logs,
    function: Function,
    since: EpochMs,
    until: Option<EpochMs>,
    naming: Option<&'a str>,
) -> impl Stream<Item = Result<Line>> + 'a {
    logs.events(context.names.log_group(function), since, until, naming)
        .map_ok(move |event| Line::of(function, event.time, &event.text))
        .map_err(move |error| unreadable(context, function, &error))
}

fn unreadable(context: &Context, function: Function, error: &ServiceError) -> Error {
    let group = context.names.log_group(function);
    match error.is("ResourceNotFoundException") {
        true => Error::failed(format!("there is no log group `{group}` here"))
            .hint(format!("deploy it: `{}`", context.again("deploy"))),
        false => Error::service(format!("cannot read the log group {group}"), error),
    }
}

fn tone(level: &str) -> Tone {
    match level {
        "ERROR" => Tone::Bad,
        "WARN" => Tone::Warning,
        _ => Tone::Plain,
    }
}

impl Row for Line {
    const NOUN: &'static str = "line";
    const COLUMNS: &'static [Column] = &[
        Column::usual("time").at_least(10),
        Column::usual("function").at_least(12),
        Column::usual("level").at_least(5),
        Column::usual("message").at_least(13),
        Column::asked("request"),
        Column::usual("fields"),
    ];

    fn cell(&self, column: &str) -> Cell {
        match column {
            "time" => Cell::Time(self.time),
            "function" => Cell::Text(self.function.to_owned()),
            "level" => Cell::Toned(tone(&self.level), self.level.clone()),
            "message" => Cell::Text(self.message.clone()),
            "request" => self.request.clone().map_or(Cell::Empty, Cell::Text),
            _ => Cell::Text(self.words()),
        }
    }
}
