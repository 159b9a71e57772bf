//! `disa_retry`: brings undelivered messages back into the state machine, by schedule or by hand.
//!
//! While the breaker is closed it claims what is due, within its budgets, and starts executions. While the
//! breaker is open it sends one probe, whose datapoint is the evidence on which the alarm closes. While the
//! breaker is held open it sends nothing; a hold that is over it ends.

mod alarm;
mod backlog;
mod census;
mod request;

use std::time::Duration;

use alarm::Breaker;
use backlog::Candidates;
use census::Census;
use futures::{StreamExt, stream};
use gateway::function::{self, now, time_left};
use gateway::{Alarm, Applied, Metrics, ServiceError, Started, StateMachine, Table};
use lambda_runtime::{Context, Error, LambdaEvent, run, service_fn};
use outbox::EpochMs;
use outbox::change::{self, ClaimBy};
use outbox::execution::{self, Budget, Execution, Task};
use outbox::item::{Delivery, Status, StatusField};
use outbox::policy::Policy;
use request::{Request, Response, Select, Skipped};

/// Claims under way at once.
const CONCURRENCY: usize = 32;
/// Kept of the function's time for starting what is claimed, and for counting what remains.
const RESERVE: Duration = Duration::from_secs(12);
/// Kept of it for writing the metrics, which takes three seconds at the most.
const METRICS_RESERVE: Duration = Duration::from_secs(4);
/// In one such period at the most one probe starts, however many retry functions run.
const PROBE_PERIOD_MS: i64 = 10_000;

struct Retry {
    table: Table,
    state_machine: StateMachine,
    alarm: Alarm,
    metrics: Metrics,
    policy: Policy,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::init_logs();
    let config = function::sdk_config().await;
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&config);
    let retry = &Retry {
        table: Table::new(aws_sdk_dynamodb::Client::new(&config), function::variable("TABLE_NAME")?),
        state_machine: StateMachine::new(aws_sdk_sfn::Client::new(&config), function::variable("STATE_MACHINE_ARN")?),
        alarm: Alarm::new(cloudwatch.clone(), function::variable("ALARM_NAME")?),
        metrics: Metrics::from_env(cloudwatch)?,
        policy: function::policy()?,
    };
    run(service_fn(|event: LambdaEvent<Request>| async move { retry.handle(event.payload, &event.context).await }))
        .await
}

impl Retry {
    async fn handle(&self, request: Request, context: &Context) -> Result<Response, Error> {
        let now = now();
        let before = request.before.unwrap_or(now);
        let mut response = Response { before, ..Response::default() };
        let alarm = alarm::read(&self.alarm).await;
        let breaker = alarm::breaker(alarm.as_ref(), now);
        response.breaker_open = !matches!(breaker, Breaker::Closed { .. });
        response.hold = alarm::hold(alarm.as_ref(), now);
        if !request.dry_run {
            if let Some(alarm) = &alarm {
                alarm::give_back(&self.alarm, alarm, now).await;
            }
            match breaker {
                Breaker::HeldOpen(_) => {}
                Breaker::Open => self.probe(&request, now, &mut response).await?,
                Breaker::Closed { since_ms } => self.drain(&request, since_ms, now, context, &mut response).await?,
            }
        }
        response.remaining = self.remaining(&request, now, before, &response, context).await?;
        tracing::info!(
            claimed = response.claimed,
            started = response.started,
            remaining = response.remaining,
            breakerOpen = response.breaker_open,
            heldBy = response.hold.as_ref().map(|hold| hold.by.as_str()),
            probe = response.probe,
            error = response.error,
            "retry done"
        );
        match &response.error {
            // Nobody reads the answer to the schedule: only an error is seen, and tried again.
            Some(error) if request.select == Select::Due => Err(error.clone().into()),
            _ => Ok(response),
        }
    }

    /// Claims candidates and starts their executions, batch by batch, so that a crash leaves few messages
    /// claimed and not started; those wait for the end of their lease.
    async fn drain(
        &self,
        request: &Request,
        since_closed_ms: Option<i64>,
        now: EpochMs,
        context: &Context,
        response: &mut Response,
    ) -> Result<(), Error> {
        let allowance = match request.select {
            Select::Due => self.policy.allowance(since_closed_ms),
            Select::All | Select::Ids => self.policy.budget,
        };
        let allowance = request.limit.map_or(allowance, |limit| limit.min(allowance));
        let mut candidates = self.candidates(request, now, response.before, response).await?;
        let mut waiting: Vec<Task> = vec![];
        loop {
            let room = allowance.saturating_sub(response.claimed);
            if room == 0 || time_left(context, RESERVE).is_zero() {
                break;
            }
            let page = match candidates.next_page(room).await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                // What is claimed is started all the same.
                Err(error) => {
                    response.fail(&format!("cannot read the backlog: {error}"));
                    break;
                }
            };
            let claims: Vec<Result<Option<Task>, ServiceError>> =
                stream::iter(page).map(|seen| self.claim(seen, request)).buffered(CONCURRENCY).collect().await;
            for claim in claims {
                match claim {
                    Ok(Some(task)) => {
                        response.claimed += 1;
                        waiting.push(task);
                    }
                    Ok(None) => {}
                    Err(error) => response.fail(&format!("cannot claim: {error}")),
                }
            }
            let whole = waiting.len() / self.policy.batch_size * self.policy.batch_size;
            let batch = waiting.drain(..whole).collect();
            self.start(request, batch, response).await;
            if response.error.is_some() {
                break;
            }
        }
        self.start(request, waiting, response).await;
        Ok(())
    }

    async fn claim(&self, seen: Delivery, request: &Request) -> Result<Option<Task>, ServiceError> {
        let (now, by) = (now(), request.claim_by());
        let Some(claim) = change::claim(&seen, by, now, self.policy.lease_ms) else { return Ok(None) };
        let claim = match &request.note {
            Some(note) => claim.noted(note),
            None => claim,
        };
        match self.table.apply(&claim).await? {
            Applied::Done(Some(item)) => Ok(Delivery::of(&item).map(|claimed| self.task(&claimed, by, now))),
            _ => Ok(None),
        }
    }

    fn task(&self, claimed: &Delivery, by: ClaimBy, now: EpochMs) -> Task {
        let budget = match by {
            ClaimBy::Schedule => Budget::Counts,
            ClaimBy::Hand => Budget::Free,
        };
        Task::new(claimed, budget, &self.policy, now, rand::random())
    }

    async fn start(&self, request: &Request, tasks: Vec<Task>, response: &mut Response) {
        let source = if request.select == Select::Due { "retry" } else { "manual" };
        for execution in execution::batches(source, tasks, self.policy.batch_size, now()) {
            match self.state_machine.start(&execution).await {
                Ok(_) => {
                    response.started += 1;
                    tracing::info!(execution = execution.name, messages = execution.input.messages.len(), "started");
                }
                Err(error) => {
                    let reason = format!("cannot start an execution: {error}");
                    self.put_back(&execution, "NotStarted", &reason).await;
                    response.claimed = response.claimed.saturating_sub(execution.input.messages.len());
                    response.fail(&reason);
                }
            }
        }
    }

    /// Gives claimed messages back, so that they need not wait for the end of their lease.
    async fn put_back(&self, execution: &Execution, code: &str, reason: &str) {
        let now = now();
        let changes = execution.input.messages.iter().map(|task| {
            change::fail(&task.unavailable, None, "Unavailable", code, &outbox::error::shorten(reason), now)
        });
        stream::iter(changes)
            .for_each_concurrent(CONCURRENCY, |change| async move {
                if let Err(error) = self.table.apply(&change).await {
                    tracing::warn!(sequenceNo = change.sequence_no, code = error.code, "waits for its lease");
                }
            })
            .await;
    }

    /// Sends one message past the open breaker, unless a probe is under way.
    async fn probe(&self, request: &Request, now: EpochMs, response: &mut Response) -> Result<(), Error> {
        if self.state_machine.is_running("probe-").await? {
            response.probe = Some("a probe is under way".to_owned());
            return Ok(());
        }
        let mut candidates = self.candidates(request, now, EpochMs::MAX, response).await?;
        let Some(seen) = candidates.earliest().await? else { return Ok(()) };
        // A probe is worth an attempt whatever is due: its price is not on the message's account.
        let by_hand = Request { select: Select::Ids, note: request.note.clone(), ..Request::default() };
        let Some(task) = self.claim(seen, &by_hand).await? else { return Ok(()) };
        let execution = execution::probe(task, now, PROBE_PERIOD_MS);
        match self.state_machine.start(&execution).await {
            Ok(Started::Now) => {
                response.claimed = 1;
                response.started = 1;
                response.probe = Some(execution.name);
            }
            Ok(Started::Before) => {
                self.put_back(&execution, "BreakerOpen", "the breaker is open, and a probe was just sent").await;
                response.probe = Some("a probe was just sent".to_owned());
            }
            Err(error) => {
                let reason = format!("cannot start the probe: {error}");
                self.put_back(&execution, "NotStarted", &reason).await;
                response.fail(&reason);
            }
        }
        Ok(())
    }

    async fn candidates(
        &self,
        request: &Request,
        now: EpochMs,
        before: EpochMs,
        response: &mut Response,
    ) -> Result<Candidates<'_>, Error> {
        match request.select {
            Select::Due => Ok(Candidates::due(&self.table, now)),
            Select::All => Ok(Candidates::all(&self.table, now, before)),
            Select::Ids => {
                let looked: Vec<_> = stream::iter(&request.ids)
                    .map(|id| async move { (id, self.chosen(id, now).await) })
                    .buffered(CONCURRENCY)
                    .collect()
                    .await;
                let mut chosen = vec![];
                for (id, seen) in looked {
                    match seen? {
                        Ok(seen) => chosen.push(seen),
                        Err(reason) => response.skipped.push(Skipped { sequence_no: id.clone(), reason }),
                    }
                }
                Ok(Candidates::chosen(&self.table, now, chosen))
            }
        }
    }

    /// Reads a message that was asked for by its id; the inner error says why it cannot be tried now.
    async fn chosen(&self, id: &str, now: EpochMs) -> Result<Result<Delivery, String>, Error> {
        let Some(item) = self.table.get(id).await? else { return Ok(Err("there is no such message".to_owned())) };
        let Some(seen) = Delivery::of(&item) else { return Ok(Err("the item has no id".to_owned())) };
        let due = seen.due_at.unwrap_or(0);
        Ok(match &seen.status {
            StatusField::Known(Status::Failure) => Ok(seen),
            StatusField::Known(Status::Pending) if due <= now => Ok(seen),
            StatusField::Known(Status::Pending) => {
                Err(format!("it is being sent; if that fails silently, it is free in {} s", (due - now) / 1000 + 1))
            }
            StatusField::Known(Status::Successful) => Err("it is delivered".to_owned()),
            StatusField::Known(Status::Dead) => Err("it is Dead: revive it first".to_owned()),
            StatusField::Absent | StatusField::Unknown(_) => Err("it is not in the backlog".to_owned()),
        })
    }

    async fn remaining(
        &self,
        request: &Request,
        now: EpochMs,
        before: EpochMs,
        response: &Response,
        context: &Context,
    ) -> Result<u64, Error> {
        Ok(match request.select {
            Select::Due => self.census(context).await,
            Select::All => Candidates::all(&self.table, now, before).count().await?,
            Select::Ids => (request.ids.len() - response.skipped.len()).saturating_sub(response.claimed) as u64,
        })
    }

    /// Tells CloudWatch what stands in the backlog; answers how much of it is due, at least. What hinders it
    /// takes nothing back of what the run has done.
    async fn census(&self, context: &Context) -> u64 {
        let now = now();
        match Census::take(&self.table, now, || time_left(context, METRICS_RESERVE)).await {
            Ok(Some(census)) => {
                tracing::info!(
                    pending = census.pending,
                    failed = census.failed,
                    dead = census.dead,
                    cutShort = census.cut_short,
                    "census"
                );
                let metric = |(name, unit, value)| self.metrics.measured(name, unit, vec![value]);
                self.metrics.put(&census.measured(now).map(metric)).await;
                census.due
            }
            Ok(None) => {
                tracing::warn!("there was no time for a census");
                0
            }
            Err(error) => {
                tracing::warn!(code = error.code, text = error.text, "no census");
                0
            }
        }
    }
}
