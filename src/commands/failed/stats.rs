use std::process::ExitCode;

use clap::Args;
use futures::{StreamExt, TryStreamExt};
use outbox::item::Status;

use crate::aws::messages::backlog;
use crate::commands::list::{matching, unreadable};
use crate::context::{Context, now_ms};
use crate::error::Result;
use crate::outbox::filter::Filter;
use crate::outbox::stats::{Counter, Group, Stats as Counted};
use crate::ui::table::table;
use crate::ui::text::{bar, count, span};
use crate::ui::{Tone, Ui, View};

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa failed stats\n  disa failed stats --since 1d --class unavailable")]
pub struct Stats {
    #[command(flatten)]
    filter: Filter,
}

impl Stats {
    pub async fn run(self, context: &Context, statuses: &[Status]) -> Result<ExitCode> {
        self.filter.check()?;
        let table = context.table();
        let mut found = matching(backlog(&table, statuses).boxed_local(), &self.filter);
        let mut counter = Counter::new(now_ms());
        let progress = context.ui.progress("reading the backlog", None);
        while let Some(message) = found.try_next().await.map_err(|error| unreadable(context, error))? {
            counter.push(&message);
        }
        drop(progress);
        context.ui.show(&counter.finish())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl View for Counted {
    fn text(&self, ui: &Ui) -> String {
        if self.total == 0 {
            return "No such messages.".to_owned();
        }
        let errors = self.by_error.iter().map(|group| {
            vec![
                group.count.to_string(),
                format!("{} {}", group.class, group.code).trim().to_owned(),
                group.sequence_no.clone(),
                group.text.clone(),
            ]
        });
        let oldest = self.oldest.map(|t| format!(", the oldest {} old", span(now_ms() - t))).unwrap_or_default();
        format!(
            "{}{oldest}\n\n{}\n\n{}\n\n{}",
            count(self.total, "message"),
            table(&["COUNT", "ERROR", "FOR EXAMPLE", "TEXT"], errors),
            histogram(ui, "AGE", &self.by_age, self.total),
            histogram(ui, "ATTEMPTS", &self.by_attempts, self.total),
        )
    }
}

fn histogram(ui: &Ui, head: &str, groups: &[Group], total: u64) -> String {
    let rows = groups.iter().map(|group| {
        let bar = ui.paint(Tone::Warning, &bar(group.count, total));
        vec![group.name.to_owned(), group.count.to_string(), bar]
    });
    table(&[head, "COUNT", ""], rows)
}
