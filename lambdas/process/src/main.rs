//! `disa_process`: the only one that sends. Takes the batch of an execution, takes the right to publish each
//! message, publishes, records what SNS accepted, and answers what it did not, each with its class.

mod metric;
mod publish;

use std::time::Duration;

use futures::{StreamExt, stream};
use gateway::function::{self, now, time_left};
use gateway::{Applied, ServiceError, Table};
use lambda_runtime::{Context, Error, LambdaEvent, run, service_fn};
use metric::{Metric, latencies_ms};
use outbox::EpochMs;
use outbox::change;
use outbox::error::Failure;
use outbox::execution::{Task, Undelivered};
use outbox::item::Delivery;
use outbox::message::Message;
use outbox::policy::Policy;
use publish::{Entry, Topic};
use serde::{Deserialize, Serialize};

/// Requests to the table under way at once.
const CONCURRENCY: usize = 32;
/// Kept of the function's time for recording what SNS accepted.
const RECORD_RESERVE: Duration = Duration::from_secs(12);
/// Kept of it for the answer. A function that is stopped answers for no message, and each would count as failed
/// in a way that nobody foresaw: what hangs is given up before.
const ANSWER_RESERVE: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    /// The execution's name: the owner of the fence.
    execution: String,
    messages: Vec<Task>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    delivered: usize,
    /// Deleted, delivered, begun by somebody else since, or with a lease that is nearly over.
    skipped: usize,
    undelivered: Vec<Undelivered>,
}

struct Sender {
    table: Table,
    topic: Topic,
    metric: Metric,
    policy: Policy,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::init_logs();
    let config = function::sdk_config().await;
    let sender = &Sender {
        table: Table::new(aws_sdk_dynamodb::Client::new(&config), function::variable("TABLE_NAME")?),
        topic: Topic::new(aws_sdk_sns::Client::new(&config), function::variable("SNS_TOPIC_ARN")?),
        metric: Metric::from_env(aws_sdk_cloudwatch::Client::new(&config))?,
        policy: function::policy()?,
    };
    run(service_fn(|event: LambdaEvent<Request>| async move {
        Ok::<_, Error>(sender.handle(event.payload, &event.context).await)
    }))
    .await
}

/// A message that this execution may publish.
struct Mine {
    task: Task,
    entry: Entry,
    created_at: EpochMs,
}

/// What the fence said of one message.
enum Fenced {
    Mine(Box<Mine>),
    Skipped,
    Undelivered(Box<Undelivered>),
}

impl Sender {
    async fn handle(&self, request: Request, context: &Context) -> Response {
        let Request { execution, messages } = request;
        let until = now() + i64::try_from(time_left(context, Duration::ZERO).as_millis()).unwrap_or(i64::MAX / 2);
        let mut response = Response { delivered: 0, skipped: 0, undelivered: vec![] };
        let (mut tasks, mut entries) = (vec![], vec![]);
        let fenced: Vec<Fenced> = stream::iter(messages)
            .map(|task| self.fence(task, &execution, until, time_left(context, RECORD_RESERVE)))
            .buffered(CONCURRENCY)
            .collect()
            .await;
        for outcome in fenced {
            match outcome {
                Fenced::Mine(mine) => {
                    tasks.push((mine.task, mine.created_at));
                    entries.push(mine.entry);
                }
                Fenced::Skipped => response.skipped += 1,
                Fenced::Undelivered(undelivered) => response.undelivered.push(*undelivered),
            }
        }
        let (results, datapoints) = self.topic.publish(&entries, || time_left(context, RECORD_RESERVE)).await;
        let accepted_at = now();
        let mut accepted = vec![];
        for ((task, created_at), result) in tasks.into_iter().zip(results) {
            match result {
                Ok(sns_message_id) => accepted.push((task, created_at, sns_message_id)),
                Err(failure) => response.undelivered.push(undelivered(&task, &failure, &execution)),
            }
        }
        response.delivered = accepted.len();
        let latencies = latencies_ms(accepted.iter().map(|(_, created_at, _)| *created_at), accepted_at);
        // The metric after the record: the status of a message is worth more than a datapoint.
        stream::iter(accepted)
            .for_each_concurrent(CONCURRENCY, |(task, created_at, id)| {
                self.record(task, created_at, id, &execution, context)
            })
            .await;
        let metric = self.metric.put(&datapoints, latencies);
        if tokio::time::timeout(time_left(context, ANSWER_RESERVE), metric).await.is_err() {
            tracing::warn!(execution, "there was no time to write the metrics");
        }
        tracing::info!(
            execution,
            delivered = response.delivered,
            skipped = response.skipped,
            undelivered = response.undelivered.len(),
            "batch done"
        );
        response
    }

    /// Takes the right to publish this attempt, and reads the message in the same request.
    async fn fence(&self, task: Task, execution: &str, until: EpochMs, time_left: Duration) -> Fenced {
        let fence = change::fence(&task.sequence_no, task.attempt, execution, until);
        match self.table.apply_within(time_left, &fence).await {
            Ok(Applied::Done(Some(item))) => match Message::of(&item) {
                Ok(message) => {
                    let entry = Entry { sequence_no: task.sequence_no.clone(), message };
                    let created_at = Delivery::of(&item).and_then(|d| d.created_at).unwrap_or(0);
                    Fenced::Mine(Box::new(Mine { task, entry, created_at }))
                }
                Err(reason) => {
                    Fenced::Undelivered(Box::new(undelivered(&task, &Failure::rejected(&reason), execution)))
                }
            },
            Ok(_) => {
                tracing::info!(sequenceNo = task.sequence_no, attempt = task.attempt, execution, "skipped");
                Fenced::Skipped
            }
            Err(error) => {
                let failure = Failure::unreachable(&error.code, &format!("the table did not answer: {}", error.text));
                Fenced::Undelivered(Box::new(undelivered(&task, &failure, execution)))
            }
        }
    }

    /// Records what SNS accepted, for as long as the function may run: a message that stays Pending is sent
    /// again when its lease is over.
    async fn record(
        &self,
        task: Task,
        created_at: EpochMs,
        sns_message_id: String,
        execution: &str,
        context: &Context,
    ) {
        let Task { sequence_no, attempt, .. } = task;
        loop {
            let now = now();
            let expires_at = self.policy.expires_at(now);
            let success = change::succeed(&sequence_no, created_at, execution, &sns_message_id, now, expires_at);
            let applied = self.table.apply_within(time_left(context, ANSWER_RESERVE), &success).await;
            let error: ServiceError = match applied {
                Ok(_) => {
                    tracing::info!(
                        sequenceNo = sequence_no,
                        attempt,
                        execution,
                        snsMessageId = sns_message_id,
                        "delivered"
                    );
                    return;
                }
                Err(error) => error,
            };
            tracing::warn!(
                sequenceNo = sequence_no,
                attempt,
                execution,
                code = error.code,
                "delivered, not recorded yet"
            );
            if !error.is_transient() || time_left(context, Duration::from_secs(2)).is_zero() {
                tracing::error!(
                    sequenceNo = sequence_no,
                    attempt,
                    execution,
                    snsMessageId = sns_message_id,
                    "delivered, not recorded"
                );
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What the state machine writes for a message that was not delivered.
fn undelivered(task: &Task, failure: &Failure, execution: &str) -> Undelivered {
    use outbox::error::Class;
    let now = now();
    tracing::warn!(
        sequenceNo = task.sequence_no,
        attempt = task.attempt,
        execution,
        class = %failure.class,
        code = failure.code,
        "not delivered"
    );
    let outcome = match failure.class {
        Class::Rejected => task.unavailable.rejected(now),
        Class::Unavailable => task.unavailable.clone(),
        Class::Unknown => task.unknown.clone(),
    };
    Undelivered::new(outcome, failure, now)
}
