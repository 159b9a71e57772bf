pub mod gather;
mod resolve;

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use outbox::EpochMs;
use outbox::item::Status;

use crate::cli::Output;
use crate::commands::show::error_line;
use crate::complete;
use crate::context::{Context, pause};
use crate::error::{Error, Result};
use crate::outbox::moment;
use crate::outbox::timeline::{Entry, Tone as Meant};
use crate::ui::Tone;
use crate::ui::listing::{Cell, Column, Columns, Listing, Row};
use crate::ui::text::{count, duration};
use gather::Story;
use resolve::Found;

/// When a message is at its end, its execution and the logs get so long to be at theirs.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa trace order-66\n  disa trace order-66 --watch\n  disa trace stream-1-315502b4277f99b854d2fe17c6613624\n  disa trace 121d6823-89dc-4153-a89d-840b969523e0 --since 7d\n  disa trace order-66 -o jsonl | jq -r '[.atMs, .event] | @tsv'"
)]
pub struct Trace {
    /// A message's id, the name or ARN of an execution that carried it, or the id that SNS gave it
    #[arg(value_name = "ID", add = ArgValueCompleter::new(complete::ids))]
    id: String,
    /// Print what happens until the message is Successful or Dead
    #[arg(long)]
    watch: bool,
    /// How far back the logs are searched for an id that the table does not have
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = moment::argument)]
    since: EpochMs,
    #[command(flatten)]
    columns: Columns,
}

impl Trace {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        if self.id.is_empty() {
            return Err(Error::usage("the id is empty"));
        }
        let id = match resolve::resolve(context, &self.id, self.since).await? {
            Found::Message(id) => id,
            Found::Several(carried) => {
                context.ui.note(&format!(
                    "The execution carries {}: ask for one of them, `{}`",
                    count(carried.len() as u64, "message"),
                    context.again("trace ID")
                ));
                let mut listing = Listing::new(&context.ui, &self.columns)?;
                carried.into_iter().try_for_each(|one| listing.push(one))?;
                listing.finish()?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let mut listing = Listing::new(&context.ui, &self.columns)?;
        if self.watch {
            self.watch(context, &id, &mut listing).await?;
        } else {
            let story = gather::gather(context, &id, self.since).await?;
            summary(context, &id, &story);
            story.entries.into_iter().try_for_each(|entry| listing.push(entry))?;
        }
        listing.finish()?;
        Ok(ExitCode::SUCCESS)
    }

    /// Prints each entry once, when what it tells of is over.
    async fn watch(&self, context: &Context, id: &str, listing: &mut Listing<'_, Entry>) -> Result<()> {
        if context.ui.output != Output::Json {
            context.ends_by_interrupt();
        }
        let mut told = HashSet::new();
        let mut over: Option<Instant> = None;
        loop {
            let story = gather::gather(context, id, self.since).await?;
            for entry in story.entries.iter().filter(|entry| !entry.open) {
                if told.insert((entry.time, entry.source, entry.event.clone(), entry.detail.clone())) {
                    listing.push(entry.clone())?;
                }
            }
            listing.flush()?;
            let settled = !story.running && over.is_some();
            if story.is_over() && (settled || over.is_some_and(|since| since.elapsed() > GRACE)) {
                summary(context, id, &story);
                return Ok(());
            }
            over = if story.is_over() { over.or_else(|| Some(Instant::now())) } else { None };
            pause(Duration::from_millis(if context.local { 500 } else { 2_000 })).await;
        }
    }
}

fn summary(context: &Context, id: &str, story: &Story) {
    let text = match &story.item {
        None => format!("{id} is no longer in the table: this is what else is known of it"),
        Some(item) => {
            let status = if item.send_status.is_empty() { "not seen yet" } else { &item.send_status };
            let took = item.created_at.zip(item.updated_at).map(|(created, updated)| updated - created);
            let took = took.filter(|_| item.send_status == Status::Successful.as_str());
            let took = took.map(|ms| format!(", {} after it was written", duration(ms))).unwrap_or_default();
            format!("{id} is {status}, {}{took}", count(u64::try_from(item.attempts).unwrap_or(0), "attempt"))
        }
    };
    context.ui.note(&text);
    let undelivered = story.item.as_ref().filter(|item| item.send_status != Status::Successful.as_str());
    if let Some(error) = undelivered.and_then(|item| item.last_error.as_ref()) {
        context.ui.note(&format!("The last error: {}", error_line(error)));
    }
    if story.left_out > 0 {
        let more = count(story.left_out as u64, "earlier execution");
        context.ui.note(&format!("{more} left out: `{}`", context.again(&format!("logs --id {id}"))));
    }
}

impl Row for Entry {
    const NOUN: &'static str = "event";
    const COLUMNS: &'static [Column] = &[
        Column::roomy("time").at_least(10),
        Column::usual("at").at_least(8),
        Column::usual("source").at_least(12),
        Column::usual("event").at_least(25),
        Column::usual("took").at_least(6),
        Column::usual("detail"),
    ];

    fn cell(&self, column: &str) -> Cell {
        let tone = match self.tone {
            Meant::Plain => Tone::Plain,
            Meant::Good => Tone::Good,
            Meant::Warning => Tone::Warning,
            Meant::Bad => Tone::Bad,
        };
        match column {
            "time" => Cell::Time(self.time),
            "at" => Cell::Span(self.at_ms),
            "source" => Cell::Text(self.source.to_owned()),
            "event" => Cell::Toned(tone, self.event.clone()),
            "took" => self.duration_ms.map_or(Cell::Empty, Cell::Span),
            _ => Cell::Text(self.detail.clone()),
        }
    }
}
