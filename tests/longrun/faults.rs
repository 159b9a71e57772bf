//! 10,000 messages under a random mix of all faults.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use aws_sdk_sfn::types::ExecutionStatus;
use outbox::item::Status;
use outbox::names::Function;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::proxy::{Fault, Proxy, Rule, Share};
use crate::row;
use crate::world::{Deployment, World, s};

const MESSAGES: usize = 10_000;
/// Written at once, between two changes of the weather.
const GROUP: usize = 100;
/// One message in so many can never be sent.
const POISON: usize = 100;
/// One group in so many stops and starts the engine.
const RESTART: usize = 40;
const LEASE_MS: i64 = 40_000;
/// How long after the last fault everything must be delivered.
const RECOVERY: Duration = Duration::from_secs(900);
const SETTINGS: [&str; 5] = [
    "LambdaFunctionTimeoutSecs=20",
    "LeaseSeconds=40",
    "BackoffBaseSeconds=1",
    "BackoffCapSeconds=5",
    "RampStart=100000",
];

/// What a message was meant to be.
struct Written {
    id: String,
    poison: bool,
}

struct Run {
    world: &'static World,
    deployment: Deployment,
    proxy: Proxy,
    random: StdRng,
    killed: usize,
    stopped: usize,
    restarted: usize,
}

pub fn run(world: &'static World, seed: u64) -> bool {
    println!("seed {seed}: repeat it with `cargo test --test longrun -- faults {seed}`");
    let deployment = world.deploy("long", &SETTINGS);
    let proxy = Proxy::start(&world.runtime, &world.endpoint, seed);
    proxy.on_crash(|| {
        world.kill_functions("-process");
    });
    let endpoints =
        ["SNS", "DYNAMODB", "SFN", "CLOUDWATCH"].map(|s| (format!("AWS_ENDPOINT_URL_{s}"), proxy.endpoint()));
    for function in Function::ALL {
        deployment.set_variables(function, &endpoints);
    }
    let random = StdRng::seed_from_u64(seed);
    let mut run = Run { world, deployment, proxy, random, killed: 0, stopped: 0, restarted: 0 };
    let begin = Instant::now();
    let written = run.storm();
    let storm = begin.elapsed();
    let begin = Instant::now();
    let stuck = run.recover(&written);
    run.report(&written, &stuck, storm, begin.elapsed())
}

impl Run {
    /// Writes all messages while everything fails in turns.
    fn storm(&mut self) -> Vec<Written> {
        let mut written = vec![];
        for group in 0..MESSAGES / GROUP {
            self.change_the_weather();
            written.extend(self.write(group));
            // As the schedule does, and a person who is impatient.
            let retries = self.random.random_range(0..=4);
            std::thread::scope(|scope| {
                for _ in 0..retries {
                    scope.spawn(|| self.deployment.invoke(Function::Retry, &json!({})));
                }
            });
            if self.random.random_bool(0.3) {
                self.killed += self.world.kill_functions("");
            }
            if self.random.random_bool(0.1) {
                self.stopped += self.stop_an_execution();
            }
            if group % RESTART == RESTART - 1 {
                self.restart();
            }
        }
        written
    }

    /// Another random mix of faults; now and then none.
    fn change_the_weather(&mut self) {
        let faults = [
            Fault::Error(500),
            Fault::Error(400),
            Fault::Error(403),
            Fault::Error(429),
            Fault::Reset,
            Fault::LoseAnswer,
            Fault::Crash,
            Fault::Hang,
        ];
        let mut rules = vec![];
        for service in ["sns", "dynamodb", "states", "monitoring"] {
            for _ in 0..self.random.random_range(0..=2) {
                let fault = *faults.choose(&mut self.random).expect("some");
                let share = match fault {
                    // A hang costs seconds, and a crash the whole batch: they are rarer.
                    Fault::Hang | Fault::Crash => Share::Every(self.random.random_range(20..100)),
                    _ => Share::Rate(self.random.random_range(0.0..0.5)),
                };
                rules.push(Rule { service, operation: "", share, fault });
            }
        }
        // An outage of SNS as a whole.
        if self.random.random_bool(0.1) {
            rules.insert(0, Rule { service: "sns", operation: "", share: Share::Rate(1.0), fault: Fault::Error(503) });
        }
        self.proxy.set(rules);
    }

    /// A third by hand, the others as `disa send` writes them.
    fn write(&mut self, group: usize) -> Vec<Written> {
        let mut by_hand = vec![];
        let mut sent = vec![];
        let mut written = vec![];
        for n in 0..GROUP {
            let id = format!("long-{group}-{n}");
            let poison = n % POISON == POISON / 2;
            match n % 3 {
                0 => by_hand.push((id.clone(), poison)),
                _ if poison => by_hand.push((id.clone(), true)),
                _ => sent.push(id.clone()),
            }
            written.push(Written { id, poison });
        }
        self.deployment.write_leased(&sent, LEASE_MS);
        for (id, poison) in by_hand {
            let body = if poison { String::new() } else { format!("body of {id}") };
            self.deployment.put_by_hand(&id, &[("message", s(&body))]);
        }
        written
    }

    fn stop_an_execution(&mut self) -> usize {
        let sfn = aws_sdk_sfn::Client::new(&self.world.config);
        let arn =
            format!("arn:aws:states:us-east-1:000000000000:stateMachine:{}", self.deployment.names.state_machine());
        let list = sfn.list_executions().state_machine_arn(arn).status_filter(ExecutionStatus::Running);
        let running = self.deployment.block_on(list.send()).expect("a list").executions;
        let Some(execution) = running.choose(&mut self.random) else { return 0 };
        let stop = sfn.stop_execution().execution_arn(execution.execution_arn());
        usize::from(self.deployment.block_on(stop.send()).is_ok())
    }

    fn restart(&mut self) {
        for verb in ["down", "up"] {
            let output = self.world.command().args(["local", verb]).output().expect("disa runs");
            assert!(output.status.success(), "{output:?}");
        }
        self.restarted += 1;
    }

    /// No more faults: answers what is still in the backlog when the time is up.
    fn recover(&mut self, written: &[Written]) -> Vec<String> {
        self.proxy.set(vec![]);
        // The engine keeps no streams over a restart: what the init function had not seen, nobody tells of.
        self.deployment.ok(&["reconcile"]);
        let begin = Instant::now();
        let mut open: Vec<String> = written.iter().map(|message| message.id.clone()).collect();
        loop {
            let _ = self.deployment.invoke(Function::Retry, &json!({}));
            open.retain(|id| {
                let delivery = self.deployment.delivery(id);
                !delivery.is_none_or(|d| d.is(Status::Successful) || d.is(Status::Dead))
            });
            if open.is_empty() || begin.elapsed() > RECOVERY {
                return open;
            }
        }
    }

    fn report(&self, written: &[Written], stuck: &[String], storm: Duration, recovery: Duration) -> bool {
        let valid = || written.iter().filter(|message| !message.poison);
        // A message that is marked as delivered must have arrived, and one that arrived must not be marked dead.
        self.deployment.arrived("");
        let deliveries: HashMap<String, usize> =
            valid().map(|message| (message.id.clone(), self.deployment.arrived_so_far(&message.id).len())).collect();
        let stuck: HashSet<&String> = stuck.iter().collect();
        let state = |message: &&Written, status| self.deployment.delivery(&message.id).is_some_and(|d| d.is(status));
        let dead = written.iter().filter(|message| state(message, Status::Dead));
        let (poison, killed): (Vec<_>, Vec<_>) = dead.partition(|message| message.poison);
        let lost: Vec<&String> = valid()
            .filter(|message| !stuck.contains(&message.id) && !state(message, Status::Dead))
            .filter(|message| deliveries[&message.id] == 0 || !state(message, Status::Successful))
            .map(|message| &message.id)
            .collect();
        row("messages", written.len());
        row("requests harmed", self.proxy.harmed());
        row("functions killed", self.killed);
        row("executions stopped", self.stopped);
        row("engine restarts", self.restarted);
        row("storm, s", storm.as_secs());
        row("recovery, s", recovery.as_secs());
        row("delivered", deliveries.values().filter(|count| **count > 0).count());
        row("duplicated", deliveries.values().filter(|count| **count > 1).count());
        row("dead: poison", poison.len());
        row("dead: by the cap of unknown errors", killed.len());
        row("stuck", stuck.len());
        row("lost", lost.len());
        for id in stuck.iter().copied().chain(lost.iter().copied()).take(20) {
            println!("  {id}: {:?}", self.deployment.delivery(id));
        }
        let poisoned = written.iter().filter(|message| message.poison).count();
        lost.is_empty() && stuck.is_empty() && poison.len() == poisoned
    }
}
