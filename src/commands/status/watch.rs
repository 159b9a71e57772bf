//! Looking again and again.

use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use outbox::item::Status as SendStatus;
use outbox::names::{Function, metric};

use super::look;
use crate::aws::cloudwatch::Watch;
use crate::aws::lambda::Answer;
use crate::aws::messages::backlog;
use crate::commands::list::unreadable;
use crate::commands::show::{error_line, shown};
use crate::commands::trace::gather::gather;
use crate::context::{Context, now_ms, pause};
use crate::error::{Doing, Error, Result};
use crate::outbox::order::{First, Sort};
use crate::outbox::view::MessageView;
use crate::ui::text::{count, duration, iso, span};
use crate::ui::watch::Terminal;
use crate::ui::watch::screen::{Action, Board, Detail, Entry, Over, Screen};
use crate::ui::{Tone, View};

/// Errors that a look brings.
const ERRORS: usize = 50;
/// So long back the metrics are drawn.
const HALF_HOUR_MS: i64 = 1_800_000;

/// Prints one look after the other, until interrupted: that is how it ends.
pub async fn printed(context: &Context, interval: Duration) -> Result<()> {
    let looks = async {
        loop {
            let view = look(context).await?;
            if context.ui.output == crate::cli::Output::Table {
                context.ui.print(&format!("-- {}", iso(now_ms())))?;
            }
            context.ui.show(&view)?;
            pause(interval).await;
        }
    };
    tokio::select! {
        outcome = looks => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// What goes on behind the screen.
type Behind<'a, T> = Option<LocalBoxFuture<'a, Result<T>>>;

/// What an action gives.
enum Answered {
    Said(String),
    Detail(Detail),
}

/// The full-screen view, until a key ends it. Neither a look that fails nor an action that does ends it.
pub async fn on_terminal(context: &Context, interval: Duration) -> Result<()> {
    // The first look outside the view: where nothing is deployed there is nothing to watch.
    let first = board(context).await?;
    let mut screen = Screen::new(format!("{} in {}", context.names.stack(), context.clients.region));
    screen.take(first);
    let mut terminal = Terminal::enter(&context.ui)?;
    let (mut looking, mut acting): (Behind<Board>, Behind<Answered>) = (None, None);
    let mut looked = Instant::now();
    loop {
        screen.age_s = looked.elapsed().as_secs();
        terminal.draw(&screen)?;
        tokio::select! {
            action = terminal.action(&mut screen) => match action {
                None => {}
                Some(Action::Quit) => return Ok(()),
                Some(Action::Look) => looking = Some(board(context).boxed_local()),
                Some(action) => acting = Some(act(context, action).boxed_local()),
            },
            outcome = behind(&mut looking) => {
                looked = if outcome.is_ok() { Instant::now() } else { looked };
                match outcome {
                    Ok(board) => screen.take(board),
                    Err(error) => screen.trouble = Some(in_one_line(&error)),
                }
            }
            outcome = behind(&mut acting) => match outcome {
                Ok(Answered::Said(text)) => screen.message = Some((Tone::Good, text)),
                Ok(Answered::Detail(detail)) => screen.over = Over::Detail(detail),
                Err(error) => screen.message = Some((Tone::Bad, in_one_line(&error))),
            },
            () = pause(Duration::from_secs(1)) => {}
        }
        if looking.is_none() && looked.elapsed() >= interval {
            looking = Some(board(context).boxed_local());
        }
    }
}

/// Waits for the end of what goes on, and clears it; for ever where nothing does.
async fn behind<T>(work: &mut Behind<'_, T>) -> Result<T> {
    match work {
        None => std::future::pending().await,
        Some(going) => {
            let outcome = going.await;
            *work = None;
            outcome
        }
    }
}

fn in_one_line(error: &Error) -> String {
    let causes = error.causes.iter().map(|cause| format!(": {cause}"));
    format!("{}{}", error.message, causes.collect::<String>())
}

async fn act(context: &Context, action: Action) -> Result<Answered> {
    match action {
        Action::Detail(id) => Ok(Answered::Detail(detail(context, id).await?)),
        Action::Retry => retry(context, serde_json::json!({ "select": "all" })).await,
        Action::RetryOne(id) => retry(context, serde_json::json!({ "select": "ids", "ids": [id] })).await,
        Action::Switch => {
            let (scheduler, name) = (context.clients.scheduler(), context.names.schedule());
            let found = scheduler.schedule(&name).await.doing("look at the schedule")?;
            let enable = found.is_some_and(|schedule| schedule.state != "ENABLED");
            let changed = scheduler.change(&name, Some(enable), None).await.doing("change the schedule")?;
            let changed = changed.ok_or_else(|| Error::failed(format!("there is no schedule `{name}` here")))?;
            Ok(Answered::Said(format!("The schedule is {}", changed.state)))
        }
        Action::Quit | Action::Look => Ok(Answered::Said(String::new())),
    }
}

async fn retry(context: &Context, request: serde_json::Value) -> Result<Answered> {
    let (lambda, function) = (context.clients.lambda(), context.function(Function::Retry));
    match lambda.invoke(&function, &request).await.doing("invoke the retry function")? {
        Answer::Failed(why) => Err(Error::failed("the retry function failed").because(why)),
        Answer::Done(answer) => {
            let skipped = answer["skipped"][0]["reason"].as_str().map(|why| format!("; {why}")).unwrap_or_default();
            let open = match (answer["breakerOpen"] == true, answer["hold"].is_object()) {
                (true, true) => "; the breaker is held open: nothing is sent",
                (true, false) => "; the breaker is open: a probe at a time",
                (false, _) => "",
            };
            Ok(Answered::Said(format!(
                "Claimed {}, started {}, {} remaining{skipped}{open}",
                count(answer["claimed"].as_u64().unwrap_or(0), "message"),
                count(answer["started"].as_u64().unwrap_or(0), "execution"),
                answer["remaining"],
            )))
        }
    }
}

/// What is known of a message, and its timeline where that can be had.
async fn detail(context: &Context, id: String) -> Result<Detail> {
    let mut text = shown(context, &id, false).await?.text(&context.ui.plain());
    if let Ok(story) = gather(context, &id, now_ms()).await {
        text.push('\n');
        for entry in story.entries {
            let took = entry.duration_ms.map(|ms| format!("  {}", duration(ms))).unwrap_or_default();
            let (at, source) = (duration(entry.at_ms), entry.source);
            text.push_str(&format!("\n{at:>9}  {source:<12}  {}{took}  {}", entry.event, entry.detail));
        }
    }
    Ok(Detail { id, text, top: 0 })
}

/// One look, with what only the view shows: curves, the alarm's history, the newest errors.
async fn board(context: &Context) -> Result<Board> {
    let alarm = context.names.alarm();
    let cloudwatch = context.clients.cloudwatch();
    let history = async {
        let latest = cloudwatch.transitions(&alarm, None).take(3).try_collect::<Vec<_>>().await;
        latest.doing("look at the alarm's history")
    };
    let (view, errors, history) = tokio::try_join!(look(context), newest_errors(context), history)?;
    let (delivered, latency) = match &view.beside {
        Some(watch) => metrics(context, watch).await,
        None => Default::default(),
    };
    let now = now_ms();
    let mut facts = view.facts(&context.ui);
    // Name and region stand in the title.
    facts[0].2 = view.stack.status.clone();
    let changes: Vec<String> =
        history.iter().map(|change| format!("{} {} ago", change.to, span(now - change.time))).collect();
    if !changes.is_empty() {
        facts.insert(4, ("History", Tone::Plain, changes.join(", ")));
    }
    let newest = |values: &[(i64, f64)]| values.last().map(|(_, value)| *value);
    let latency_now = newest(&latency).map_or_else(|| "-".to_owned(), |ms| duration(ms as i64));
    let curve = |values: &[(i64, f64)]| values.iter().map(|(_, value)| *value as u64).collect::<Vec<u64>>();
    Ok(Board {
        facts,
        samples: vec![("Failure", view.backlog.failure), ("Pending", view.backlog.pending)],
        series: vec![
            ("Delivered/min", curve(&delivered), newest(&delivered).map_or("-".to_owned(), |n| n.to_string())),
            ("Latency", curve(&latency), latency_now),
        ],
        failed: view.backlog.failure,
        paused: view.schedule.as_ref().map(|schedule| schedule.state != "ENABLED"),
        findings: view.findings,
        errors: errors.iter().map(|message| entry(message, now)).collect(),
    })
}

/// Deliveries a minute, and the mean time from the write to SNS: each delivery is a sample of it. `beside` is
/// another metric of this deployment. A metric that cannot be read is not drawn.
async fn metrics(context: &Context, beside: &Watch) -> (Vec<(i64, f64)>, Vec<(i64, f64)>) {
    let prefix = beside.metric.strip_suffix(metric::OLDEST).unwrap_or_default();
    let latency = Watch {
        metric: format!("{prefix}{}", metric::LATENCY),
        statistic: "Average".to_owned(),
        period_seconds: 60,
        ..beside.clone()
    };
    let now = now_ms();
    let points = context.clients.cloudwatch().datapoints(&latency, now - HALF_HOUR_MS, now).await.unwrap_or_default();
    points.iter().rev().map(|point| ((point.time, point.samples), (point.time, point.value))).unzip()
}

async fn newest_errors(context: &Context) -> Result<Vec<MessageView>> {
    let table = context.table();
    let mut found = backlog(&table, &[SendStatus::Failure, SendStatus::Dead]).boxed_local();
    let mut newest = First::new(Sort::Updated, ERRORS);
    while let Some(message) = found.try_next().await.map_err(|error| unreadable(context, error))? {
        newest.push(message);
    }
    Ok(newest.into_sorted())
}

fn entry(message: &MessageView, now: i64) -> Entry {
    Entry {
        id: message.sequence_no.clone(),
        status: message.send_status.clone(),
        age: message.updated_at.map(|updated| span(now - updated)).unwrap_or_default(),
        error: message.last_error.as_ref().map(error_line).unwrap_or_default(),
    }
}
