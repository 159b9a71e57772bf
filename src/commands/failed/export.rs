use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use futures::{StreamExt, TryStreamExt};
use outbox::item::Status;
use outbox::message::Message;
use tempfile::NamedTempFile;

use crate::commands::list::unreadable;
use crate::commands::selection::{Selected, Selection};
use crate::context::Context;
use crate::error::{Doing, Error, Kind, Result};
use crate::outbox::input;
use crate::outbox::line::Line;
use crate::outbox::view::MessageView;
use crate::ui::text::count;

/// Messages that are read at once (DynamoDB API reference, `BatchGetItem`): 40 MB at the most.
const BATCH: usize = 100;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa failed export --out failed.jsonl\n  disa dead export --class rejected | jq -r .message\n  disa dead export | disa send --from - --project orders --env test\n\nEach line is {\"id\", \"message\", \"subject\", \"attributes\"}, as `disa send --from` reads it. The messages keep\ntheir ids, and stay where they are: sent to the same outbox they are `already queued`. So another project or\nenvironment is the place to send them to; in this one, `disa retry now` sends failed messages again."
)]
pub struct Export {
    #[command(flatten)]
    selection: Selection,
    /// No more than so many
    #[arg(long, value_name = "N", value_parser = input::at_least_one)]
    limit: Option<u64>,
    /// Write to this file, which must not exist; to standard output if not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Default)]
struct Exported {
    written: u64,
    /// Asked for, and not to be had, or no message that could be sent.
    not: u64,
}

/// Where the lines go.
enum Sink {
    Out,
    /// Appears under its name when all of it is written.
    File(BufWriter<NamedTempFile>, PathBuf),
}

impl Export {
    pub async fn run(mut self, context: &Context, statuses: &[Status]) -> Result<ExitCode> {
        self.selection.check()?;
        let mut sink = Sink::new(self.out)?;
        let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let exported = copy(context, &self.selection, statuses, limit, &mut sink).await?;
        let place = sink.finish()?;
        let mut summary = format!("{} exported{place}", count(exported.written, "message"));
        if exported.not > 0 {
            summary.push_str(&format!(", {} not", exported.not));
        }
        context.ui.note(&summary);
        Ok(match exported.not {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::from(Kind::Partial as u8),
        })
    }
}

async fn copy(
    context: &Context,
    selection: &Selection,
    statuses: &[Status],
    limit: usize,
    sink: &mut Sink,
) -> Result<Exported> {
    let (table, mut exported) = (context.table(), Exported::default());
    let mut not = |id: &str, reason: &str| {
        context.ui.warn(&format!("{id}: {reason}"));
        exported.not += 1;
    };
    let mut found = selection.stream(&table, statuses).take(limit).try_chunks(BATCH);
    while let Some(chunk) = found.try_next().await.map_err(|error| unreadable(context, error.1))? {
        let mut ids = vec![];
        for selected in chunk {
            match selected {
                // In an index that is read over a while one may stand twice.
                Selected::Message(view) if ids.contains(&view.sequence_no) => {}
                Selected::Message(view) => ids.push(view.sequence_no),
                Selected::Not(id, reason) => not(&id, &reason),
            }
        }
        if ids.is_empty() {
            continue;
        }
        let items = context.clients.dynamodb().items(&context.names.table(), &ids, None).await;
        let items = items.doing("read the messages")?.into_iter();
        let mut items: HashMap<_, _> = items
            .filter_map(|item| MessageView::of(&item).map(|view| (view.sequence_no.clone(), (view, item))))
            .collect();
        for id in ids {
            // Delivered, deleted, taken up since: it is none of those that are meant any more.
            let item = items
                .remove(&id)
                .filter(|(view, _)| statuses.iter().any(|status| view.send_status == status.as_str()))
                .map(|(_, item)| item);
            match item.map(|item| Message::of(&item)) {
                None => {}
                Some(Err(invalid)) => not(&id, &invalid.to_string()),
                Some(Ok(message)) => {
                    sink.write(context, &Line { id: Some(id), message })?;
                    exported.written += 1;
                }
            }
        }
    }
    Ok(exported)
}

impl Sink {
    fn new(path: Option<PathBuf>) -> Result<Sink> {
        let Some(path) = path else { return Ok(Sink::Out) };
        if path.symlink_metadata().is_ok() {
            return Err(there_already(&path));
        }
        let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(directory).map_err(|error| {
            Error::usage(format!("cannot write in the directory {}", directory.display())).because(error)
        })?;
        Ok(Sink::File(BufWriter::new(file), path))
    }

    fn write(&mut self, context: &Context, line: &Line) -> Result<()> {
        let text = serde_json::to_string(line)
            .map_err(|error| Error::failed("cannot write the message as JSON").because(error))?;
        match self {
            Sink::Out => context.ui.print(&text),
            Sink::File(file, path) => writeln!(file, "{text}").doing(&format!("write {}", path.display())),
        }
    }

    /// Answers where it went.
    fn finish(self) -> Result<String> {
        let Sink::File(file, path) = self else { return Ok(String::new()) };
        let doing = format!("write {}", path.display());
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error).doing(&doing)?;
        file.as_file().sync_all().doing(&doing)?;
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(format!(" to {}", path.display())),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(there_already(&path)),
            Err(error) => Err(error.error).doing(&doing),
        }
    }
}

fn there_already(path: &Path) -> Error {
    Error::usage(format!("{} is there already; nothing was written", path.display()))
        .hint("name another file, or remove this one")
}
