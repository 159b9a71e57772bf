//! One file a verb: its arguments, and a thin run.

pub mod alarm;
pub mod breaker;
pub mod cancel;
pub mod chosen;
pub mod config;
pub mod dead;
pub mod demo;
pub mod deploy;
pub mod destroy;
pub mod diagnose;
pub mod doctor;
pub mod drift;
pub mod drill;
pub mod executions;
pub mod failed;
pub mod gc;
pub mod help;
pub mod list;
pub mod local;
pub mod logs;
pub mod outputs;
pub mod plan;
pub mod preview;
pub mod reconcile;
pub mod retry;
pub mod selection;
pub mod send;
pub mod show;
pub mod status;
pub mod template;
pub mod trace;

use std::process::ExitCode;

use crate::cli::{Cli, Command, Output};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ui::Ui;

/// Runs the command; an interrupt ends it with its own exit code. What must be tidied up after an interrupt
/// is tidied up by the command itself, which then listens for it first.
pub async fn run(cli: Cli, ui: Ui) -> Result<ExitCode> {
    let Cli { global, command } = cli;
    // Before anything is done: it must not be done and then not be told.
    if global.output == Output::Csv && !command.has_rows() {
        return Err(Error::usage("the answer has no rows: it cannot be comma-separated")
            .hint("take another form: `-o table`, `-o json`"));
    }
    if let Command::Local(command) = command {
        return command.run(&ui).await;
    }
    if let Command::Demo(command) = command {
        return command.run(global, ui).await;
    }
    if let Command::Doctor(command) = &command
        && command.list
    {
        return command.list(&ui);
    }
    match command {
        Command::Completions(command) => return command.run(&ui),
        Command::Man(command) => return command.run(&ui),
        Command::Reference(command) => return command.run(&ui),
        Command::Send(command) => return command.run(&global, ui).await,
        Command::Template(command) => return command.run(&global, &ui).await,
        Command::Config(command) => return command.run(&global, ui).await,
        _ => {}
    }
    let context = Context::connect(&global, ui).await?;
    if let Command::Drill(command) = command {
        return command.run(&context).await;
    }
    // An interrupt is the usual end of watching.
    if let Command::Status(command) = &command
        && command.watch
    {
        return command.run(&context).await;
    }
    let work = async {
        match command {
            Command::Deploy(command) => command.run(&context).await,
            Command::Plan(command) => command.run(&context).await,
            Command::Cancel(command) => command.run(&context).await,
            Command::Diagnose(command) => command.run(&context).await,
            Command::Outputs(command) => command.run(&context).await,
            Command::Show(command) => command.run(&context).await,
            Command::List(command) => command.run(&context).await,
            Command::Failed(command) => command.run(&context).await,
            Command::Dead(command) => command.run(&context).await,
            Command::Retry(command) => command.run(&context).await,
            Command::Status(command) => command.run(&context).await,
            Command::Gc(command) => command.run(&context).await,
            Command::Destroy(command) => command.run(&context).await,
            Command::Doctor(command) => command.run(&context).await,
            Command::Drift(command) => command.run(&context).await,
            Command::Executions(command) => command.run(&context).await,
            Command::Alarm(command) => command.run(&context).await,
            Command::Breaker(command) => command.run(&context).await,
            Command::Logs(command) => command.run(&context).await,
            Command::Trace(command) => command.run(&context).await,
            Command::Reconcile(command) => command.run(&context).await,
            _ => Ok(ExitCode::SUCCESS),
        }
    };
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => context.interrupt(),
    }
}

pub fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted")
}

/// The request to end that service managers send.
pub async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
