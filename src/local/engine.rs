//! One instance of the engine: starting it, finding it again, stopping it.

use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Directories, install, process};
use crate::error::{Doing, Error, Result};
use crate::ui::Ui;

const LAUNCH: &str = include_str!("launch.py");
const START_LIMIT: Duration = Duration::from_secs(60);

/// An engine that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Engine {
    pub pid: i32,
    /// When the process began, as the system tells it: its number alone may be another's by now.
    identity: String,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Running(Engine),
    /// The process lives and does not answer.
    Silent(Engine),
    Stopped,
}

impl Engine {
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn lives(&self) -> bool {
        process::identity(self.pid).as_deref() == Some(&self.identity)
    }

    fn answers(&self) -> bool {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
    }
}

pub async fn health(directories: &Directories) -> Health {
    match recorded(directories) {
        Some(engine) if engine.lives() && engine.answers() => Health::Running(engine),
        Some(engine) if engine.lives() => Health::Silent(engine),
        _ => Health::Stopped,
    }
}

/// Starts the engine on the port it had before, if that is free, else on another.
pub async fn start(directories: &Directories, ui: &Ui) -> Result<Engine> {
    if let Some(silent) = recorded(directories).filter(Engine::lives) {
        process::end(silent.pid, &silent.identity).await?;
    }
    let port =
        recorded(directories).map(|engine| engine.port).filter(|port| is_free(*port)).map_or_else(free_port, Ok)?;
    let progress = ui.progress("starting the local engine", None);
    let log_path = directories.log();
    let log = OpenOptions::new().create(true).write(true).truncate(true).open(&log_path);
    let log = log.doing(&format!("write {}", log_path.display()))?;
    let errors = log.try_clone().doing("share the engine's log")?;
    let state = directories.instance.join("state");
    std::fs::create_dir_all(&state).doing(&format!("make the directory {}", state.display()))?;
    let mut command = Command::new(install::python_of(&directories.environment));
    // The engine hands its environment on to the functions: nobody's real credentials belong there.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .args(["-c", LAUNCH])
        .current_dir(&directories.instance)
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        // The functions inherit it: it is how they find the engine, with no word of it in their code.
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("PERSIST_STATE", "1")
        .env("STATE_DIR", &state)
        .env("S3_PERSIST", "1")
        .env("S3_DATA_DIR", state.join("s3"))
        .env("TMPDIR", temporary(&directories.instance)?)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // Of its own group: an interrupt of the command that started it is not for the engine.
        .process_group(0);
    let mut child = command.spawn().map_err(|error| {
        Error::failed("cannot start the local engine").because(error).hint("remove the data directory and try again")
    })?;
    let pid = i32::try_from(child.id()).unwrap_or_default();
    let engine = Engine { pid, identity: process::identity(pid).unwrap_or_default(), port };
    record(directories, &engine)?;
    let begin = Instant::now();
    while !engine.answers() {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(Error::failed(format!("the local engine ended at once ({status})"))
                .because(last_lines(&log_path))
                .hint("see `disa local logs`"));
        }
        if begin.elapsed() > START_LIMIT {
            return Err(Error::failed("the local engine does not answer after 60 s").hint("see `disa local logs`"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(progress);
    ui.note(&format!("The local engine runs at {} (pid {})", engine.endpoint(), engine.pid));
    Ok(engine)
}

pub async fn stop(directories: &Directories, ui: &Ui) -> Result<bool> {
    let Some(engine) = recorded(directories).filter(Engine::lives) else { return Ok(false) };
    let _progress = ui.progress("stopping the local engine", None);
    process::end(engine.pid, &engine.identity).await?;
    Ok(true)
}

fn record_path(directories: &Directories) -> PathBuf {
    directories.instance.join("engine.json")
}

fn recorded(directories: &Directories) -> Option<Engine> {
    serde_json::from_slice(&std::fs::read(record_path(directories)).ok()?).ok()
}

/// Written whole or not at all: another command may read it at any time.
fn record(directories: &Directories, engine: &Engine) -> Result<()> {
    let doing = "record the engine's address";
    let mut file = tempfile::NamedTempFile::new_in(&directories.instance).doing(doing)?;
    let text = serde_json::to_vec(engine).map_err(|error| Error::failed("cannot record the engine").because(error))?;
    std::io::Write::write_all(&mut file, &text).doing(doing)?;
    file.persist(record_path(directories)).map(|_| ()).map_err(|error| error.error).doing(doing)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).doing("find a free port")?;
    Ok(listener.local_addr().doing("find a free port")?.port())
}

fn temporary(instance: &Path) -> Result<PathBuf> {
    let path = instance.join("tmp");
    std::fs::create_dir_all(&path).doing(&format!("make the directory {}", path.display()))?;
    Ok(path)
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}
