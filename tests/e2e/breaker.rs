//! The breaker: what opens it, what goes out while it is open, what closes it, and how the load comes back.

use std::time::{Duration, Instant};

use outbox::item::Status;
use outbox::names::Function;
use serde_json::{Value, json};

use crate::Test;
use crate::delivery::{all_executions_end, state_machine};
use crate::proxy::{Fault, Share};
use crate::scene::{Scene, recover};
use crate::world::{World, now, s, wait, wait_for};

pub const TESTS: &[(&str, Test)] =
    &[("it_opens_probes_one_at_a_time_closes_and_ramps_up", whole_cycle), ("the_drill_passes", drill)];

/// Of the first run after the breaker closed; doubled every minute.
const RAMP_START: u64 = 5;
/// For what goes out on its own after the ramp has begun.
const MESSAGES: usize = 60;
/// As the retry function has it.
const PROBE_PERIOD: Duration = Duration::from_secs(10);
const OPEN_FOR: Duration = Duration::from_secs(25);

fn whole_cycle(world: &'static World) {
    let scene = Scene::new(world, "breaker", &["RampStart=5"]);
    let deployment = &scene.deployment;
    let begin = Instant::now();
    let tell = |what: String| println!("{:>7.1} s  {what}", begin.elapsed().as_secs_f64());
    let retry = || deployment.invoke(Function::Retry, &json!({})).expect("an answer");
    let published = || scene.proxy.seen("sns", "PublishBatch");

    // Poison alone opens nothing: SNS is not even asked.
    deployment.put_by_hand("poison", &[("message", s(""))]);
    deployment.await_status("poison", Status::Dead);
    deployment.ok(&["send", "good", "--id", "good", "--wait"]);
    assert_eq!(deployment.alarm_state(), "OK");
    tell(format!("a poison message and a good one: OK after {} publish", published()));

    // Nothing gets through: it opens.
    scene.harm(&[("sns", "", Share::Rate(1.0), Fault::Error(500))]);
    let mut bad = 0;
    wait("the breaker to open", || {
        deployment.put_by_hand(&format!("bad-{bad}"), &[("message", s("x"))]);
        deployment.await_status(&format!("bad-{bad}"), Status::Failure);
        bad += 1;
        (deployment.alarm_state() == "ALARM").then_some(())
    });
    tell(format!("nothing gets through: ALARM after {bad} failed messages"));

    // Open: new messages wait in the backlog and are not tried; one probe at a time goes out.
    all_executions_end(deployment);
    let before = published();
    let ids: Vec<String> = (0..MESSAGES).map(|n| format!("waiting-{n}")).collect();
    deployment.write_many(&ids);
    for id in &ids {
        let held = deployment.await_status(id, Status::Failure);
        assert_eq!(held.last_error.expect("a reason").code, "BreakerOpen");
    }
    assert_eq!(published(), before, "a message was tried while the breaker was open");
    let opened = Instant::now();
    while opened.elapsed() < OPEN_FOR {
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let four: Vec<_> = (0..4).map(|_| scope.spawn(retry)).collect();
            four.into_iter().map(|one| one.join().expect("no panic")).collect()
        });
        assert!(answers.iter().filter_map(|answer| answer["claimed"].as_u64()).sum::<u64>() <= 1, "{answers:?}");
        assert!(running_probes(&scene) <= 1);
    }
    all_executions_end(deployment);
    let (probes, periods) = (probes(&scene), OPEN_FOR.as_secs() / PROBE_PERIOD.as_secs() + 2);
    assert!((1..=periods).contains(&probes), "{probes} probes");
    assert_eq!(deployment.alarm_state(), "ALARM");
    tell(format!("open for {} s, four retry functions at once: {probes} probes", OPEN_FOR.as_secs()));

    // SNS is back: the first probe that is delivered closes it.
    scene.proxy.set(vec![]);
    wait("a probe to close the breaker", || {
        retry();
        (deployment.alarm_state() == "OK").then_some(())
    });
    let closed = Instant::now();
    tell("a probe was delivered: OK".to_owned());

    // The backlog drains at a rate that ramps up: one run of the schedule a minute.
    wait("everything to be due", || {
        let late = |id: &String| deployment.delivery(id).is_some_and(|d| d.due_at.is_some_and(|due| due > now()));
        (!ids.iter().any(late)).then_some(())
    });
    let mut claims = vec![];
    for minute in 0..3 {
        let run = Duration::from_secs(60 * minute + 5);
        wait_for(2 * run, "the minute to begin", || (closed.elapsed() >= run).then_some(()));
        let claimed = retry()["claimed"].as_u64().expect("a count");
        tell(format!("{} s after it closed: {claimed} of {MESSAGES} sent again", closed.elapsed().as_secs()));
        claims.push(claimed);
    }
    assert_eq!(claims, [RAMP_START, 2 * RAMP_START, 4 * RAMP_START]);
    all_executions_end(deployment);
    recover(deployment, &ids);
    for id in &ids {
        deployment.await_status(id, Status::Successful);
        deployment.await_arrival(id);
        assert_eq!(deployment.arrived(id).len(), 1, "{id}");
    }
    tell("the backlog is empty, each message delivered once".to_owned());
}

fn executions(scene: &Scene) -> Vec<aws_sdk_sfn::types::ExecutionListItem> {
    let sfn = aws_sdk_sfn::Client::new(&scene.deployment.world.config);
    let list = sfn.list_executions().state_machine_arn(state_machine(&scene.deployment)).max_results(1000);
    scene.deployment.block_on(list.send()).expect("a list").executions
}

fn probes(scene: &Scene) -> u64 {
    executions(scene).iter().filter(|execution| execution.name().starts_with("probe-")).count() as u64
}

fn running_probes(scene: &Scene) -> usize {
    let runs = |e: &&aws_sdk_sfn::types::ExecutionListItem| e.name().starts_with("probe-") && e.stop_date().is_none();
    executions(scene).iter().filter(runs).count()
}

fn drill(world: &'static World) {
    let deployment = world.deploy("drill", &[]);
    let drilled = deployment.ok(&["drill"]);
    assert_eq!(drilled["passed"], true);
    assert_eq!(drilled["steps"].as_array().expect("steps").len(), 7);
    // Everything is put back, and nothing left behind.
    let status = deployment.ok(&["status"]);
    assert_eq!(status["findings"], json!([]));
    let sqs = aws_sdk_sqs::Client::new(&world.config);
    let queues = deployment.block_on(sqs.list_queues().queue_name_prefix("drill-devl-drill").send()).expect("queues");
    assert_eq!(queues.queue_urls(), [] as [String; 0]);
}
