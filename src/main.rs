//! `disa`: deploys and operates an outbox for Amazon SNS.

mod aws;
mod cli;
mod commands;
mod context;
mod error;
mod local;
mod outbox;
mod stack;
mod ui;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
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
