//! What the command says of itself: completions, manual pages, the reference. None of it asks AWS.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::env::Shells;

use crate::cli::Cli;
use crate::error::{Doing, Error, Result};
use crate::reference;
use crate::ui::Ui;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa completions bash > ~/.local/share/bash-completion/completions/disa\n  disa completions zsh > ~/.zfunc/_disa\n  disa completions fish > ~/.config/fish/completions/disa.fish\n\nThe script asks `disa` itself while you type, for ids of undelivered messages too."
)]
pub struct Completions {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL")]
    shell: String,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa man ~/.local/share/man/man1")]
pub struct Man {
    /// Where the pages are written to; made if it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa reference > reference.md")]
pub struct Reference {}

impl Completions {
    pub fn run(self, ui: &Ui) -> Result<ExitCode> {
        let shells = Shells::builtins();
        let Some(shell) = shells.completer(&self.shell) else {
            let names: Vec<&str> = shells.names().collect();
            return Err(Error::usage(format!("there are no completions for `{}`", self.shell))
                .hint(format!("there are: {}", names.join(", "))));
        };
        let mut script = vec![];
        shell.write_registration("COMPLETE", "disa", "disa", "disa", &mut script).doing("write the completions")?;
        ui.print(String::from_utf8_lossy(&script).trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub fn run(self, ui: &Ui) -> Result<ExitCode> {
        let doing = format!("write the manual pages to {}", self.directory.display());
        std::fs::create_dir_all(&self.directory).doing(&doing)?;
        clap_mangen::generate_to(Cli::command(), &self.directory).doing(&doing)?;
        ui.note(&format!("Wrote the manual pages to {}; see `man -l {0}/disa.1`", self.directory.display()));
        Ok(ExitCode::SUCCESS)
    }
}

impl Reference {
    pub fn run(self, ui: &Ui) -> Result<ExitCode> {
        ui.print(reference::markdown(&Cli::command()).trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}
