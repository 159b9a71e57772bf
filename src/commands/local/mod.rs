pub mod down;
pub mod logs;
pub mod status;
pub mod up;

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::Result;
use crate::ui::Ui;

#[derive(Debug, Subcommand)]
pub enum Local {
    /// Start the engine; the first time, install it
    Up(up::Up),
    /// Stop the engine; what it holds is kept
    Down(down::Down),
    /// Whether the engine runs, and where
    Status(status::Status),
    /// What the engine wrote, the functions' output included
    Logs(logs::Logs),
}

impl Local {
    pub async fn run(self, ui: &Ui) -> Result<ExitCode> {
        let work = async {
            match self {
                Local::Up(command) => command.run(ui).await,
                Local::Down(command) => command.run(ui).await,
                Local::Status(command) => command.run(ui).await,
                Local::Logs(command) => command.run(ui),
            }
        };
        tokio::select! {
            outcome = work => outcome,
            _ = tokio::signal::ctrl_c() => Err(super::interrupted()),
        }
    }
}
