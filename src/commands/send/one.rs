use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use gateway::Table;
use outbox::item::{Delivery, Status};
use outbox::message::{Attribute, MAX_BYTES, Message};
use outbox::policy::Policy;
use serde::Serialize;

use super::{Put, no_table, put};
use crate::context::{Context, now_ms, pause};
use crate::error::{Doing, Error, Kind, Result};
use crate::outbox::input;
use crate::outbox::view::MessageView;
use crate::ui::{Tone, Ui, View};

/// A single message, and what is told about it.
#[derive(Args, Debug)]
pub struct One {
    /// The message; `-` reads it from standard input
    #[arg(value_name = "MESSAGE", required_unless_present_any = ["file", "from"], conflicts_with = "file")]
    message: Option<String>,
    /// Read the message from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The message's id: sending it again with the same id sends it once
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Subject, for email subscribers
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Message attribute: NAME=VALUE, or NAME:Number=VALUE
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = input::attribute)]
    attributes: Vec<(String, Attribute)>,
    /// After the message: wait until it is delivered, at most so long (60s)
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "60s", value_parser = input::seconds)]
    wait: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    #[serde(flatten)]
    message: MessageView,
    /// The same message was in the outbox already.
    already_queued: bool,
}

impl One {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let body = self.body()?;
        let mut attributes = BTreeMap::new();
        for (name, value) in self.attributes {
            if attributes.insert(name.clone(), value).is_some() {
                return Err(Error::usage(format!("the attribute `{name}` is given twice")));
            }
        }
        let message = Message { body, subject: self.subject, attributes };
        let id = self.id.unwrap_or_else(|| ulid::Ulid::generate().to_string());
        message.check(&id).map_err(|reason| Error::usage("the message cannot be sent").because(reason))?;
        let table = context.table();
        let now = now_ms();
        let lease_ms = Policy::default().lease_ms;
        let mut sent = match put(&table, &id, &message, now, lease_ms).await {
            Ok(Put::Queued) => {
                let view = MessageView {
                    sequence_no: id.clone(),
                    send_status: Status::Pending.to_string(),
                    attempts: 1,
                    sns_message_id: None,
                    last_error: None,
                    due_at: Some(now + lease_ms),
                    created_at: Some(now),
                    updated_at: Some(now),
                };
                Sent { message: view, already_queued: false }
            }
            Ok(Put::Already(view)) => Sent { message: *view, already_queued: true },
            Ok(Put::Taken) => {
                let error = Error::failed(format!("the id `{id}` is taken by another message; nothing was changed"));
                let look = context.again(&format!("show {id}"));
                return Err(error.hint(format!("look at it: `{look}`; or send with another id")));
            }
            Err(error) if error.is("ResourceNotFoundException") => return Err(no_table(context)),
            Err(error) => return Err(error).doing("put the message into the outbox"),
        };
        let Some(limit) = self.wait else {
            context.ui.show(&sent)?;
            return Ok(ExitCode::SUCCESS);
        };
        let outcome = wait(context, &table, &id, Duration::from_secs(limit)).await;
        if let Ok(Some(item)) = table.get(&id).await
            && let Some(view) = MessageView::of(&item)
        {
            sent.message = view;
        }
        context.ui.show(&sent)?;
        outcome.map(|()| ExitCode::SUCCESS)
    }

    fn body(&self) -> Result<String> {
        let (name, bytes) = match (&self.message, &self.file) {
            (Some(text), _) if text != "-" => return Ok(text.clone()),
            (_, Some(path)) if path.as_os_str() != "-" => {
                let name = path.display().to_string();
                let file = std::fs::File::open(path)
                    .map_err(|error| Error::usage(format!("cannot read {name}")).because(error))?;
                (name, file.take(MAX_BYTES as u64 + 1).bytes_or_error())
            }
            _ => ("standard input".to_owned(), std::io::stdin().lock().take(MAX_BYTES as u64 + 1).bytes_or_error()),
        };
        let bytes = bytes.map_err(|error| Error::usage(format!("cannot read {name}")).because(error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            // One that is too long may be cut inside a character: its length is its fault then.
            let length = error.as_bytes().len();
            match length > MAX_BYTES {
                true => Error::usage("the message cannot be sent").because(format!("{name} is longer than 256 KiB")),
                false => Error::usage(format!("{name} is not UTF-8")).because(error.utf8_error()),
            }
        })?;
        // What `echo` adds is not part of the message.
        Ok(text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text).to_owned())
    }
}

trait BytesOrError {
    fn bytes_or_error(self) -> std::io::Result<Vec<u8>>;
}

impl<R: Read> BytesOrError for R {
    fn bytes_or_error(mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![];
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Waits until the message is delivered.
async fn wait(context: &Context, table: &Table, id: &str, limit: Duration) -> Result<()> {
    let _progress = context.ui.progress(&format!("waiting for {id}"), None);
    let begin = Instant::now();
    let mut step = Duration::from_millis(25);
    loop {
        let item = table.get(id).await.doing("look at the message")?;
        let Some(delivery) = item.as_ref().and_then(Delivery::of) else {
            return Err(Error::failed(format!("the message {id} was deleted")));
        };
        if delivery.is(Status::Successful) {
            return Ok(());
        }
        if delivery.is(Status::Dead) {
            return Err(Error::failed(format!("the message {id} is Dead")).because(reason(&delivery)));
        }
        if begin.elapsed() >= limit {
            let error =
                Error::new(Kind::TimedOut, format!("the message {id} is not delivered after {} s", limit.as_secs()));
            let error = if delivery.last_error.is_some() { error.because(reason(&delivery)) } else { error };
            return Err(
                error.hint(format!("it stays in the outbox and is tried again; see `{}`", context.again("status")))
            );
        }
        pause(step.min(limit.saturating_sub(begin.elapsed()))).await;
        step = (step * 2).min(Duration::from_secs(2));
    }
}

fn reason(delivery: &Delivery) -> String {
    delivery
        .last_error
        .as_ref()
        .map_or_else(|| "no reason is recorded".to_owned(), |e| format!("{}: {}", e.code, e.text))
}

impl View for Sent {
    fn text(&self, ui: &Ui) -> String {
        let (tone, word) = match (self.message.send_status.as_str(), self.already_queued) {
            ("Successful", _) => (Tone::Good, "delivered"),
            ("Dead", _) => (Tone::Bad, "dead"),
            (_, true) => (Tone::Plain, "already queued"),
            ("Failure", _) => (Tone::Warning, "failed, will be tried again"),
            _ => (Tone::Good, "queued"),
        };
        format!("{}  {}", self.message.sequence_no, ui.paint(tone, word))
    }
}
