use std::process::ExitCode;

use clap::{Args, ValueEnum};
use futures::{Stream, StreamExt, TryStreamExt};
use gateway::ServiceError;
use outbox::item::Status;

use crate::aws::messages::{backlog, everything};
use crate::commands::send::no_table;
use crate::commands::show::{error_line, tone};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::outbox::filter::Filter;
use crate::outbox::input;
use crate::outbox::order::{First, Sort};
use crate::outbox::view::MessageView;
use crate::ui::listing::{Cell, Column, Columns, Listing, Row};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa list\n  disa list --status successful --since 1h\n  disa list --status pending,failure --sort attempts --limit 20\n\nUndelivered messages are read through the backlog index. Delivered ones stand in no index: to list them\nthe whole table is read, which costs a read unit for every 8 KB."
)]
pub struct List {
    #[command(flatten)]
    rows: Rows,
}

/// What each list of messages can be told.
#[derive(Args, Debug)]
pub struct Rows {
    /// Messages of these statuses, instead of those that the list is for
    #[arg(long, value_name = "STATUS,...", value_enum, ignore_case = true, value_delimiter = ',')]
    status: Vec<Which>,
    #[command(flatten)]
    filter: Filter,
    /// No more than so many
    #[arg(long, value_name = "N", value_parser = input::at_least_one)]
    limit: Option<u64>,
    /// In which order; any but `due` reads everything first
    #[arg(long, value_name = "ORDER", value_enum, default_value = "due")]
    sort: Sort,
    #[command(flatten)]
    columns: Columns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Being sent
    Pending,
    /// Failed, and waiting to be tried again
    Failure,
    /// Given up: their own fault, or the cap
    Dead,
    /// Delivered
    Successful,
    /// Whatever status they have
    All,
}

impl List {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        self.rows.run(context, &Status::BACKLOG).await
    }
}

/// The statuses that were asked for, or the usual ones.
fn statuses(chosen: &[Which], usual: &[Status]) -> Vec<Status> {
    let mut found: Vec<Status> = match chosen {
        [] => usual.to_vec(),
        chosen => chosen.iter().flat_map(|which| which.statuses()).copied().collect(),
    };
    found.sort();
    found.dedup();
    found
}

impl Which {
    fn statuses(self) -> &'static [Status] {
        match self {
            Which::Pending => &[Status::Pending],
            Which::Failure => &[Status::Failure],
            Which::Dead => &[Status::Dead],
            Which::Successful => &[Status::Successful],
            Which::All => &[Status::Pending, Status::Failure, Status::Dead, Status::Successful],
        }
    }
}

impl Rows {
    /// Lists the messages of some statuses, where no others are asked for.
    pub async fn run(self, context: &Context, usual: &[Status]) -> Result<ExitCode> {
        self.filter.check()?;
        let statuses = statuses(&self.status, usual);
        let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut listing = Listing::new(&context.ui, &self.columns)?;
        let (table, name, dynamodb) = (context.table(), context.names.table(), context.clients.dynamodb());
        let found = match statuses.contains(&Status::Successful) {
            true => everything(&dynamodb, &name, &statuses).boxed_local(),
            false => backlog(&table, &statuses).boxed_local(),
        };
        let mut found = matching(found, &self.filter);
        match self.sort {
            Sort::Due => {
                let mut found = found.take(limit);
                while let Some(message) = found.try_next().await.map_err(|error| unreadable(context, error))? {
                    listing.push(message)?;
                }
            }
            sort => {
                let mut first = First::new(sort, limit);
                while let Some(message) = found.try_next().await.map_err(|error| unreadable(context, error))? {
                    first.push(message);
                }
                first.into_sorted().into_iter().try_for_each(|message| listing.push(message))?;
            }
        }
        listing.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Of a stream of messages those that a filter lets through.
pub fn matching<'a>(
    messages: impl Stream<Item = std::result::Result<MessageView, ServiceError>> + Unpin + 'a,
    filter: &'a Filter,
) -> impl Stream<Item = std::result::Result<MessageView, ServiceError>> + Unpin + 'a {
    messages.try_filter(|message| std::future::ready(filter.matches(message)))
}

/// Why messages could not be read.
pub fn unreadable(context: &Context, error: ServiceError) -> Error {
    match error.is("ResourceNotFoundException") {
        true => no_table(context),
        false => Error::service("cannot read the messages", &error),
    }
}

impl Row for MessageView {
    const NOUN: &'static str = "message";
    const COLUMNS: &'static [Column] = &[
        Column::usual("id"),
        Column::usual("status"),
        Column::usual("attempts"),
        Column::roomy("created"),
        Column::roomy("due"),
        Column::asked("updated"),
        Column::asked("sns"),
        Column::asked("execution"),
        Column::usual("error"),
    ];

    fn cell(&self, column: &str) -> Cell {
        let time = |time: Option<i64>| time.map_or(Cell::Empty, Cell::Time);
        let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map_or(Cell::Empty, Cell::Text);
        let error = self.last_error.as_ref();
        match column {
            "id" => Cell::Text(self.sequence_no.clone()),
            "status" => Cell::Toned(tone(&self.send_status), self.send_status.clone()),
            "attempts" => Cell::Number(self.attempts),
            "created" => time(self.created_at),
            "due" => time(self.due_at),
            "updated" => time(self.updated_at),
            "sns" => text(self.sns_message_id.clone()),
            "execution" => text(error.map(|error| error.execution.rsplit(':').next().unwrap_or_default().to_owned())),
            _ => text(error.map(error_line)),
        }
    }
}
