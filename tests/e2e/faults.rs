//! Nothing is lost, nothing is stuck: the pipeline under faults. Afterwards every valid message is Successful
//! and was delivered at least once, a second time only where an acknowledgement was lost, and the backlog is
//! empty.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use outbox::item::Status;
use outbox::names::Function;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::Test;
use crate::delivery::{all_executions_end, state_machine};
use crate::proxy::Fault;
use crate::proxy::Share::{Every, Rate};
use crate::scene::{MESSAGES, SEED, Scene, recover};
use crate::world::{Ran, World, s, wait, wait_for};

pub const TESTS: &[(&str, Test)] = &[
    ("sns_fails_in_every_way_for_a_while", sns_fails),
    ("sns_accepts_and_the_answer_is_lost", answers_lost),
    ("the_table_is_throttled", table_throttled),
    ("cloudwatch_refuses_everything", cloudwatch_refuses),
    ("cloudwatch_does_not_answer", cloudwatch_hangs),
    ("the_table_does_not_answer_and_no_message_pays_for_it", table_hangs),
    ("executions_cannot_be_started", starts_throttled),
    ("functions_are_killed_at_random_moments", functions_killed),
    ("the_process_function_crashes_on_every_third_batch", crashes),
    ("executions_are_stopped_by_hand", executions_stopped),
    ("what_no_index_holds_is_reconciled", reconciled),
    ("batches_too_old_for_the_stream_are_dead_letters_and_reconciled", stream_dead_letters),
    ("the_command_gets_through_or_says_why_not", command_harmed),
    ("the_engine_stops_and_starts_in_the_middle", engine_restarted),
];

fn sns_fails(world: &'static World) {
    let scene = Scene::new(world, "snsfails", &[]);
    scene.harm(&[
        ("sns", "", Rate(0.3), Fault::Error(500)),
        ("sns", "", Rate(0.2), Fault::Error(403)),
        ("sns", "", Rate(0.2), Fault::Error(429)),
        ("sns", "", Rate(0.3), Fault::Reset),
        ("sns", "", Rate(0.3), Fault::Hang),
    ]);
    scene.write();
    scene.keep_retrying(Duration::from_secs(15));
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    scene.assert_delivered(false);
}

fn answers_lost(world: &'static World) {
    let scene = Scene::new(world, "answers", &[]);
    scene.harm(&[("sns", "", Rate(0.5), Fault::LoseAnswer), ("dynamodb", "UpdateItem", Rate(0.2), Fault::LoseAnswer)]);
    scene.write();
    scene.keep_retrying(Duration::from_secs(10));
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    scene.assert_delivered(true);
}

fn table_throttled(world: &'static World) {
    let scene = Scene::new(world, "throttled", &[]);
    scene.harm(&[("dynamodb", "", Rate(0.5), Fault::Error(400)), ("dynamodb", "", Rate(0.1), Fault::Reset)]);
    scene.write();
    scene.keep_retrying(Duration::from_secs(10));
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    // Where the record of a delivery was throttled for as long as the function ran, it was lost.
    scene.assert_delivered(true);
}

fn cloudwatch_refuses(world: &'static World) {
    let scene = Scene::new(world, "cloudwatch", &[]);
    scene.harm(&[("monitoring", "", Rate(1.0), Fault::Error(500))]);
    scene.write();
    for id in &scene.ids {
        scene.deployment.await_status(id, Status::Successful);
    }
    all_executions_end(&scene.deployment);
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    scene.assert_delivered(false);
}

/// What is due is claimed all the same: the alarm is not waited for until the time is over.
fn cloudwatch_hangs(world: &'static World) {
    let scene = Scene::new(world, "cwhangs", &[]);
    scene.harm(&[("monitoring", "", Rate(1.0), Fault::Hang)]);
    let id = scene.ids[0].as_str();
    let one = || AttributeValue::N("1".into());
    let failed = outbox::item::backlog_shard(Status::Failure, id);
    let fields = [
        ("message", s(&format!("body of {id}"))),
        ("sendStatus", s("Failure")),
        ("backlogShard", s(&failed)),
        ("dueAt", one()),
        ("attempts", one()),
        ("createdAt", one()),
    ];
    scene.deployment.put_by_hand(id, &fields);
    let answer = scene.deployment.invoke(Function::Retry, &json!({})).expect("an answer");
    assert_eq!(answer["claimed"], 1, "{answer}");
    scene.deployment.await_status(id, Status::Successful);
}

/// A batch of more messages than the process function fences at once, and each request hangs: it answers before it
/// is stopped. Else each message would have failed in a way that nobody foresaw, and that has a cap.
fn table_hangs(world: &'static World) {
    use outbox::execution::{Budget, Task};
    use outbox::item::Delivery;
    let scene = Scene::new(world, "dbhangs", &[]);
    scene.harm(&[("dynamodb", "", Rate(1.0), Fault::Hang)]);
    let task = |id| Task::new(&Delivery::pending(id, 1), Budget::Counts, &Default::default(), 0, 0.5);
    let tasks: Vec<Task> = scene.ids.iter().map(|id| task(id)).collect();
    let request = json!({ "execution": "by-hand", "messages": tasks });
    let answer = scene.deployment.invoke(Function::Process, &request).expect("an answer");
    let undelivered = answer["undelivered"].as_array().expect("a list");
    assert_eq!(undelivered.len(), scene.ids.len(), "{answer}");
    assert!(undelivered.iter().all(|one| one["class"] == "Unavailable"), "{answer}");
}

fn starts_throttled(world: &'static World) {
    let scene = Scene::new(world, "starts", &[]);
    scene.harm(&[
        ("states", "StartExecution", Rate(0.9), Fault::Error(400)),
        ("states", "", Rate(0.3), Fault::LoseAnswer),
    ]);
    scene.write();
    scene.keep_retrying(Duration::from_secs(10));
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    scene.assert_delivered(false);
}

fn functions_killed(world: &'static World) {
    let scene = Scene::new(world, "killed", &[]);
    let mut random = StdRng::seed_from_u64(SEED);
    let begin = Instant::now();
    let mut killed = 0;
    scene.write();
    while begin.elapsed() < Duration::from_secs(10) {
        killed += world.kill_functions("");
        let _ = scene.deployment.invoke(Function::Retry, &json!({}));
        std::thread::sleep(Duration::from_millis(random.random_range(20..400)));
    }
    assert!(killed > 0);
    scene.recover();
    // Killed between the acceptance of SNS and its record: the acknowledgement was lost.
    scene.assert_delivered(true);
}

fn crashes(world: &'static World) {
    let scene = Scene::new(world, "crashing", &[]);
    scene.proxy.on_crash(|| {
        world.kill_functions("-process");
    });
    scene.harm(&[("sns", "PublishBatch", Every(3), Fault::Crash)]);
    scene.write();
    scene.keep_retrying(Duration::from_secs(10));
    assert!(scene.proxy.harmed() > 2);
    // A crash is no message's fault as long as others of its batch get through: nothing is Dead.
    scene.recover();
    // Another batch may have been on its way in a process that was killed along.
    scene.assert_delivered(true);
}

fn executions_stopped(world: &'static World) {
    let scene = Scene::new(world, "stopped", &[]);
    let sfn = aws_sdk_sfn::Client::new(&world.config);
    scene.write();
    let mut stopped = 0;
    let begin = Instant::now();
    while stopped == 0 && begin.elapsed() < Duration::from_secs(20) {
        let list = sfn.list_executions().state_machine_arn(state_machine(&scene.deployment));
        let answer = scene.deployment.block_on(list.send()).expect("a list");
        for execution in answer.executions().iter().filter(|execution| execution.stop_date().is_none()) {
            let stop = sfn.stop_execution().execution_arn(execution.execution_arn());
            stopped += u32::from(scene.deployment.block_on(stop.send()).is_ok());
        }
        if stopped == 0 {
            let _ = scene.deployment.invoke(Function::Retry, &json!({}));
            scene.deployment.put_by_hand("stopped-extra", &[("message", s("extra"))]);
        }
    }
    assert!(stopped > 0);
    scene.recover();
    scene.assert_delivered(true);
}

/// Items that the stream never told of: the mapping was off, or its batch went to the dead letters.
fn reconciled(world: &'static World) {
    let scene = Scene::new(world, "reconciled", &[]);
    let cloudformation = aws_sdk_cloudformation::Client::new(&world.config);
    let mapping = cloudformation
        .describe_stack_resource()
        .stack_name(scene.deployment.names.stack())
        .logical_resource_id("StreamMapping");
    let mapping = scene.deployment.block_on(mapping.send()).expect("the mapping").stack_resource_detail;
    let mapping = mapping.and_then(|detail| detail.physical_resource_id).expect("an id");
    let lambda = aws_sdk_lambda::Client::new(&world.config);
    let _ = scene.deployment.block_on(lambda.delete_event_source_mapping().uuid(mapping).send());
    scene.write();
    scene.deployment.put_by_hand("odd", &[("message", s("x")), ("sendStatus", AttributeValue::N("1".into()))]);
    let sqs = aws_sdk_sqs::Client::new(&world.config);
    scene.deployment.block_on(async {
        let queue =
            sqs.get_queue_url().queue_name(scene.deployment.names.stream_dead_letters()).send().await.expect("a queue");
        sqs.send_message().queue_url(queue.queue_url.expect("a URL")).message_body("{}").send().await.expect("sent");
    });
    let found = scene.deployment.ok(&["reconcile", "--dry-run"]);
    assert_eq!((&found["found"], &found["adopted"]), (&json!(MESSAGES / 2 + 1), &json!(0)));
    let settled = scene.deployment.ok(&["reconcile"]);
    assert_eq!((&settled["adopted"], &settled["dead"]), (&json!(MESSAGES / 2), &json!(1)));
    assert_eq!(settled["deadLetters"], 1);
    assert_eq!(scene.deployment.ok(&["reconcile"])["found"], 0);
    assert_eq!(scene.deployment.delivery("odd").expect("stored").last_error.expect("a reason").code, "UnknownStatus");
    scene.recover();
    scene.assert_delivered(false);
}

/// The init function fails for longer than the mapping keeps a batch.
fn stream_dead_letters(world: &'static World) {
    let scene = Scene::new(world, "tooold", &["StreamMaximumRecordAgeInSeconds=60"]);
    scene.harm(&[("dynamodb", "", Rate(1.0), Fault::Error(400)), ("states", "", Rate(1.0), Fault::Error(400))]);
    scene.write();
    let letters = wait_for(Duration::from_secs(180), "the batch to become a dead letter", || {
        scene.deployment.ok(&["status"])["deadLetters"]["stream"].as_u64().filter(|count| *count > 0)
    });
    scene.proxy.set(vec![]);
    let status = scene.deployment.ok(&["status"]);
    assert!(status["findings"].to_string().contains("disa reconcile"), "{status}");
    let settled = scene.deployment.ok(&["reconcile"]);
    assert!(settled["deadLetters"].as_u64() >= Some(letters), "{settled}");
    assert_eq!(scene.deployment.ok(&["status"])["deadLetters"]["stream"], 0);
    scene.recover();
    scene.assert_delivered(false);
}

/// Calls of the command take seconds where every third request of theirs is harmed.
const SENT: usize = 10;

/// Between the command and AWS: whatever it says, it must be true, and the next call puts it right.
fn command_harmed(world: &'static World) {
    let scene = Scene::new(world, "harmed", &[]);
    let run = |arguments: &[&str]| {
        let mut command = world.command_at(&scene.proxy.endpoint());
        Ran::from(command.args(arguments).args(["--project", "harmed"]).output().expect("disa runs"))
    };
    let services = ["dynamodb", "lambda", "states", "monitoring", "sqs", "sns", "scheduler", "cloudformation", "sts"];
    let everywhere = |fault, rate| services.map(|service| (service, "", Rate(rate), fault));
    let mut rules = vec![];
    for (fault, rate) in [(Fault::Error(500), 0.1), (Fault::Error(400), 0.05), (Fault::Reset, 0.05)] {
        rules.extend(everywhere(fault, rate));
    }
    rules.extend(everywhere(Fault::LoseAnswer, 0.1));
    scene.harm(&rules);
    let ids = &scene.ids[..SENT];
    for id in ids {
        let body = format!("body of {id}");
        let ran = wait(&format!("{id} to be taken"), || {
            let ran = run(&["send", &body, "--id", id]);
            assert!(ran.code == 0 || (ran.code == 1 && ran.err.contains("because")), "{ran:?}");
            (ran.code == 0).then_some(ran)
        });
        // It said that it is queued: it is there.
        assert!(ran.out.contains("queued") || ran.out.contains("delivered"), "{ran:?}");
        assert!(scene.deployment.delivery(id).is_some(), "{id}");
    }
    for arguments in [&["status"][..], &["failed", "list"], &["retry", "now"], &["show", "harmed-0"], &["reconcile"]] {
        wait(&format!("{arguments:?} to get through"), || {
            let ran = run(arguments);
            assert!(!ran.err.contains("panicked") && !ran.err.contains("service error"), "{ran:?}");
            assert!(matches!(ran.code, 0 | 4) || ran.err.contains("because"), "{ran:?}");
            (ran.code == 0 || ran.code == 4).then_some(())
        });
    }
    assert!(scene.proxy.harmed() > 0);
    scene.proxy.set(vec![]);
    recover(&scene.deployment, ids);
    for id in ids {
        assert_eq!(scene.deployment.await_arrival(id), format!("body of {id}"));
    }
}

fn engine_restarted(world: &'static World) {
    let scene = Scene::new(world, "restarted", &[]);
    scene.write();
    for verb in ["down", "up"] {
        let output = world.command().args(["local", verb]).output().expect("disa runs");
        assert!(output.status.success(), "{output:?}");
    }
    // The engine keeps no streams: what it had not delivered to the init function yet, nobody tells of any more.
    scene.deployment.ok(&["reconcile"]);
    scene.recover();
    scene.assert_delivered(true);
}
