//! `disa_init_process`: takes a batch of the table's stream (new items, and what is put over one), takes what a
//! hand made into the backlog, and starts executions of the state machine.
//!
//! Everything it does may be done twice: a redelivered batch adopts nothing anew and starts executions of
//! the same names.

mod plan;

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use futures::{StreamExt, TryStreamExt, stream};
use gateway::function::{self, now};
use gateway::{Applied, Started, StateMachine, Table};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use outbox::change;
use outbox::execution;
use outbox::item::{Delivery, Status};
use outbox::policy::Policy;
use plan::Inserted;

/// Adoptions under way at once: a batch is 100 records, and a hand made few of them.
const CONCURRENCY: usize = 16;

struct Starter {
    table: Table,
    state_machine: StateMachine,
    policy: Policy,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::init_logs();
    let config = function::sdk_config().await;
    let starter = &Starter {
        table: Table::new(aws_sdk_dynamodb::Client::new(&config), function::variable("TABLE_NAME")?),
        state_machine: StateMachine::new(aws_sdk_sfn::Client::new(&config), function::variable("STATE_MACHINE_ARN")?),
        policy: function::policy()?,
    };
    run(service_fn(|event: LambdaEvent<Event>| async move { starter.handle(event.payload).await })).await
}

impl Starter {
    /// Errors before anything was started fail the whole batch, so that it is delivered again; later ones
    /// name the record to go on from.
    async fn handle(&self, event: Event) -> Result<DynamoDbEventResponse, Error> {
        let inserted = plan::inserted(event);
        let records: Vec<Inserted> = stream::iter(inserted)
            .map(|record| self.adopt(record))
            .buffered(CONCURRENCY)
            .try_filter_map(async |record| Ok(record))
            .try_collect()
            .await?;
        let sequence_numbers: Vec<String> = records.iter().map(|record| record.sequence_number.clone()).collect();
        let now = now();
        let tasks = records.iter().filter_map(|record| plan::task(record, &self.policy, now, rand::random())).collect();
        let mut done = 0;
        for execution in execution::batches("stream", tasks, self.policy.batch_size, now) {
            let count = execution.input.messages.len();
            match self.state_machine.start(&execution).await {
                Ok(started) => {
                    tracing::info!(
                        execution = execution.name,
                        messages = count,
                        before = started == Started::Before,
                        "started"
                    );
                    done += count;
                }
                Err(error) => {
                    tracing::error!(
                        execution = execution.name,
                        messages = count,
                        code = error.code,
                        text = error.text,
                        "not started"
                    );
                    if done == 0 {
                        return Err(format!("cannot start the execution {}: {error}", execution.name).into());
                    }
                    return Ok(go_on_from(&sequence_numbers[done]));
                }
            }
        }
        Ok(DynamoDbEventResponse::default())
    }

    /// Takes an item without a backlog entry into the backlog. `None` when there is nothing to start.
    async fn adopt(&self, record: Inserted) -> Result<Option<Inserted>, Error> {
        let delivery = Delivery::of(&record.item);
        if !delivery.as_ref().is_some_and(Delivery::needs_adoption) {
            // Only an attempt that somebody has just begun is ours to start: a Failure or Dead item that was
            // copied in waits in the backlog like any other.
            return Ok(delivery.filter(|d| d.is(Status::Pending)).map(|_| record));
        }
        let Some(adoption) = change::adopt(&record.item, now(), self.policy.lease_ms) else { return Ok(None) };
        match self.table.apply(&adoption).await {
            Ok(Applied::Done(Some(item))) => {
                tracing::info!(sequenceNo = adoption.sequence_no, "adopted");
                let alive = Delivery::of(&item).is_some_and(|d| d.is(Status::Pending));
                Ok(alive.then_some(Inserted { item, ..record }))
            }
            // Somebody was first. If it was this batch's first delivery, the execution may not have been
            // started; if it was, its name says so.
            Ok(Applied::Refused(Some(item))) => {
                let first = Delivery::of(&item).is_some_and(|d| d.is(Status::Pending) && d.attempts == Some(1));
                Ok(first.then_some(Inserted { item, ..record }))
            }
            Ok(_) => Ok(None),
            Err(error) => Err(format!("cannot take {} into the backlog: {error}", adoption.sequence_no).into()),
        }
    }
}

/// The partial batch response: Lambda delivers this record and what follows again.
fn go_on_from(sequence_number: &str) -> DynamoDbEventResponse {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = Some(sequence_number.to_owned());
    let mut response = DynamoDbEventResponse::default();
    response.batch_item_failures.push(failure);
    response
}
