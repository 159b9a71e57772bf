//! The AWS engine of this machine: an emulator that runs the same templates, state machine and functions.
//! It lies on loopback only, and keeps its state under the user's data directory.

mod engine;
mod install;
mod process;

use std::path::PathBuf;

pub use engine::{Engine, Health};

use crate::error::{Doing, Error, Result};
use crate::ui::Ui;

/// Where the engine and its state live.
#[derive(Clone, Debug)]
pub struct Directories {
    /// The virtual environment: shared by all instances.
    pub environment: PathBuf,
    /// State, log and address of one instance.
    pub instance: PathBuf,
}

impl Directories {
    /// Below DISA_DATA_DIR, or the user's data directory. DISA_LOCAL_INSTANCE names another instance than the
    /// usual one: tests run beside it.
    pub fn find() -> Result<Directories> {
        let data = match std::env::var_os("DISA_DATA_DIR").filter(|value| !value.is_empty()) {
            Some(given) => PathBuf::from(given),
            None => directories::ProjectDirs::from("", "", "disa")
                .ok_or_else(|| {
                    Error::failed("cannot tell where the local engine is to be kept: there is no home directory")
                        .hint("name a directory: DISA_DATA_DIR=DIR")
                })?
                .data_local_dir()
                .to_owned(),
        };
        let instance = std::env::var("DISA_LOCAL_INSTANCE").unwrap_or_else(|_| "default".to_owned());
        if instance.is_empty() || instance.contains(['/', '\\', '.']) {
            return Err(Error::usage(format!("DISA_LOCAL_INSTANCE is `{instance}`; it must be a plain name")));
        }
        Ok(Directories {
            environment: data.join("engine").join(install::fingerprint()),
            instance: data.join("instances").join(instance),
        })
    }

    pub fn log(&self) -> PathBuf {
        self.instance.join("engine.log")
    }
}

/// The running engine; started, and installed before that, when it does not run. Two commands that do this at
/// once get the same one.
pub async fn up(ui: &Ui) -> Result<Engine> {
    let directories = Directories::find()?;
    if let Health::Running(engine) = engine::health(&directories).await {
        return Ok(engine);
    }
    std::fs::create_dir_all(&directories.instance)
        .doing(&format!("make the directory {}", directories.instance.display()))?;
    let _lock = process::lock(&directories.instance.join("lock"), ui).await?;
    if let Health::Running(engine) = engine::health(&directories).await {
        return Ok(engine);
    }
    install::ensure(&directories.environment, ui).await?;
    engine::start(&directories, ui).await
}

/// Stops the engine that `up` started, and no other process. `false` when it did not run.
pub async fn down(ui: &Ui) -> Result<bool> {
    let directories = Directories::find()?;
    if !directories.instance.is_dir() {
        return Ok(false);
    }
    let _lock = process::lock(&directories.instance.join("lock"), ui).await?;
    engine::stop(&directories, ui).await
}

pub async fn health() -> Result<(Directories, Health)> {
    let directories = Directories::find()?;
    let health = engine::health(&directories).await;
    Ok((directories, health))
}
