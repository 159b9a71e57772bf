use std::process::ExitCode;

use clap::Args;
use outbox::names::Alarm as Name;
use serde::Serialize;

use super::{no_alarm, tone};
use crate::aws::cloudwatch::Alarm;
use crate::context::Context;
use crate::error::{Doing, Result};
use crate::ui::listing::{Cell, Column, Columns, Listing, Row, one_line};

/// The state of an alarm that is not there.
pub const MISSING: &str = "MISSING";

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa alarm list\n  disa alarm list -o jsonl | jq -r 'select(.state == \"ALARM\").alarm'\n\nThe first is the breaker. With AlarmEmail or AlarmTopicArn the stack tells each change: see `disa deploy`."
)]
pub struct List {
    #[command(flatten)]
    columns: Columns,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    /// As `disa alarm show` takes it.
    alarm: &'static str,
    #[serde(flatten)]
    found: Alarm,
}

impl List {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let names = Name::ALL.map(|alarm| context.names.alarm_of(alarm));
        let found = context.clients.cloudwatch().alarms(&names).await.doing("look at the alarms")?;
        if found.is_empty() {
            return Err(no_alarm(context, Name::Breaker));
        }
        let mut listing = Listing::new(&context.ui, &self.columns)?;
        for (alarm, name) in Name::ALL.into_iter().zip(names) {
            let found = found.iter().find(|(found, _)| found.name == name).map(|(found, _)| found.clone());
            let missing = || Alarm {
                name,
                state: MISSING.to_owned(),
                reason: String::new(),
                since: None,
                hold: None,
                lost: false,
            };
            listing.push(Listed { alarm: alarm.word(), found: found.unwrap_or_else(missing) })?;
        }
        listing.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Row for Listed {
    const NOUN: &'static str = "alarm";
    const COLUMNS: &'static [Column] = &[
        Column::usual("alarm"),
        Column::usual("state"),
        Column::usual("since"),
        Column::asked("name"),
        Column::usual("reason"),
    ];

    fn cell(&self, column: &str) -> Cell {
        match column {
            "alarm" => Cell::Text(self.alarm.to_owned()),
            "state" => Cell::Toned(tone(&self.found.state), self.found.state.clone()),
            "since" => self.found.since.map_or(Cell::Empty, Cell::Time),
            "name" => Cell::Text(self.found.name.clone()),
            _ => Cell::Text(one_line(&self.found.reason)),
        }
    }
}
