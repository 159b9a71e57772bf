use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use outbox::item::{LastError, Note, Status};
use outbox::message::Message;
use serde::Serialize;

use super::send::no_table;
use crate::complete;
use crate::context::{Context, now_ms};
use crate::error::{Doing, Error, Result};
use crate::outbox::view::MessageView;
use crate::ui::table::facts;
use crate::ui::{Tone, Ui, View};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa show order-66\n  disa show order-66 --body\n  disa show order-66 -o json | jq .lastError"
)]
pub struct Show {
    /// The message's id
    #[arg(value_name = "ID", add = ArgValueCompleter::new(complete::ids))]
    id: String,
    /// Show the message's text too
    #[arg(long)]
    body: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    #[serde(flatten)]
    message: MessageView,
    /// Bytes on the wire, with attributes; `null` when it is not valid.
    bytes: Option<usize>,
    subject: Option<String>,
    /// Which operator had it tried again last, and why.
    note: Option<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl Show {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        if self.id.is_empty() {
            return Err(Error::usage("the id is empty"));
        }
        context.ui.show(&shown(context, &self.id, self.body).await?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// All that is known of a message; its text only when asked for.
pub async fn shown(context: &Context, id: &str, body: bool) -> Result<Shown> {
    let item = match context.table().get(id).await {
        Err(error) if error.is("ResourceNotFoundException") => return Err(no_table(context)),
        answer => answer.doing("read the message")?,
    };
    let Some((item, view)) = item.and_then(|item| MessageView::of(&item).map(|view| (item, view))) else {
        return Err(Error::failed(format!("there is no message `{id}`"))
            .hint(format!("undelivered ones: `{}`", context.again("list"))));
    };
    let message = Message::of(&item).ok();
    Ok(Shown {
        bytes: message.as_ref().map(|m| m.wire_bytes(&view.sequence_no)),
        note: Note::of(&item),
        subject: message.as_ref().and_then(|m| m.subject.clone()),
        body: message.filter(|_| body).map(|m| m.body),
        message: view,
    })
}

/// The tone of a status, everywhere the same.
pub fn tone(status: &str) -> Tone {
    match Status::parse(status) {
        Some(Status::Successful) => Tone::Good,
        Some(Status::Pending) => Tone::Plain,
        Some(Status::Failure) => Tone::Warning,
        Some(Status::Dead) | None => Tone::Bad,
    }
}

/// Class, code and text of an error in one line.
pub fn error_line(error: &LastError) -> String {
    format!("{} {}: {}", error.class, error.code, error.text)
}

impl View for Shown {
    fn text(&self, ui: &Ui) -> String {
        let now = now_ms();
        let message = &self.message;
        let status = if message.send_status.is_empty() { "(none yet)" } else { &message.send_status };
        let time = |time: i64| ui.full_time(time);
        let leased = message.send_status == Status::Pending.as_str() && message.due_at.is_some_and(|due| due > now);
        let mut rows = vec![
            ("Id", message.sequence_no.clone()),
            ("Status", ui.paint(tone(&message.send_status), status)),
            ("Attempts", message.attempts.to_string()),
        ];
        rows.extend(self.subject.clone().map(|subject| ("Subject", subject)));
        rows.extend(self.bytes.map(|bytes| ("Size", format!("{bytes} bytes"))));
        rows.extend(message.created_at.map(|created| ("Created", time(created))));
        rows.extend(message.updated_at.map(|updated| ("Updated", time(updated))));
        rows.extend(message.due_at.map(|due| (if leased { "Lease until" } else { "Due" }, time(due))));
        rows.extend(message.sns_message_id.clone().map(|id| ("SNS message", id)));
        if let Some(error) = &message.last_error {
            rows.push(("Last error", error_line(error)));
            rows.push(("Execution", error.execution.clone()));
        }
        if let Some(note) = &self.note {
            rows.push(("Note", format!("{} ({}, {})", note.reason, note.by, time(note.at))));
        }
        rows.extend(self.body.clone().map(|body| ("Message", body)));
        facts(rows)
    }
}
