use std::process::ExitCode;

use clap::Args;
use futures::TryStreamExt;
use outbox::EpochMs;

use super::{Which, no_alarm, tone};
use crate::context::Context;
use crate::error::{Doing, Result};
use crate::outbox::alarm::Transition;
use crate::outbox::input;
use crate::outbox::moment;
use crate::ui::listing::{Cell, Column, Columns, Listing, Row};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa alarm history\n  disa alarm history oldest --since 1d --time iso\n  disa alarm history -o jsonl | jq -r 'select(.to == \"ALARM\").time'\n\nCloudWatch keeps it for 30 days."
)]
pub struct History {
    /// Of this alarm
    #[arg(value_name = "ALARM", value_enum, default_value = "breaker")]
    alarm: Which,
    /// Changed at this time or later: 2h (ago), 2026-11-24, 2026-11-24T05:00
    #[arg(long, value_name = "TIME", value_parser = moment::argument)]
    since: Option<EpochMs>,
    /// No more than so many
    #[arg(long, value_name = "N", default_value = "50", value_parser = input::at_least_one)]
    limit: u64,
    #[command(flatten)]
    columns: Columns,
}

impl History {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let (name, cloudwatch) = (context.names.alarm_of(self.alarm.alarm()), context.clients.cloudwatch());
        let mut listing = Listing::new(&context.ui, &self.columns)?;
        let mut found = std::pin::pin!(cloudwatch.transitions(&name, self.since));
        let mut left = self.limit;
        while left > 0
            && let Some(transition) = found.try_next().await.doing("read the alarm's history")?
        {
            listing.push(transition)?;
            left -= 1;
        }
        // A missing alarm has no history, or one that outlived it.
        if left == self.limit && cloudwatch.alarm(&name).await.doing("look at the alarm")?.is_none() {
            return Err(no_alarm(context, self.alarm.alarm()));
        }
        listing.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Row for Transition {
    const NOUN: &'static str = "change";
    const COLUMNS: &'static [Column] =
        &[Column::usual("time"), Column::usual("from"), Column::usual("to"), Column::usual("reason")];

    fn cell(&self, column: &str) -> Cell {
        match column {
            "time" => Cell::Time(self.time),
            "from" => Cell::Text(self.from.clone()),
            "to" => Cell::Toned(tone(&self.to), self.to.clone()),
            _ => Cell::Text(self.reason.clone()),
        }
    }
}
