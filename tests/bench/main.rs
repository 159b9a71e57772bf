//! The figures of Disa, measured on the local engine: `cargo test --test bench`. What has a rival is measured beside it in
//! the same run: the same pipeline with one execution a message, as the original has it.
//!
//! The size and the start of the functions are those of the `function` profile, which runs on AWS; build them
//! first: `cargo build --profile function -p disa-init-process -p disa-process -p disa-retry`.

#[path = "../e2e/world.rs"]
#[allow(dead_code)]
mod world;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use outbox::item::Status;
use world::{Deployment, World};

const LATENCIES: usize = 30;
const MESSAGES: usize = 2_000;
/// The rival is slow: fewer messages say enough.
const RIVAL_MESSAGES: usize = 300;
const STARTS: usize = 20;

fn main() {
    World::with("test", &[], pipeline);
    functions();
}

fn pipeline(world: &'static World) {
    // The first deployment builds the functions.
    world.deploy("built", &[world::NO_SCHEDULE]);
    let begin = Instant::now();
    let deployment = world.deploy("bench", &[world::NO_SCHEDULE]);
    row("local deploy, functions built", begin.elapsed().as_secs_f64(), "s");
    let begin = Instant::now();
    deployment.ok(&["deploy"]);
    row("local deploy, nothing changed", begin.elapsed().as_secs_f64(), "s");
    latency(&deployment);
    let batched = throughput(&deployment, MESSAGES);
    row("throughput, batches of 100", batched, "messages/s");
    let single = world.deploy("single", &["BatchSize=1", world::NO_SCHEDULE]);
    let rival = throughput(&single, RIVAL_MESSAGES);
    row("throughput, one execution a message", rival, "messages/s");
    row("ratio", batched / rival, "times");
}

fn row(name: &str, value: f64, unit: &str) {
    println!("{name:<40} {value:>10.3} {unit}");
}

fn latency(deployment: &Deployment) {
    let mut times: Vec<f64> = (0..LATENCIES)
        .map(|n| {
            let id = format!("latency-{n}");
            deployment.write_many(std::slice::from_ref(&id));
            // By the message's own times: looking often would slow the engine down, seldom would round up.
            let done = deployment.await_status(&id, Status::Successful);
            (done.updated_at.expect("a time") - done.created_at.expect("a time")) as f64 / 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    row("one message, written to Successful, median", times[LATENCIES / 2], "s");
    row("one message, written to Successful, worst", times[LATENCIES - 1], "s");
}

/// From the first write to the last message that is Successful.
fn throughput(deployment: &Deployment, messages: usize) -> f64 {
    let ids: Vec<String> = (0..messages).map(|n| format!("throughput-{n}")).collect();
    let begin = Instant::now();
    deployment.write_many(&ids);
    // A look costs the engine 32 queries: a few a second, or looking is the load.
    while !deployment.backlog().is_empty() {
        assert!(begin.elapsed() < 10 * world::LIMIT, "not delivered in time");
        std::thread::sleep(Duration::from_millis(250));
    }
    let seconds = begin.elapsed().as_secs_f64();
    for id in &ids {
        assert!(deployment.delivery(id).is_some_and(|delivery| delivery.is(Status::Successful)), "{id}");
    }
    messages as f64 / seconds
}

fn functions() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../function");
    for function in outbox::names::Function::ALL {
        let path = directory.join(function.binary());
        if !path.is_file() {
            println!("{}: not built with the `function` profile", function.binary());
            continue;
        }
        row(&format!("{}, zip", function.binary()), zipped_megabytes(&path), "MB");
        let (start, memory) = start(&path);
        row(&format!("{}, spawn to first poll, median", function.binary()), start, "ms");
        row(&format!("{}, memory at first poll", function.binary()), memory, "MiB");
    }
}

fn zipped_megabytes(path: &PathBuf) -> f64 {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(9));
    writer.start_file("bootstrap", options).expect("a zip");
    writer.write_all(&std::fs::read(path).expect("a binary")).expect("a zip");
    writer.finish().expect("a zip").into_inner().len() as f64 / 1e6
}

/// Milliseconds from the spawn of a function to its first request to the runtime API, and its memory then.
fn start(path: &PathBuf) -> (f64, f64) {
    let mut times = vec![];
    let mut memory = 0.0;
    for _ in 0..STARTS {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let begin = Instant::now();
        let mut child = Command::new(path)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().expect("an address").to_string())
            .envs([("AWS_LAMBDA_FUNCTION_NAME", "f"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")])
            .envs([("AWS_LAMBDA_FUNCTION_VERSION", "1"), ("AWS_LAMBDA_LOG_STREAM_NAME", "s")])
            .envs([("AWS_LAMBDA_LOG_GROUP_NAME", "g"), ("AWS_REGION", "us-east-1")])
            .envs([("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")])
            .envs([("TABLE_NAME", "t"), ("STATE_MACHINE_ARN", "a"), ("SNS_TOPIC_ARN", "a"), ("ALARM_NAME", "a")])
            .envs([
                ("METRIC_NAME", "m"),
                ("DIMENSION_NAME", "d"),
                ("DIMENSION_VALUE", "v"),
                ("CLOUDWATCH_NAMESPACE", "n"),
            ])
            .stdout(Stdio::null())
            .spawn()
            .expect("the function starts");
        let (mut stream, _) = listener.accept().expect("the function polls");
        stream.read_exact(&mut [0; 4]).expect("a request");
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        memory = resident_mib(child.id());
        child.kill().expect("killed");
        child.wait().expect("it ends");
    }
    times.sort_by(f64::total_cmp);
    (times[STARTS / 2], memory)
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}
