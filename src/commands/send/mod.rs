mod feed;
mod one;
mod run;
mod sent;
mod source;

use std::process::ExitCode;

use clap::Args;
use gateway::{Applied, ServiceError, Table};
use outbox::EpochMs;
use outbox::change;
use outbox::message::Message;

use crate::cli::Global;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::outbox::view::{MessageView, is_same_message};
use crate::ui::Ui;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa send \"hello\"\n  disa send --id order-66 --subject Orders --attribute kind=new --file order.json --wait\n  echo hello | disa send -\n  disa send --from orders.jsonl.gz --rate 500/s\n  psql -c \"copy (select id, message from outbox) to stdout csv header\" | disa send --from - --format csv\n\nMany messages (--from): a JSON object a line,\n  {\"id\": \"order-66\", \"message\": \"text\", \"subject\": \"text\", \"attributes\": {\"kind\": \"new\", \"price\": 1.5,\n   \"key\": {\"type\": \"Binary\", \"value\": \"base64\"}}}\nof which only `message` must be there; or comma-separated values with the columns `message`, `id`, `subject`,\n`attribute:NAME`, `attribute:NAME:Number`; either may be compressed with gzip. A file is checked first, and\nnothing is sent while a line is bad; standard input is checked as it is read.\n\nA message that is in the outbox under its id already is not sent again: after an interruption run the same\ncommand once more. A message without an id gets one from its line's number and its content, so the same file\nsends nothing twice. To send the same file again on purpose, give the messages other ids."
)]
pub struct Send {
    #[command(flatten)]
    one: one::One,
    #[command(flatten)]
    feed: feed::Feed,
}

impl Send {
    /// Listens for an interrupt itself: of many messages those under way come to an end first.
    pub async fn run(self, global: &Global, ui: Ui) -> Result<ExitCode> {
        if self.feed.is_given() {
            return self.feed.run(global, ui).await;
        }
        let context = Context::connect(global, ui).await?;
        tokio::select! {
            outcome = self.one.run(&context) => outcome,
            _ = tokio::signal::ctrl_c() => context.interrupt(),
        }
    }
}

pub fn no_table(context: &Context) -> Error {
    Error::failed(format!("there is no outbox `{}` here: its table is missing", context.names.table()))
        .hint(format!("deploy it: `{}`", context.again("deploy")))
}

/// What became of a message that was put into the outbox.
enum Put {
    Queued,
    /// The same message is there under this id.
    Already(Box<MessageView>),
    /// Another message is there under this id, and stays as it is.
    Taken,
}

async fn put(
    table: &Table,
    id: &str,
    message: &Message,
    now: EpochMs,
    lease_ms: i64,
) -> std::result::Result<Put, ServiceError> {
    let stored = match table.apply(&change::write(id, message, now, lease_ms)).await? {
        Applied::Done(_) => return Ok(Put::Queued),
        Applied::Refused(Some(stored)) => Some(stored),
        Applied::Refused(None) => table.get(id).await?,
    };
    let same = stored.filter(|stored| is_same_message(stored, message));
    Ok(same.as_ref().and_then(MessageView::of).map_or(Put::Taken, |there| Put::Already(Box::new(there))))
}
