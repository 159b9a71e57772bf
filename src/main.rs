//! `disa`: deploys and operates an outbox for Amazon SNS.

mod aws;
mod cli;
mod commands;
mod complete;
mod config;
mod context;
mod error;
mod local;
mod outbox;
mod reference;
mod stack;
mod ui;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

fn main() -> ExitCode {
    // Answers a shell that completes, and ends; does nothing otherwise.
    clap_complete::CompleteEnv::with_factory(cli::Cli::command).complete();
    let words: Vec<_> = std::env::args_os().collect();
    let matches = cli::Cli::command().try_get_matches_from(&words);
    let given = matches.and_then(|matches| Ok((cli::Cli::from_arg_matches(&matches)?, matches)));
    let (given, matches) = match given {
        Ok(given) => given,
        Err(error) => return ui::usage(&error),
    };
    let layered = config::Files::read().and_then(|files| config::layer::<cli::Cli>(&matches, &files, words));
    let (mut arguments, settings) = match layered {
        Ok(layered) => layered,
        Err(error) => return ui::Ui::new(&given.global).error(&error),
    };
    arguments.global.settings = settings;
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
