pub mod list;
pub mod redrive;
pub mod show;
pub mod stop;

use std::process::ExitCode;

use clap::Subcommand;
use outbox::execution::Input;

use crate::aws::sfn::Details;
use crate::context::Context;
use crate::error::{Doing, Error, Result};

#[derive(Debug, Subcommand)]
pub enum Executions {
    /// List executions of the state machine, the latest first
    List(list::List),
    /// Show what happened in each state of an execution
    Show(show::Show),
    /// Stop executions that run
    Stop(stop::Stop),
    /// Let a failed execution go on where it failed
    Redrive(redrive::Redrive),
}

impl Executions {
    pub fn has_rows(&self) -> bool {
        matches!(self, Executions::List(_))
    }

    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        match self {
            Executions::List(command) => command.run(context).await,
            Executions::Show(command) => command.run(context).await,
            Executions::Stop(command) => command.run(context).await,
            Executions::Redrive(command) => command.run(context).await,
        }
    }
}

pub async fn state_machine_arn(context: &Context) -> Result<String> {
    let name = format!("stateMachine:{}", context.names.state_machine());
    Ok(context.account().await?.arn(&context.clients.region, "states", &name))
}

/// An execution's ARN, from its name or from itself. No call when it is an ARN.
pub async fn arn(context: &Context, execution: &str) -> Result<String> {
    if execution.starts_with("arn:") {
        return match execution.split(':').nth(5) {
            Some("execution") => Ok(execution.to_owned()),
            _ => Err(Error::usage(format!("`{execution}` is no execution's ARN"))),
        };
    }
    if !is_name(execution) {
        return Err(Error::usage(format!(
            "`{execution}` is no execution's name: 1 to 80 letters, digits, `-` and `_`"
        )));
    }
    let resource = format!("execution:{}:{execution}", context.names.state_machine());
    Ok(context.account().await?.arn(&context.clients.region, "states", &resource))
}

/// Whether an execution can have this name, as far as ours go (Step Functions permits more).
pub fn is_name(text: &str) -> bool {
    (1..=80).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// The execution, or the error that says how to find one.
pub async fn details(context: &Context, arn: &str) -> Result<Details> {
    let found = context.clients.sfn().execution(arn).await.doing("look at the execution")?;
    match found {
        Some(found) => Ok(found),
        None if !context.clients.sfn().exists(&state_machine_arn(context).await?).await.unwrap_or(true) => {
            Err(no_state_machine(context))
        }
        None => {
            let name = arn.rsplit(':').next().unwrap_or(arn);
            Err(Error::failed(format!("there is no execution `{name}`"))
                .hint(format!("those that are known: `{}`", context.again("executions list")))
                .hint("one that ended more than 90 days ago is forgotten: ask for its messages, `disa trace ID`"))
        }
    }
}

pub fn no_state_machine(context: &Context) -> Error {
    Error::failed(format!("there is no state machine `{}` here", context.names.state_machine()))
        .hint(format!("deploy it: `{}`", context.again("deploy")))
}

/// The ids of the messages that an execution carries, with their attempts; none when its input is not ours.
pub fn messages(input: Option<&str>) -> Vec<(String, i64)> {
    let input = input.and_then(|text| serde_json::from_str::<Input>(text).ok());
    let tasks = input.map(|input| input.messages).unwrap_or_default();
    tasks.into_iter().map(|task| (task.sequence_no, task.attempt)).collect()
}
