//! `disa`: deploys and operates an outbox for Amazon SNS.

mod aws;
mod cli;
mod commands;
mod complete;
mod context;
mod error;
mod local;
mod outbox;
mod reference;
mod stack;
mod ui;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

fn main() -> ExitCode {
    // Answers a shell that completes, and ends; does nothing otherwise.
    clap_complete::CompleteEnv::with_factory(cli::Cli::command).complete();
    let arguments = match cli::Cli::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return ui::usage(&error),
    };
    let ui = ui::Ui::new(&arguments.global);
    let outcome = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let outcome = runtime.block_on(commands::run(arguments, ui));
            // A reader that blocks on standard input must not keep the process.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error::Error::failed("cannot start the runtime").because(error)),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => ui.error(&error),
    }
}
