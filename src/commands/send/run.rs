//! A run of `send --from`: reads on, while so many messages are under way, until the end, an interrupt, a bad
//! line, or an error that does not pass.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt, stream};
use gateway::{ServiceError, Table};
use outbox::policy::Policy;
use tokio::sync::{Notify, mpsc};

use super::sent::Sent;
use super::source::Source;
use super::{Put, no_table, put};
use crate::commands::{interrupted, terminated};
use crate::context::{Context, now_ms, pause};
use crate::error::{Error, Kind, Result};
use crate::outbox::feed::{Entry, Trouble};
use crate::outbox::pace::Rate;
use crate::ui::text::count;

/// Messages under way at once, and as many read ahead: of 256 KiB each at the most.
const CONCURRENCY: usize = 32;
/// Before a message is tried again, after the SDK's own tries: doubled each time, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(4);

pub struct Run<'a> {
    context: &'a Context,
    table: Table,
    source: Source,
    rate: Option<Rate>,
    /// How many messages there are, where that is known.
    total: Option<u64>,
    skip: u64,
    /// Why no more is read.
    trouble: RefCell<Option<Trouble>>,
}

enum Fate {
    Put(Put),
    /// The table never takes this one.
    Refused(String),
    /// Nor will it take the next.
    Stuck(ServiceError),
}

impl<'a> Run<'a> {
    pub fn new(context: &'a Context, source: Source, rate: Option<Rate>, skip: u64, total: Option<u64>) -> Run<'a> {
        Run { context, table: context.table(), source, rate, total, skip, trouble: RefCell::default() }
    }

    pub async fn all(self) -> Result<ExitCode> {
        let halt = Notify::new();
        let stopped = Cell::new(false);
        let stop = async {
            tokio::select! {
                () = interrupt() => stopped.set(true),
                () = halt.notified() => {}
            }
        };
        let mut sent = Sent::new(self.source.name(), self.skip);
        let mut stuck = None;
        let begin = Instant::now();
        let progress = self.context.ui.progress("sending", self.total);
        let under_way = self.entries().take_until(stop).map(|entry| self.queue(entry)).buffer_unordered(CONCURRENCY);
        let work = async {
            let mut under_way = pin!(under_way);
            while let Some((entry, fate)) = under_way.next().await {
                progress.advance(1);
                sent.tried(entry.line);
                match fate {
                    Fate::Put(Put::Queued) => sent.queued += 1,
                    Fate::Put(Put::Already(_)) => sent.already_queued += 1,
                    Fate::Put(Put::Taken) => sent.failed(entry, "the id is taken by another message".to_owned()),
                    Fate::Refused(reason) => sent.failed(entry, reason),
                    Fate::Stuck(error) => {
                        sent.not_done(entry.line);
                        stuck.get_or_insert(error);
                        halt.notify_one();
                    }
                }
            }
        };
        // Who asks twice does not want to wait for what is under way.
        let twice = async {
            interrupt().await;
            interrupt().await;
        };
        let ended = tokio::select! {
            () = work => true,
            () = twice => false,
        };
        if !ended {
            return Err(interrupted().hint(self.again(0)));
        }
        drop(progress);
        sent.seconds = (begin.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        self.tell(&sent, stuck, stopped.get())
    }

    /// The messages, read ahead by a thread of their own, each when its time has come.
    fn entries(&self) -> impl Stream<Item = Entry> + '_ {
        let (sender, receiver) = mpsc::channel(CONCURRENCY);
        let source = self.source.clone();
        tokio::task::spawn_blocking(move || {
            let feed = match source.open(None) {
                Ok(feed) => feed,
                Err(error) => {
                    let _ = sender.blocking_send(Err(Trouble::Unreadable(error)));
                    return;
                }
            };
            for entry in feed {
                let last = entry.is_err();
                if sender.blocking_send(entry).is_err() || last {
                    return;
                }
            }
        });
        let begin = Instant::now();
        stream::unfold((receiver, 0), move |(mut receiver, gone)| async move {
            match receiver.recv().await? {
                Ok(entry) => {
                    if let Some(rate) = self.rate {
                        pause(rate.due(gone).saturating_sub(begin.elapsed())).await;
                    }
                    Some((entry, (receiver, gone + 1)))
                }
                Err(trouble) => {
                    self.trouble.replace(Some(trouble));
                    None
                }
            }
        })
    }

    async fn queue(&self, entry: Entry) -> (Entry, Fate) {
        let mut wait = FIRST_WAIT;
        loop {
            let put = put(&self.table, &entry.id, &entry.message, now_ms(), Policy::default().lease_ms).await;
            let fate = match put {
                Err(error) if error.is_transient() && wait <= LAST_WAIT => {
                    pause(wait).await;
                    wait *= 2;
                    continue;
                }
                Ok(put) => Fate::Put(put),
                // A number that DynamoDB does not take, for instance (API reference, `PutItem`).
                Err(error) if error.is("ValidationException") => Fate::Refused(error.to_string()),
                Err(error) => Fate::Stuck(error),
            };
            return (entry, fate);
        }
    }

    /// The summary, and then why it ended early.
    fn tell(&self, sent: &Sent, stuck: Option<ServiceError>, stopped: bool) -> Result<ExitCode> {
        let some = sent.in_outbox() > 0;
        if let Some(error) = stuck {
            if !some && error.is("ResourceNotFoundException") {
                return Err(no_table(self.context));
            }
            if !some {
                return Err(Error::service("cannot put the messages into the outbox", &error));
            }
            self.context.ui.show(sent)?;
            let queued = count(sent.in_outbox(), "message");
            let mut failed =
                Error::service(format!("it ended early: {queued} in the outbox, and not the rest"), &error);
            failed.kind = Kind::Partial;
            return Err(failed.hint(self.again(sent.done_through())));
        }
        let trouble = self.trouble.take();
        // Nothing was done: the reason says it all.
        if trouble.is_none() || some {
            self.context.ui.show(sent)?;
        }
        let kind = if some { Kind::Partial } else { Kind::Usage };
        match trouble {
            Some(Trouble::Bad(line, reason)) => {
                let what = format!("line {line} of {} is bad; nothing from there on was sent", sent.file);
                Err(Error::new(kind, what).because(reason).hint(self.again(sent.done_through())))
            }
            Some(Trouble::Unreadable(error)) => Err(Error::new(kind, format!("cannot read {} to its end", sent.file))
                .because(error)
                .hint(self.again(sent.done_through()))),
            None if stopped => Err(interrupted().hint(self.again(sent.done_through()))),
            None if sent.failed > 0 => Ok(ExitCode::from(Kind::Partial as u8)),
            None => Ok(ExitCode::SUCCESS),
        }
    }

    fn again(&self, done_through: u64) -> String {
        let same = match self.source.size {
            Some(_) => "run the same command again",
            None => "run the same command again, with the same input",
        };
        let skip = match done_through {
            0 => String::new(),
            line => format!(" (or go on with `--skip {line}`)"),
        };
        format!("{same}: what is queued is not sent twice{skip}")
    }
}

/// Ctrl-C, or the request to end.
async fn interrupt() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
    }
}
