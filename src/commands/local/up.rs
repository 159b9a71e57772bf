use std::process::ExitCode;

use clap::Args;

use super::status;
use crate::error::Result;
use crate::local;
use crate::ui::Ui;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa local up")]
pub struct Up {}

impl Up {
    pub async fn run(self, ui: &Ui) -> Result<ExitCode> {
        local::up(ui).await?;
        ui.show(&status::look().await?)?;
        Ok(ExitCode::SUCCESS)
    }
}
