use std::process::ExitCode;

use clap::Args;

use super::status;
use crate::error::Result;
use crate::local;
use crate::ui::Ui;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa local down")]
pub struct Down {}

impl Down {
    pub async fn run(self, ui: &Ui) -> Result<ExitCode> {
        if !local::down(ui).await? {
            ui.note("The local engine was not running");
        }
        ui.show(&status::look().await?)?;
        Ok(ExitCode::SUCCESS)
    }
}
