//! One file a verb: its arguments, and a thin run.

pub mod demo;
pub mod deploy;
pub mod destroy;
pub mod drill;
pub mod failed;
pub mod local;
pub mod reconcile;
pub mod retry;
pub mod send;
pub mod show;
pub mod status;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ui::Ui;

/// Runs the command; an interrupt ends it with its own exit code. What must be tidied up after an interrupt
/// is tidied up by the command itself, which then listens for it first.
pub async fn run(cli: Cli, ui: Ui) -> Result<ExitCode> {
    let Cli { global, command } = cli;
    if let Command::Local(command) = command {
        return command.run(&ui).await;
    }
    if let Command::Demo(command) = command {
        return command.run(global, ui).await;
    }
    let context = Context::connect(&global, ui).await?;
    if let Command::Drill(command) = command {
        return command.run(&context).await;
    }
    let work = async {
        match command {
            Command::Deploy(command) => command.run(&context).await,
            Command::Send(command) => command.run(&context).await,
            Command::Show(command) => command.run(&context).await,
            Command::Failed(command) => command.run(&context).await,
            Command::Retry(command) => command.run(&context).await,
            Command::Status(command) => command.run(&context).await,
            Command::Destroy(command) => command.run(&context).await,
            Command::Reconcile(command) => command.run(&context).await,
            Command::Local(_) | Command::Demo(_) | Command::Drill(_) => Ok(ExitCode::SUCCESS),
        }
    };
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(context.interrupt()),
    }
}

pub fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted")
}
