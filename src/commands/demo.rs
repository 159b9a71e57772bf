use std::process::ExitCode;

use clap::{Args, Parser};

use super::deploy::Deploy;
use super::drill::Drill;
use crate::cli::Global;
use crate::context::Context;
use crate::error::Result;
use crate::ui::Ui;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa demo")]
pub struct Demo {}

/// `deploy` with nothing asked for.
#[derive(Parser)]
struct Plain {
    #[command(flatten)]
    deploy: Deploy,
}

impl Demo {
    /// Always on the local engine: a demonstration needs no account.
    pub async fn run(self, mut global: Global, ui: Ui) -> Result<ExitCode> {
        global.local = true;
        global.endpoint_url = None;
        let deployed = async {
            let context = Context::connect(&global, ui).await?;
            let plain =
                Plain::try_parse_from(["demo"]).map_err(|error| crate::error::Error::usage(error.to_string()))?;
            plain.deploy.run(&context).await?;
            Ok(context)
        };
        let context = tokio::select! {
            context = deployed => context?,
            _ = tokio::signal::ctrl_c() => return Err(super::interrupted()),
        };
        let outcome = Drill {}.run(&context).await;
        ui.note(
            "Go on by hand: `disa send \"hello\" --local`, `disa status --local`; stop the engine: `disa local down`",
        );
        outcome
    }
}
