//! End-to-end tests on the local engine: our templates, our state machine, our compiled functions, and the
//! `disa` command as a user calls it. The run starts an engine of its own on a free port, and stops it.

mod breaker;
mod configuring;
mod delivery;
mod deploying;
mod documents;
mod examining;
mod faults;
mod feeding;
mod finding;
mod holding;
mod monitoring;
mod operating;
mod permissions;
mod proxy;
mod removing;
mod retrying;
mod scene;
mod stack;
mod watching;
mod world;

use libtest_mimic::{Arguments, Failed, Trial};
use world::World;

fn main() {
    let mut arguments = Arguments::from_args();
    // They share the engine and the processor: one after the other is faster and steadier.
    arguments.test_threads.get_or_insert(1);
    if arguments.list {
        libtest_mimic::run(&arguments, trials(None)).exit();
    }
    let world: &'static World = Box::leak(Box::new(World::start("test", &[])));
    let conclusion = libtest_mimic::run(&arguments, trials(Some(world)));
    world.stop();
    conclusion.exit();
}

type Test = fn(&'static World);

fn trials(world: Option<&'static World>) -> Vec<Trial> {
    let modules: &[(&str, &[(&str, Test)])] = &[
        ("delivery", delivery::TESTS),
        ("retrying", retrying::TESTS),
        ("breaker", breaker::TESTS),
        ("holding", holding::TESTS),
        ("finding", finding::TESTS),
        ("operating", operating::TESTS),
        ("feeding", feeding::TESTS),
        ("monitoring", monitoring::TESTS),
        ("permissions", permissions::TESTS),
        ("examining", examining::TESTS),
        ("stack", stack::TESTS),
        ("deploying", deploying::TESTS),
        ("configuring", configuring::TESTS),
        ("removing", removing::TESTS),
        ("watching", watching::TESTS),
        ("documents", documents::TESTS),
        ("faults", faults::TESTS),
    ];
    let mut trials = vec![];
    for (module, tests) in modules {
        for (name, test) in tests.iter().copied() {
            trials.push(Trial::test(format!("{module}::{name}"), move || match world {
                Some(world) => {
                    test(world);
                    Ok(())
                }
                None => Err(Failed::from("no engine")),
            }));
        }
    }
    trials
}
