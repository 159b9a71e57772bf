//! Processes and locks of this machine.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{Doing, Error, Result};
use crate::ui::Ui;

const LOCK_LIMIT: Duration = Duration::from_secs(300);

/// Takes a lock that ends with the process; waits for another command that holds it.
pub async fn lock(path: &Path, ui: &Ui) -> Result<File> {
    let file = File::create(path).doing(&format!("open {}", path.display()))?;
    let begin = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begin.elapsed() > LOCK_LIMIT => {
                return Err(Error::failed(
                    "another command has been starting or stopping the local engine for 5 minutes",
                ));
            }
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut told, true) {
                    ui.note("Waiting for another command that starts or stops the local engine");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(TryLockError::Error(error)) => return Err(error).doing(&format!("lock {}", path.display())),
        }
    }
}

/// What tells a process from another that gets its number later: when it began. `None` when it does not run.
pub fn identity(pid: i32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Field 22 is the start time, field 3 the state; the name before them may hold anything (man proc).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        return (*fields.first()? != "Z").then(|| fields.get(19).map(|time| (*time).to_owned()))?;
    }
    let output = std::process::Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let started = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !started.is_empty()).then_some(started)
}

/// Asks a process to end, and after a while makes it.
pub async fn end(pid: i32, known: &str) -> Result<()> {
    for (signal, patience) in [(Signal::SIGTERM, 15), (Signal::SIGKILL, 5)] {
        let begin = Instant::now();
        while identity(pid).as_deref() == Some(known) {
            if begin.elapsed() < Duration::from_millis(1) {
                kill(Pid::from_raw(pid), signal)
                    .map_err(std::io::Error::from)
                    .doing(&format!("end the process {pid}"))?;
            }
            if begin.elapsed() > Duration::from_secs(patience) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if identity(pid).as_deref() != Some(known) {
            return Ok(());
        }
    }
    Err(Error::failed(format!("the process {pid} does not end")))
}
