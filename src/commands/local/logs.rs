use std::io::{Read, Seek, SeekFrom};
use std::process::ExitCode;

use clap::Args;

use crate::error::{Doing, Error, Result};
use crate::local::Directories;
use crate::ui::Ui;

/// No more than this of the log's end is read.
const TAIL_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa local logs\n  disa local logs -n 500 | grep ERROR")]
pub struct Logs {
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: usize,
}

impl Logs {
    pub fn run(self, ui: &Ui) -> Result<ExitCode> {
        let path = Directories::find()?.log();
        let mut file = std::fs::File::open(&path).map_err(|error| {
            Error::failed(format!("cannot read {}", path.display()))
                .because(error)
                .hint("the engine has not been started yet: `disa local up`")
        })?;
        let doing = format!("read {}", path.display());
        let length = file.metadata().doing(&doing)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).doing(&doing)?;
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).doing(&doing)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        ui.print(&lines[lines.len().saturating_sub(self.lines)..].join("\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}
