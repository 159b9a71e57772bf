//! Which message is meant by an id of it.

use futures::TryStreamExt;
use outbox::EpochMs;
use outbox::names::Function;
use serde::Serialize;

use crate::commands::executions;
use crate::commands::logs::lines;
use crate::commands::send::no_table;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::ui::listing::{Cell, Column, Row};

pub enum Found {
    Message(String),
    /// An execution that carries several.
    Several(Vec<Carried>),
}

/// A message of an execution.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Carried {
    sequence_no: String,
    attempt: i64,
}

/// Looks at the table, at the executions, and at last in the logs, from `since` on.
pub async fn resolve(context: &Context, id: &str, since: EpochMs) -> Result<Found> {
    if id.starts_with("arn:") {
        let arn = executions::arn(context, id).await?;
        let details = executions::details(context, &arn).await?;
        return carried(&details.execution.name, details.input.as_deref());
    }
    let stored = match context.table().get(id).await {
        Err(error) if error.is("ResourceNotFoundException") => return Err(no_table(context)),
        // One that is too long for the table's key may be another kind of id.
        Err(error) if error.is("ValidationException") => None,
        answer => answer.doing("read the message")?,
    };
    if stored.is_some() {
        return Ok(Found::Message(id.to_owned()));
    }
    if executions::is_name(id) {
        let arn = executions::arn(context, id).await?;
        if let Some(details) = context.clients.sfn().execution(&arn).await.doing("look at the execution")? {
            return carried(id, details.input.as_deref());
        }
    }
    match logged(context, id, since).await? {
        Some(message) => Ok(Found::Message(message)),
        None => Err(Error::failed(format!("there is no message, execution or SNS message `{id}`"))
            .hint(format!(
                "undelivered messages: `{}`; executions: `{}`",
                context.again("list"),
                context.again("executions list")
            ))
            .hint("the id of an SNS message is found in the functions' logs, which `--since` searches further back")
            .hint("whoever received the message has its own id: the message attribute `sequenceNo`")),
    }
}

fn carried(name: &str, input: Option<&str>) -> Result<Found> {
    let mut messages = executions::messages(input);
    match messages.len() {
        0 => Err(Error::failed(format!("the execution `{name}` carries no message that is known here"))),
        1 => Ok(Found::Message(messages.remove(0).0)),
        _ => Ok(Found::Several(
            messages.into_iter().map(|(sequence_no, attempt)| Carried { sequence_no, attempt }).collect(),
        )),
    }
}

/// The message of which a line of the functions says that it has, or had, this id.
async fn logged(context: &Context, id: &str, since: EpochMs) -> Result<Option<String>> {
    let aws = context.clients.logs();
    let mut lines = std::pin::pin!(lines(context, &aws, &Function::ALL, since, None, Some(id)));
    while let Some(line) = lines.try_next().await? {
        let named = ["sequenceNo", "snsMessageId"].iter().any(|field| line.field(field) == Some(id));
        if let Some(message) = line.field("sequenceNo").filter(|_| named) {
            return Ok(Some(message.to_owned()));
        }
    }
    Ok(None)
}

impl Row for Carried {
    const NOUN: &'static str = "message";
    const COLUMNS: &'static [Column] = &[Column::usual("id"), Column::usual("attempt")];

    fn cell(&self, column: &str) -> Cell {
        match column {
            "id" => Cell::Text(self.sequence_no.clone()),
            _ => Cell::Number(self.attempt),
        }
    }
}
