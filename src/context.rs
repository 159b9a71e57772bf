//! What a command works with: where, on which deployment, and how it speaks.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use gateway::Table;
use outbox::names::{Function, Names};

use crate::aws::{self, Clients};
use crate::cli::Global;
use crate::config::Settings;
use crate::error::{Error, Kind, Result};
use crate::local;
use crate::ui::Ui;

pub struct Context {
    pub ui: Ui,
    pub names: Names,
    pub local: bool,
    pub clients: Clients,
    pub settings: Settings,
    interrupted: Mutex<Option<Result<ExitCode>>>,
}

impl Context {
    /// Finds the credentials' region; with `--local` starts the engine if it does not run.
    pub async fn connect(global: &Global, ui: Ui) -> Result<Context> {
        let names = Names { project: global.project.clone(), environment: global.env.clone() };
        if global.local && global.endpoint_url.is_some() {
            return Err(Error::usage("`--local` and `--endpoint-url` name two places")
                .hint("`disa config` tells where each of them is set; DISA_LOCAL=0 takes `local` back"));
        }
        let endpoint = match global.local {
            true => Some(local::up(&ui).await?.endpoint()),
            false => global.endpoint_url.clone(),
        };
        let target = aws::Target {
            profile: global.profile.clone(),
            region: global.region.clone(),
            endpoint,
            local: global.local,
        };
        Ok(Context {
            ui,
            names,
            local: global.local,
            clients: Clients::connect(target).await?,
            settings: global.settings.clone(),
            interrupted: Mutex::default(),
        })
    }

    /// What to say when the command is interrupted from now on.
    pub fn when_interrupted(&self, error: Error) {
        if let Ok(mut slot) = self.interrupted.lock() {
            *slot = Some(Err(error));
        }
    }

    /// From now on an interrupt is the usual end of the command: it follows something that has no end.
    pub fn ends_by_interrupt(&self) {
        if let Ok(mut slot) = self.interrupted.lock() {
            *slot = Some(Ok(ExitCode::SUCCESS));
        }
    }

    /// The outcome of an interrupt.
    pub fn interrupt(&self) -> Result<ExitCode> {
        let said = self.interrupted.lock().ok().and_then(|mut slot| slot.take());
        said.unwrap_or_else(|| Err(Error::new(Kind::Interrupted, "interrupted")))
    }

    pub fn table(&self) -> Table {
        self.clients.table(&self.names.table())
    }

    /// The account's number, asked of AWS once per use: also the test that there are credentials.
    pub async fn account(&self) -> Result<aws::Identity> {
        self.clients.identity().await
    }

    pub fn function(&self, function: Function) -> String {
        self.names.function(function)
    }

    /// How `disa` is to be called again for the same deployment.
    pub fn again(&self, command: &str) -> String {
        let mut words = vec!["disa".to_owned(), command.to_owned()];
        if self.local {
            words.push("--local".to_owned());
        }
        if self.names.project != "disa" {
            words.push(format!("--project {}", self.names.project));
        }
        if self.names.environment != "devl" {
            words.push(format!("--env {}", self.names.environment));
        }
        words.join(" ")
    }
}

/// Waits before the next look at something that changes.
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

pub fn now_ms() -> outbox::EpochMs {
    jiff::Timestamp::now().as_millisecond()
}
