//! Step Functions: executions of the state machine, their histories, and what can be done with them.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus, HistoryEvent};
use futures::{Stream, TryStreamExt, stream};
use gateway::{ServiceError, describe};
use outbox::EpochMs;
use serde::Serialize;

use crate::outbox::history::Event;

/// Executions and events in one page: the most that the service gives (API reference, `maxResults`).
const PAGE: i32 = 1000;

pub struct Sfn {
    client: Client,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    pub name: String,
    pub arn: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `ABORTED`, `PENDING_REDRIVE`.
    pub status: String,
    pub started: Option<EpochMs>,
    pub stopped: Option<EpochMs>,
}

/// All that the service tells of one execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    #[serde(flatten)]
    pub execution: Execution,
    pub error: Option<String>,
    pub cause: Option<String>,
    #[serde(skip)]
    pub input: Option<String>,
    /// Why it cannot be redriven; `None` when it can, and where the service does not say.
    #[serde(skip)]
    pub not_redrivable: Option<String>,
}

impl Execution {
    pub fn is_running(&self) -> bool {
        matches!(self.status.as_str(), "RUNNING" | "PENDING_REDRIVE")
    }
}

impl Sfn {
    pub fn new(config: &SdkConfig) -> Sfn {
        Sfn { client: Client::new(config) }
    }

    /// The latest executions, at most 1,000. `None` when there is no such state machine.
    pub async fn latest(&self, state_machine_arn: &str, limit: i32) -> Result<Option<Vec<Execution>>, ServiceError> {
        let request = self.client.list_executions().state_machine_arn(state_machine_arn).max_results(limit);
        let answer = match request.send().await.map_err(|error| describe(&error)) {
            Ok(answer) => answer,
            Err(error) if error.is("StateMachineDoesNotExist") => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(answer.executions().iter().map(listed).collect()))
    }

    /// All executions, the latest first, page by page: those of one status, or all. AWS forgets them 90 days
    /// after their end (Step Functions quotas), and a page token after a day.
    pub fn executions<'a>(
        &'a self,
        state_machine_arn: &'a str,
        status: Option<&'a str>,
    ) -> impl Stream<Item = Result<Execution, ServiceError>> + 'a {
        let pages = stream::try_unfold(Some(None), move |token: Option<Option<String>>| async move {
            let Some(token) = token else { return Ok(None) };
            let answer = self
                .client
                .list_executions()
                .state_machine_arn(state_machine_arn)
                .set_status_filter(status.map(ExecutionStatus::from))
                .max_results(PAGE)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| describe(&error))?;
            let executions: Vec<_> = answer.executions().iter().map(listed).map(Ok).collect();
            Ok::<_, ServiceError>(Some((stream::iter(executions), answer.next_token.map(Some))))
        });
        pages.try_flatten()
    }

    /// Whether there is this state machine.
    pub async fn exists(&self, state_machine_arn: &str) -> Result<bool, ServiceError> {
        match self.client.describe_state_machine().state_machine_arn(state_machine_arn).send().await {
            Ok(_) => Ok(true),
            Err(error) => match describe(&error) {
                error if error.is("StateMachineDoesNotExist") => Ok(false),
                error => Err(error),
            },
        }
    }

    /// `None` when there is no such execution.
    pub async fn execution(&self, arn: &str) -> Result<Option<Details>, ServiceError> {
        match self.client.describe_execution().execution_arn(arn).send().await {
            Ok(answer) => Ok(Some(details(answer))),
            Err(error) => match describe(&error) {
                error if error.is("ExecutionDoesNotExist") => Ok(None),
                error => Err(error),
            },
        }
    }

    /// The whole history of an execution, with inputs and outputs if they are wanted. `None` when there is no
    /// such execution. At most 25,000 events (Step Functions quotas).
    pub async fn history(&self, arn: &str, data: bool) -> Result<Option<Vec<Event>>, ServiceError> {
        let mut events = vec![];
        let mut token = None;
        loop {
            let request = self.client.get_execution_history().execution_arn(arn).max_results(PAGE);
            let request = request.include_execution_data(data).set_next_token(token);
            let answer = match request.send().await.map_err(|error| describe(&error)) {
                Ok(answer) => answer,
                Err(error) if error.is("ExecutionDoesNotExist") => return Ok(None),
                Err(error) => return Err(error),
            };
            events.extend(answer.events().iter().map(event));
            match answer.next_token {
                None => return Ok(Some(events)),
                next => token = next,
            }
        }
    }

    pub async fn stop(&self, arn: &str, cause: &str) -> Result<(), ServiceError> {
        let request = self.client.stop_execution().execution_arn(arn).error("Stopped").cause(cause);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Goes on from the states that did not succeed.
    pub async fn redrive(&self, arn: &str) -> Result<(), ServiceError> {
        let request = self.client.redrive_execution().execution_arn(arn);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }
}

fn listed(execution: &ExecutionListItem) -> Execution {
    Execution {
        name: execution.name().to_owned(),
        arn: execution.execution_arn().to_owned(),
        status: execution.status().as_str().to_owned(),
        started: execution.start_date().to_millis().ok(),
        stopped: execution.stop_date().and_then(millis),
    }
}

fn details(answer: DescribeExecutionOutput) -> Details {
    Details {
        not_redrivable: answer.redrive_status_reason().map(str::to_owned),
        execution: Execution {
            name: answer.name().unwrap_or_default().to_owned(),
            arn: answer.execution_arn().to_owned(),
            status: answer.status().as_str().to_owned(),
            started: millis(answer.start_date()),
            stopped: answer.stop_date().and_then(millis),
        },
        error: answer.error,
        cause: answer.cause,
        input: answer.input,
    }
}

fn millis(time: &DateTime) -> Option<EpochMs> {
    time.to_millis().ok()
}

fn event(event: &HistoryEvent) -> Event {
    let mut out = Event {
        id: event.id(),
        // 0 stands for none: the first event, and the local engine.
        previous: Some(event.previous_event_id()).filter(|id| *id > 0),
        time: millis(event.timestamp()).unwrap_or(0),
        kind: event.r#type().as_str().to_owned(),
        ..Event::default()
    };
    let text = |text: Option<&str>| text.map(str::to_owned);
    if let Some(entered) = event.state_entered_event_details() {
        (out.name, out.data) = (Some(entered.name().to_owned()), text(entered.input()));
    }
    if let Some(exited) = event.state_exited_event_details() {
        (out.name, out.data) = (Some(exited.name().to_owned()), text(exited.output()));
    }
    let iteration = event
        .map_iteration_started_event_details()
        .or_else(|| event.map_iteration_succeeded_event_details())
        .or_else(|| event.map_iteration_failed_event_details())
        .or_else(|| event.map_iteration_aborted_event_details());
    if let Some(iteration) = iteration {
        (out.name, out.index) = (text(iteration.name()), Some(iteration.index()));
    }
    if let Some(started) = event.execution_started_event_details() {
        out.data = text(started.input());
    }
    if let Some(succeeded) = event.execution_succeeded_event_details() {
        out.data = text(succeeded.output());
    }
    (out.error, out.cause) = failure(event);
    out
}

/// What the event says of a failure, whatever failed.
fn failure(event: &HistoryEvent) -> (Option<String>, Option<String>) {
    let found = (event.task_failed_event_details().map(|d| (d.error(), d.cause())))
        .or_else(|| event.task_timed_out_event_details().map(|d| (d.error(), d.cause())))
        .or_else(|| event.task_start_failed_event_details().map(|d| (d.error(), d.cause())))
        .or_else(|| event.task_submit_failed_event_details().map(|d| (d.error(), d.cause())))
        .or_else(|| event.execution_failed_event_details().map(|d| (d.error(), d.cause())))
        .or_else(|| event.execution_aborted_event_details().map(|d| (d.error(), d.cause())))
        .or_else(|| event.execution_timed_out_event_details().map(|d| (d.error(), d.cause())))
        .or_else(|| event.evaluation_failed_event_details().map(|d| (d.error(), d.cause())));
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    found.map_or((None, None), |(error, cause)| (text(error), text(cause)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::{answers, requests};

    #[tokio::test]
    async fn executions_come_page_by_page() {
        let one = |name: &str| {
            format!(
                r#"{{"executionArn":"arn:{name}","stateMachineArn":"sm","name":"{name}","status":"FAILED","startDate":1.5,"stopDate":2}}"#
            )
        };
        let first = format!(r#"{{"executions":[{}],"nextToken":"t"}}"#, one("b"));
        let second = format!(r#"{{"executions":[{}]}}"#, one("a"));
        let (config, client) = answers(&[(200, &first), (200, &second)]).await;
        let sfn = Sfn::new(&config);
        let found: Vec<Execution> = sfn.executions("sm", Some("FAILED")).try_collect().await.expect("executions");
        let names: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.started, found.stopped)).collect();
        assert_eq!(names, [("b", Some(1_500), Some(2_000)), ("a", Some(1_500), Some(2_000))]);
        let asked = requests(&client);
        assert!(asked[0].contains(r#""statusFilter":"FAILED""#) && !asked[0].contains("nextToken"), "{asked:?}");
        assert!(asked[1].contains(r#""nextToken":"t""#), "{asked:?}");
    }

    #[tokio::test]
    async fn a_history_is_read_to_its_end_with_what_failed() {
        let first = r#"{"events":[
            {"id":1,"timestamp":1,"type":"ExecutionStarted","executionStartedEventDetails":{"input":"{}"}},
            {"id":2,"previousEventId":0,"timestamp":1,"type":"MapStateEntered","stateEnteredEventDetails":{"name":"M"}}
        ],"nextToken":"t"}"#;
        let second = r#"{"events":[
            {"id":3,"previousEventId":2,"timestamp":2,"type":"MapIterationStarted","mapIterationStartedEventDetails":{"name":"M","index":4}},
            {"id":4,"previousEventId":3,"timestamp":2,"type":"TaskFailed","taskFailedEventDetails":{"resource":"r","resourceType":"t","error":"E","cause":"C"}}
        ]}"#;
        let (config, client) = answers(&[(200, first), (200, second)]).await;
        let events = Sfn::new(&config).history("arn", true).await.expect("a history").expect("an execution");
        let kinds: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.previous)).collect();
        assert_eq!(
            kinds,
            [
                ("ExecutionStarted", None),
                ("MapStateEntered", None),
                ("MapIterationStarted", Some(2)),
                ("TaskFailed", Some(3))
            ]
        );
        assert_eq!((events[2].name.as_deref(), events[2].index), (Some("M"), Some(4)));
        assert_eq!((events[3].error.as_deref(), events[3].cause.as_deref()), (Some("E"), Some("C")));
        assert!(requests(&client)[1].contains(r#""nextToken":"t""#));
    }

    #[tokio::test]
    async fn an_unknown_execution_is_none() {
        let unknown = r#"{"__type":"ExecutionDoesNotExist","message":"no"}"#;
        let (config, _) = answers(&[(400, unknown), (400, unknown)]).await;
        let sfn = Sfn::new(&config);
        assert_eq!(sfn.execution("arn").await, Ok(None));
        assert_eq!(sfn.history("arn", false).await, Ok(None));
    }
}
