//! Long runs on the local engine, for a doubter and for a change of the delivery itself. Not among the tests:
//!
//!     cargo test --test longrun                       both
//!     cargo test --test longrun -- faults [SEED]      10,000 messages under a random mix of all faults
//!     cargo test --test longrun -- drain              100,000 failed messages, one `retry now`
//!
//! A run fails when a message is lost, stuck or skipped.

#[path = "../e2e/proxy.rs"]
mod proxy;
#[path = "../e2e/world.rs"]
#[allow(dead_code)]
mod world;

mod drain;
mod faults;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use world::World;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let seed = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or_else(any_seed);
    let held = match arguments.first().map(String::as_str) {
        Some("faults") => World::with("long", &[], move |world| faults::run(world, seed)),
        Some("drain") => World::with("long", &[], drain::run),
        None => World::with("long", &[], move |world| faults::run(world, seed) & drain::run(world)),
        Some(_) => {
            eprintln!("there are two runs: faults [SEED], and drain");
            return ExitCode::from(2);
        }
    };
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn any_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs())
}

/// A line of the report.
fn row(name: &str, value: impl std::fmt::Display) {
    println!("{name:<44} {value:>12}");
}
