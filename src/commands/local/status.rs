use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::error::Result;
use crate::local::{self, Health};
use crate::ui::table::facts;
use crate::ui::{Tone, Ui, View};

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa local status\n  disa local status -o json | jq -r .endpoint")]
pub struct Status {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineView {
    /// `running`, `silent` or `stopped`.
    state: &'static str,
    endpoint: Option<String>,
    pid: Option<i32>,
    directory: String,
}

impl Status {
    pub async fn run(self, ui: &Ui) -> Result<ExitCode> {
        ui.show(&look().await?)?;
        Ok(ExitCode::SUCCESS)
    }
}

pub async fn look() -> Result<EngineView> {
    let (directories, health) = local::health().await?;
    let (state, engine) = match health {
        Health::Running(engine) => ("running", Some(engine)),
        Health::Silent(engine) => ("silent", Some(engine)),
        Health::Stopped => ("stopped", None),
    };
    Ok(EngineView {
        state,
        endpoint: engine.as_ref().map(local::Engine::endpoint),
        pid: engine.as_ref().map(|engine| engine.pid),
        directory: directories.instance.display().to_string(),
    })
}

impl View for EngineView {
    fn text(&self, ui: &Ui) -> String {
        let tone = if self.state == "running" { Tone::Good } else { Tone::Warning };
        let mut rows = vec![("Engine", ui.paint(tone, self.state))];
        rows.extend(self.endpoint.clone().map(|endpoint| ("Endpoint", endpoint)));
        rows.extend(self.pid.map(|pid| ("Process", pid.to_string())));
        rows.push(("Directory", self.directory.clone()));
        facts(rows)
    }
}
