//! Installing the engine: a virtual environment with pinned packages from PyPI.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::error::{Doing, Error, Result};
use crate::ui::Ui;

const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Written last: an environment without it was interrupted while it was made.
const COMPLETE: &str = "complete";
const PYTHONS: [&str; 8] =
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python", "python3.15"];

/// Names the environment by what it holds: another set of pins is another environment.
pub fn fingerprint() -> String {
    Sha256::digest(REQUIREMENTS.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

pub fn python_of(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

/// Makes the environment unless it is there, whole.
pub async fn ensure(environment: &Path, ui: &Ui) -> Result<()> {
    if environment.join(COMPLETE).is_file() {
        return Ok(());
    }
    let python = find_python().await?;
    ui.note("Installing the local engine (once; about 50 MB)");
    let progress = ui.progress("making a Python environment", None);
    if environment.exists() {
        std::fs::remove_dir_all(environment).doing(&format!("remove {}", environment.display()))?;
    }
    std::fs::create_dir_all(environment).doing(&format!("make the directory {}", environment.display()))?;
    let made = Command::new(&python).args(["-m", "venv"]).arg(environment).stdin(Stdio::null()).output().await;
    check(made.doing("run Python")?, "cannot make a Python environment").map_err(|error| {
        error
            .hint("Python's `venv` and `pip` are needed; on Debian and Ubuntu: apt install python3-venv")
            .hint(format!("and room on the disk, about 100 MB in {}", environment.display()))
    })?;
    progress.say("installing the engine from PyPI");
    let requirements = environment.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS).doing(&format!("write {}", requirements.display()))?;
    let installed = Command::new(python_of(environment))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"])
        .arg(&requirements)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    check(installed.doing("run pip")?, "cannot install the local engine")
        .map_err(|error| error.hint("PyPI must be reachable, and the disk have room; then run the command again"))?;
    std::fs::write(environment.join(COMPLETE), "").doing("finish the installation")
}

async fn find_python() -> Result<PathBuf> {
    let mut found = vec![];
    for name in PYTHONS {
        let question = "import sys; print('%d.%d' % sys.version_info[:2])";
        let answer = Command::new(name).args(["-c", question]).stdin(Stdio::null()).output().await;
        let Ok(answer) = answer else { continue };
        let version = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        if is_recent(&version) {
            return Ok(PathBuf::from(name));
        }
        found.push(format!("{name} is {version}"));
    }
    let error = Error::failed("the local engine needs Python 3.10 or later, and there is none");
    let error = if found.is_empty() { error } else { error.because(found.join(", ")) };
    Err(error.hint("install it: `apt install python3 python3-venv`, `dnf install python3`, `brew install python`"))
}

fn is_recent(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (3, 10)
}

fn check(output: Output, message: &str) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let last: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = last[last.len().saturating_sub(3)..].join("; ");
    Err(Error::failed(message).because(if tail.is_empty() { output.status.to_string() } else { tail }))
}

#[cfg(test)]
mod tests {
    use super::is_recent;

    #[test]
    fn python_3_10_and_later_will_do() {
        let cases = [("3.9", false), ("3.10", true), ("3.14", true), ("4.0", true), ("2.7", false), ("", false)];
        for (version, will_do) in cases {
            assert_eq!(is_recent(version), will_do, "{version}");
        }
    }
}
