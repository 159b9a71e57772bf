//! 100,000 failed messages, and one `retry now`.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures::{StreamExt, stream};
use outbox::item::{self, Status};

use crate::row;
use crate::world::{Deployment, NO_SCHEDULE, Ran, World, n, now, s};

const MESSAGES: usize = 100_000;
/// What the command may need, in MiB: it must not keep the messages. Many times less than they take.
const MEMORY_LIMIT: f64 = 64.0;
const LIMIT: Duration = Duration::from_secs(3600);

pub fn run(world: &'static World) -> bool {
    let deployment = world.deploy("drain", &[NO_SCHEDULE]);
    let begin = Instant::now();
    write(&deployment);
    row("failed messages written", MESSAGES);
    row("in, s", begin.elapsed().as_secs());
    let begin = Instant::now();
    let (ran, command, function) = retry_now(world, &deployment);
    row("retry now, s", begin.elapsed().as_secs());
    row("its memory, MiB", format!("{command:.1}"));
    row("the retry function's memory, MiB", format!("{function:.1}"));
    print!("{}", ran.out);
    let rest = settle(&deployment);
    row("delivered, s", begin.elapsed().as_secs());
    for (status, count) in &rest {
        row(&format!("left {status}"), count);
    }
    let claimed = ran.json()["claimed"].as_u64();
    let skipped = missing(&deployment);
    row("skipped", skipped.len());
    ran.code == 0 && claimed == Some(MESSAGES as u64) && rest.is_empty() && skipped.is_empty() && command < MEMORY_LIMIT
}

fn id(number: usize) -> String {
    format!("drain-{number}")
}

/// Failed an hour ago, as an outage leaves them.
fn write(deployment: &Deployment) {
    let time = now() - 3_600_000;
    let put = |number: usize| {
        let id = id(number);
        let put = PutRequest::builder()
            .item("message", s(&format!("body of {id}")))
            .item("sendStatus", s(Status::Failure.as_str()))
            .item("backlogShard", s(&item::backlog_shard(Status::Failure, &id)))
            .item("dueAt", n(time))
            .item("attempts", n(1))
            .item("createdAt", n(time))
            .item("updatedAt", n(time))
            .item("sequenceNo", s(&id));
        WriteRequest::builder().put_request(put.build().expect("an item")).build()
    };
    let client = deployment.dynamodb();
    let table = deployment.names.table();
    let numbers: Vec<usize> = (0..MESSAGES).collect();
    let batches = numbers.chunks(25).map(|chunk| chunk.iter().map(|number| put(*number)).collect::<Vec<_>>());
    deployment.block_on(stream::iter(batches).for_each_concurrent(8, |batch| {
        let request = client.batch_write_item().request_items(&table, batch);
        async move {
            let answer = request.send().await.expect("written");
            assert!(answer.unprocessed_items().is_none_or(HashMap::is_empty));
        }
    }));
}

/// Answers what it said, and the most memory that it and the retry function had, in MiB.
fn retry_now(world: &'static World, deployment: &Deployment) -> (Ran, f64, f64) {
    let mut command = deployment.spawnable(&["retry", "now", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs");
    let (mut most, mut function) = (0.0f64, 0.0f64);
    while child.try_wait().expect("its state").is_none() {
        most = most.max(peak_mib(child.id()));
        function =
            world.functions("-retry").into_iter().map(|pid| peak_mib(pid.unsigned_abs())).fold(function, f64::max);
        std::thread::sleep(Duration::from_millis(200));
    }
    (Ran::from(child.wait_with_output().expect("it ended")), most, function)
}

fn peak_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Waits until the backlog is empty; answers what is left when the time is up.
fn settle(deployment: &Deployment) -> Vec<(Status, u64)> {
    let begin = Instant::now();
    loop {
        let counts = deployment.backlog();
        if counts.is_empty() || begin.elapsed() > LIMIT {
            return counts;
        }
        std::thread::sleep(Duration::from_secs(2));
    }
}

/// The messages that did not arrive at the subscriber.
fn missing(deployment: &Deployment) -> Vec<String> {
    deployment.arrived("");
    (0..MESSAGES).map(id).filter(|id| deployment.arrived_so_far(id).is_empty()).collect()
}
