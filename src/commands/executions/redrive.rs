use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use gateway::ServiceError;
use outbox::EpochMs;
use serde::Serialize;

use super::{arn, details, messages};
use crate::aws::sfn::Details;
use crate::complete;
use crate::context::{Context, now_ms};
use crate::error::{Error, Result};
use crate::ui::{Tone, Ui, View};

/// For so long an execution can be redriven after its end (Step Functions developer guide, "Redriving
/// executions").
const REDRIVABLE_MS: i64 = 14 * 86_400_000;

/// So long after its end the function of an execution that was stopped may still run and publish, under the right
/// that the redriven one would have: a function runs 60 seconds at the most.
const FUNCTION_MS: i64 = 65_000;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa executions redrive stream-12-315502b4277f99b854d2fe17c6613624\n\nAWS redrives what is FAILED, ABORTED or TIMED_OUT, for 14 days. It goes on at the state where it failed: one that\nended in the state `Fail` fails there again. To send a message again, `disa retry now --id ID` is what you want."
)]
pub struct Redrive {
    /// The execution's name or ARN
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete::executions))]
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Redriven {
    name: String,
    arn: String,
}

impl Redrive {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let arn = arn(context, &self.name).await?;
        let execution = details(context, &arn).await?;
        if let Some(reason) = obstacle(&execution, now_ms()) {
            let error = Error::failed(format!("the execution {} cannot be redriven", execution.execution.name));
            return Err(instead(context, &execution, error.because(reason)));
        }
        if let Err(error) = context.clients.sfn().redrive(&arn).await {
            return Err(instead(context, &execution, refused(&error)));
        }
        context.ui.show(&Redriven { name: execution.execution.name, arn })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What stands in the way, by the service's rules.
fn obstacle(execution: &Details, now: EpochMs) -> Option<String> {
    let Details { execution, not_redrivable, .. } = execution;
    let redrivable = matches!(execution.status.as_str(), "FAILED" | "ABORTED" | "TIMED_OUT");
    match execution.stopped {
        _ if !redrivable => Some(format!("it is {}: only FAILED, ABORTED and TIMED_OUT ones can be", execution.status)),
        Some(stopped) if now - stopped > REDRIVABLE_MS => Some("it ended more than 14 days ago".to_owned()),
        Some(stopped) if execution.status != "FAILED" && now - stopped < FUNCTION_MS => {
            let seconds = (FUNCTION_MS - (now - stopped)) / 1_000 + 1;
            Some(format!("its function may still run, and the same message be sent twice: wait {seconds} s"))
        }
        _ => not_redrivable.clone(),
    }
}

fn refused(error: &ServiceError) -> Error {
    if error.text.contains("Unknown action") || error.is("UnknownOperationException") {
        return Error::failed("this engine cannot redrive executions: AWS does");
    }
    Error::service("the service did not redrive the execution", error)
}

/// What is usually wanted instead.
fn instead(context: &Context, execution: &Details, error: Error) -> Error {
    match &messages(execution.input.as_deref())[..] {
        [(id, _)] => {
            error.hint(format!("send its message again: `{}`", context.again(&format!("retry now --id {id}"))))
        }
        _ => error.hint(format!("send messages again: `{}`", context.again("retry now --id ID"))),
    }
}

impl View for Redriven {
    fn text(&self, ui: &Ui) -> String {
        format!("{}  {}", self.name, ui.paint(Tone::Good, "redriven"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::sfn::Execution;

    #[test]
    fn what_succeeded_or_is_old_or_may_still_run_is_not_redriven() {
        let now = REDRIVABLE_MS + 1;
        let obstacle = |status: &str, stopped: i64| {
            let execution = Execution {
                name: "e".into(),
                arn: "a".into(),
                status: status.into(),
                started: Some(0),
                stopped: Some(stopped),
            };
            let details = Details { execution, error: None, cause: None, input: None, not_redrivable: None };
            obstacle(&details, now)
        };
        assert_eq!(obstacle("FAILED", 1), None);
        assert!(obstacle("FAILED", 0).is_some_and(|why| why.contains("14 days")));
        assert_eq!((obstacle("FAILED", now), obstacle("ABORTED", now - FUNCTION_MS)), (None, None));
        assert!(obstacle("ABORTED", now - 10_000).is_some_and(|why| why.ends_with("wait 56 s")));
        assert!(obstacle("SUCCEEDED", 1).is_some_and(|why| why.contains("SUCCEEDED")));
    }
}
