//! Which messages a verb is for: by their ids, by a filter, or all.

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use futures::stream::LocalBoxStream;
use futures::{StreamExt, stream};
use gateway::{ServiceError, Table};
use outbox::item::Status;

use super::list::matching;
use crate::aws::messages::backlog;
use crate::complete;
use crate::error::{Error, Result};
use crate::outbox::filter::Filter;
use crate::outbox::view::MessageView;

#[derive(Args, Clone, Debug)]
pub struct Selection {
    /// Only this message (repeatable)
    #[arg(long = "id", value_name = "ID", add = ArgValueCompleter::new(complete::ids))]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub filter: Filter,
}

impl Selection {
    /// An id and a filter contradict each other.
    pub fn check(&mut self) -> Result<()> {
        self.ids.sort();
        self.ids.dedup();
        self.filter.check()?;
        match self.ids.is_empty() || self.filter.is_empty() {
            true => Ok(()),
            false => Err(Error::usage("`--id` names the messages: there is nothing to filter")),
        }
    }

    /// The messages of the backlog in some statuses that are meant. One that was asked for by its id and is not
    /// there, or has another status, is told as `Err` with the reason.
    pub fn stream<'a>(&'a self, table: &'a Table, statuses: &'a [Status]) -> LocalBoxStream<'a, Found> {
        if self.ids.is_empty() {
            return matching(backlog(table, statuses).boxed_local(), &self.filter)
                .map(|found| found.map(Selected::Message))
                .boxed_local();
        }
        let look = async |id: String| {
            let item = table.get(&id).await?;
            Ok(match item.as_ref().and_then(MessageView::of) {
                None => Selected::Not(id, "there is no such message".to_owned()),
                Some(view) if statuses.iter().any(|status| view.send_status == status.as_str()) => {
                    Selected::Message(view)
                }
                Some(view) => Selected::Not(id, why_not(&view.send_status)),
            })
        };
        stream::iter(self.ids.clone()).then(look).boxed_local()
    }
}

/// Why a verb is not for a message in this status.
fn why_not(status: &str) -> String {
    match Status::parse(status) {
        Some(Status::Successful) => "it is delivered".to_owned(),
        Some(Status::Dead) => "it is Dead: `disa dead revive` first".to_owned(),
        Some(status) => format!("it is {status}"),
        None => "it is not in the backlog: `disa reconcile`".to_owned(),
    }
}

pub type Found = std::result::Result<Selected, ServiceError>;

#[derive(Clone, Debug)]
pub enum Selected {
    Message(MessageView),
    /// Asked for, and not to be had: the id, and why.
    Not(String, String),
}
