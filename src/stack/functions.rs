//! The functions' code: carried in the binary, or built from the checkout that the command runs in.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use object::Architecture as Elf;
use outbox::names::Function;
use tokio::process::Command;
use zip::write::SimpleFileOptions;

use crate::error::{Doing, Error, Result};
use crate::ui::Ui;

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    X86_64,
    Arm64,
}

impl Architecture {
    /// As Lambda names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Arm64 => "arm64",
        }
    }

    /// Reads the architecture from the header of a Linux binary.
    fn of(binary: &[u8]) -> Option<Architecture> {
        use object::Object;
        match object::File::parse(binary).ok()?.architecture() {
            Elf::X86_64 => Some(Architecture::X86_64),
            Elf::Aarch64 => Some(Architecture::Arm64),
            _ => None,
        }
    }
}

/// The processor that the next deployment is for, as far as that is known without building.
pub fn planned(target: Option<&str>) -> Option<Architecture> {
    match (target, CARRIED) {
        (Some(triple), _) => named(triple.split('-').next().unwrap_or_default()),
        (None, Some(carried)) => carried.first().and_then(|(_, bytes)| Architecture::of(bytes)),
        (None, None) => checkout().and_then(|_| named(std::env::consts::ARCH)),
    }
}

/// By the name that Rust gives the processor.
fn named(processor: &str) -> Option<Architecture> {
    match processor {
        "x86_64" => Some(Architecture::X86_64),
        "aarch64" => Some(Architecture::Arm64),
        _ => None,
    }
}

/// The zip of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub zip: Vec<u8>,
    pub architecture: Architecture,
}

/// How to build from a checkout.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// Quick to build, for the local engine; else small and quick to start.
    pub quick: bool,
    /// Another target than this machine.
    pub target: Option<&'a str>,
}

/// The code of all three functions: carried by this binary, or else built.
pub async fn code(build: Build<'_>, ui: &Ui) -> Result<BTreeMap<Function, Code>> {
    if let (Some(carried), None) = (CARRIED, build.target) {
        let binaries = carried.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
        return pack_all(&binaries.into_iter().collect(), build.quick);
    }
    let Some(checkout) = checkout() else {
        return Err(Error::failed("this `disa` carries no functions, and runs in no checkout of the project")
            .hint("run it in the checkout: `cargo run -- deploy`")
            .hint("or build one that carries them: `DISA_FUNCTIONS_DIR=DIR cargo build --release`"));
    };
    let paths = cargo_build(&checkout, build, ui).await?;
    let mut binaries = BTreeMap::new();
    for (name, path) in paths {
        let bytes = tokio::fs::read(&path).await.doing(&format!("read the built function {}", path.display()))?;
        binaries.insert(name, bytes);
    }
    pack_all(&binaries, build.quick)
}

fn pack_all(binaries: &BTreeMap<String, Vec<u8>>, quick: bool) -> Result<BTreeMap<Function, Code>> {
    let mut all = BTreeMap::new();
    for function in Function::ALL {
        let name = function.binary();
        let binary = binaries.get(name).ok_or_else(|| Error::failed(format!("the build gave no `{name}`")))?;
        let architecture = Architecture::of(binary).ok_or_else(|| {
            Error::failed(format!("`{name}` is no Linux binary for x86_64 or arm64, which is what Lambda runs"))
                .hint("build on Linux, or for it: `disa deploy --target x86_64-unknown-linux-gnu`")
        })?;
        let zip = pack(binary, quick).map_err(|error| Error::failed(format!("cannot zip `{name}`")).because(error))?;
        all.insert(function, Code { zip, architecture });
    }
    Ok(all)
}

/// A zip with the binary as `bootstrap`, what `provided.al2023` runs. Date and mode are fixed: the same code
/// gives the same bytes.
fn pack(binary: &[u8], quick: bool) -> zip::result::ZipResult<Vec<u8>> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(if quick { 1 } else { 9 }))
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o755);
    writer.start_file("bootstrap", options)?;
    writer.write_all(binary)?;
    Ok(writer.finish()?.into_inner())
}

/// The checkout: where the binary was built, or where the command is called.
fn checkout() -> Option<PathBuf> {
    let is_checkout = |path: &Path| path.join("lambdas/process/Cargo.toml").is_file() && path.join("asl").is_dir();
    let places = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    places.into_iter().flatten().find_map(|place| place.ancestors().find(|p| is_checkout(p)).map(Path::to_owned))
}

/// Builds the functions with cargo; answers their binaries by name.
async fn cargo_build(checkout: &Path, build: Build<'_>, ui: &Ui) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(checkout).args(["build", "--locked", "--message-format", "json-render-diagnostics"]);
    for function in Function::ALL {
        command.args(["--bin", function.binary()]);
    }
    command.args(["--profile", if build.quick { "dev" } else { "function" }]);
    if let Some(target) = build.target {
        command.args(["--target", target]);
    }
    // Cargo draws its own progress on a terminal; elsewhere its errors are shown when it fails.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command.stderr(if ui.is_live() { Stdio::inherit() } else { Stdio::piped() });
    ui.note("Building the functions");
    let child = command.spawn().map_err(|error| {
        Error::failed("cannot run cargo").because(error).hint("install the Rust toolchain: https://rustup.rs")
    })?;
    let output = child.wait_with_output().await.doing("wait for cargo")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let error = Error::failed("the functions were not built");
        return Err(match errors.trim() {
            "" => error,
            errors => error.because(errors),
        });
    }
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// The binaries that cargo names in its JSON messages.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let artifact = |line: &str| -> Option<(String, PathBuf)> {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let path = message.get("executable")?.as_str()?;
        let name = message.get("target")?.get("name")?.as_str()?;
        Some((name.to_owned(), PathBuf::from(path)))
    };
    messages.lines().filter_map(artifact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_code_gives_the_same_zip() {
        let first = pack(b"binary", false).expect("a zip");
        assert_eq!(first, pack(b"binary", false).expect("a zip"));
        assert_ne!(first, pack(b"other", false).expect("a zip"));
        let mut archive = zip::ZipArchive::new(Cursor::new(first)).expect("readable");
        let file = archive.by_name("bootstrap").expect("bootstrap");
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
    }

    #[test]
    fn the_architecture_is_read_from_the_elf_header() {
        let mut header = vec![0; 64];
        header[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
        assert_eq!(Architecture::of(&header), Some(Architecture::X86_64));
        header[18] = 0xb7;
        assert_eq!(Architecture::of(&header), Some(Architecture::Arm64));
        header[18] = 0xf3;
        assert_eq!(Architecture::of(&header), None);
        assert_eq!(Architecture::of(b"#!/bin/sh"), None);
    }

    #[test]
    fn the_target_says_which_processor_is_planned() {
        assert_eq!(planned(Some("aarch64-unknown-linux-gnu")), Some(Architecture::Arm64));
        assert_eq!(planned(Some("x86_64-unknown-linux-musl")), Some(Architecture::X86_64));
        assert_eq!(planned(Some("riscv64gc-unknown-linux-gnu")), None);
    }

    #[test]
    fn cargo_names_the_binaries() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"disa_retry\"},\"executable\":\"/t/disa_retry\"}\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"serde\"},\"executable\":null}\nnoise";
        assert_eq!(executables(messages), BTreeMap::from([("disa_retry".to_owned(), PathBuf::from("/t/disa_retry"))]));
    }
}
