//! Holding the breaker open or closed for a while.

use aws_sdk_cloudwatch::types::{Dimension, MetricAlarm, MetricDatum};
use gateway::{Started, StateMachine};
use outbox::execution::{self, Budget, Task};
use outbox::item::Status;
use outbox::names::Function;
use outbox::policy::Policy;
use serde_json::{Value, json};

use crate::Test;
use crate::delivery::{all_executions_end, state_machine};
use crate::scene::{QUICK, recover};
use crate::world::{Deployment, World, now, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("held_open_nothing_is_sent_whatever_is_measured_or_run", open),
    ("a_hold_ends_by_itself_and_leaves_the_alarm_as_it_was", ends),
    ("held_closed_all_is_sent_although_sns_failed", closed),
    ("of_two_holds_at_once_one_stays", at_once),
    ("a_hold_replaces_another_and_a_paused_schedule_is_told", replaced),
];

fn cloudwatch(deployment: &Deployment) -> aws_sdk_cloudwatch::Client {
    aws_sdk_cloudwatch::Client::new(&deployment.world.config)
}

fn alarm(deployment: &Deployment) -> MetricAlarm {
    let request = cloudwatch(deployment).describe_alarms().alarm_names(deployment.names.alarm());
    deployment.block_on(request.send()).expect("alarms").metric_alarms.expect("alarms").remove(0)
}

/// All but what changes with the state.
fn configured(deployment: &Deployment) -> String {
    let mut alarm = alarm(deployment);
    (alarm.state_value, alarm.state_reason, alarm.state_updated_timestamp) = (None, None, None);
    (alarm.state_transitioned_timestamp, alarm.alarm_configuration_updated_timestamp) = (None, None);
    format!("{alarm:?}")
}

/// What a publish that succeeded measures.
fn measure_a_success(deployment: &Deployment) {
    let found = alarm(deployment);
    let dimension: Vec<Dimension> = found.dimensions().to_vec();
    let datum = MetricDatum::builder().metric_name(found.metric_name().expect("a name")).value(200.0);
    let datum = datum.set_dimensions(Some(dimension)).build();
    let namespace = found.namespace().expect("a namespace");
    let request = cloudwatch(deployment).put_metric_data().namespace(namespace).metric_data(datum);
    deployment.block_on(request.send()).expect("measured");
}

fn schedule_runs(deployment: &Deployment) -> Value {
    deployment.invoke(Function::Retry, &json!({})).expect("an answer")
}

fn open(world: &'static World) {
    let deployment = &world.deploy("opened", &QUICK);
    deployment.ok(&["send", "x", "--id", "before", "--wait"]);
    let held = deployment.ok(&["breaker", "open", "--for", "30m", "--reason", "SNS <maintenance> & more"]);
    assert_eq!((&held["breaker"], &held["hold"]["reason"]), (&json!("open"), &json!("SNS <maintenance> & more")));
    let left = held["hold"]["until"].as_i64().expect("a time") - now();
    assert!((1_700_000..=1_801_000).contains(&left), "{left} ms");
    assert!(held["hold"]["by"].as_str().expect("an ARN").starts_with("arn:aws:"), "{held}");

    // Good datapoints change nothing, and a new message waits.
    measure_a_success(deployment);
    assert_eq!(deployment.alarm_state(), "ALARM");
    deployment.ok(&["send", "x", "--id", "waits"]);
    let waits = deployment.await_status("waits", Status::Failure);
    assert_eq!(waits.last_error.as_ref().expect("a reason").code, "BreakerOpen");
    wait("it to be due", || waits.due_at.is_some_and(|due| due <= now()).then_some(()));

    // Nor do four retry functions, over and over: no probe.
    for _ in 0..5 {
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let four: Vec<_> = (0..4).map(|_| scope.spawn(|| schedule_runs(deployment))).collect();
            four.into_iter().map(|one| one.join().expect("no panic")).collect()
        });
        for answer in answers {
            assert_eq!((&answer["claimed"], &answer["breakerOpen"]), (&json!(0), &json!(true)), "{answer}");
            assert_eq!(answer["hold"]["breaker"], "open");
        }
    }
    let retried = deployment.run(&["retry", "now", "--id", "waits", "-o", "json"]);
    assert_eq!((retried.code, &retried.json()["claimed"]), (4, &json!(0)), "{retried:?}");
    assert_eq!(retried.json()["hold"], held["hold"]);
    let told = deployment.run(&["retry", "now"]).out;
    assert!(told.contains("is held open until ") && told.contains("no probe either"), "{told}");

    // A probe that was under way is held back all the same when it asks only now.
    let machine = StateMachine::new(aws_sdk_sfn::Client::new(&world.config), state_machine(deployment));
    let task = Task::new(&deployment.delivery("waits").expect("stored"), Budget::Free, &Policy::default(), now(), 0.5);
    let probe = execution::probe(task, now(), 1_000);
    assert_eq!(deployment.block_on(machine.start(&probe)), Ok(Started::Now));
    all_executions_end(deployment);
    assert_eq!(deployment.ok(&["executions", "show", &probe.name])["execution"]["error"], "BreakerOpen");
    assert_eq!(deployment.arrived("waits").len(), 0);

    let finding = deployment.ok(&["status"])["findings"].to_string();
    assert!(finding.contains("nothing is sent, no probe either: the breaker is held open until "), "{finding}");
    let drill = deployment.run(&["drill"]);
    assert!(drill.code == 1 && drill.err.contains("disa breaker release"), "{drill:?}");

    // Released: it is open still, until a probe is delivered.
    let released = deployment.ok(&["breaker", "release"]);
    assert_eq!((&released["hold"], &released["released"]), (&Value::Null, &held["hold"]));
    assert_eq!(deployment.ok(&["breaker", "release"])["released"], Value::Null);
    recover(deployment, &["waits".to_owned()]);
    deployment.await_arrival("waits");
    assert_eq!((deployment.arrived("waits").len(), deployment.alarm_state().as_str()), (1, "OK"));
    assert_eq!(deployment.ok(&["breaker", "show"])["breaker"], "closed");
}

fn ends(world: &'static World) {
    let deployment = &world.deploy("ended", &QUICK);
    let before = configured(deployment);
    let held = deployment.ok(&["breaker", "open", "--for", "5s"]);
    assert_ne!(configured(deployment), before);
    deployment.ok(&["send", "x", "--id", "waited"]);
    deployment.await_status("waited", Status::Failure);
    wait("the hold to end", || schedule_runs(deployment)["hold"].is_null().then_some(()));
    assert!(now() >= held["hold"]["until"].as_i64().expect("a time"), "it ended early");
    assert_eq!(configured(deployment), before);
    recover(deployment, &["waited".to_owned()]);
    deployment.await_arrival("waited");
    assert_eq!((deployment.arrived("waited").len(), deployment.alarm_state().as_str()), (1, "OK"));
}

fn closed(world: &'static World) {
    let deployment = &world.deploy("closed", &QUICK);
    let before = configured(deployment);
    deployment.break_topic();
    deployment.ok(&["send", "x", "--id", "fails"]);
    deployment.await_status("fails", Status::Failure);
    wait("the breaker to open", || (deployment.alarm_state() == "ALARM").then_some(()));

    // What fails is tried, and the bad datapoint opens nothing.
    let held = deployment.ok(&["breaker", "close", "--for", "10m", "--reason", "it is back in a moment"]);
    assert_eq!((&held["breaker"], &held["state"]), (&json!("closed"), &json!("OK")));
    assert_eq!(deployment.alarm_state(), "OK");
    deployment.ok(&["send", "x", "--id", "fails-too"]);
    let failed = deployment.await_status("fails-too", Status::Failure);
    assert_eq!(failed.last_error.expect("a reason").code, "NotFound");
    all_executions_end(deployment);
    assert_eq!(deployment.alarm_state(), "OK");

    // SNS is back: all goes at once, without a probe.
    deployment.restore_topic();
    deployment.ok(&["send", "x", "--id", "goes", "--wait"]);
    let retried = deployment.ok(&["retry", "now"]);
    assert_eq!((&retried["delivered"], &retried["breakerOpen"]), (&json!(2), &json!(false)), "{retried}");

    // Its time over, the alarm judges again.
    deployment.ok(&["breaker", "close", "--for", "1s"]);
    wait("the hold to end", || schedule_runs(deployment)["hold"].is_null().then_some(()));
    assert_eq!(configured(deployment), before);
    deployment.break_topic();
    let mut sent = 0;
    wait("the breaker to open again", || {
        deployment.ok(&["send", "x", "--id", &format!("after-{sent}")]);
        deployment.await_status(&format!("after-{sent}"), Status::Failure);
        sent += 1;
        (deployment.alarm_state() == "ALARM").then_some(())
    });
}

/// Of two holds at once one stays, and whoever wrote the other and finds it gone is told.
fn at_once(world: &'static World) {
    let deployment = &world.deploy("at-once", &QUICK);
    for _ in 0..5 {
        let ran = std::thread::scope(|scope| {
            let two = ["open", "close"]
                .map(|verb| scope.spawn(move || deployment.run(&["breaker", verb, "--for", "1h", "-o", "json"])));
            two.map(|one| one.join().expect("no panic"))
        });
        let stands = deployment.ok(&["breaker", "show"])["hold"].clone();
        assert!(ran.iter().any(|ran| ran.code == 0 && ran.json()["hold"] == stands), "{stands}: {ran:?}");
        for other in ran.iter().filter(|ran| ran.code != 0) {
            assert!(other.code == 1 && other.err.contains("at the same time"), "{other:?}");
        }
    }
    deployment.ok(&["breaker", "release"]);
}

fn replaced(world: &'static World) {
    let deployment = &world.deploy("replaced", &QUICK);
    let before = configured(deployment);
    let first = deployment.ok(&["breaker", "open"]);
    let left = first["hold"]["until"].as_i64().expect("a time") - now();
    assert!((3_500_000..=3_601_000).contains(&left), "{left} ms");
    assert_eq!((&first["warnings"], &first["replaced"]), (&json!([]), &Value::Null));
    deployment.ok(&["retry", "pause"]);
    let second = deployment.ok(&["breaker", "close", "--for", "2h"]);
    assert_eq!(second["replaced"], first["hold"]);
    let warnings = second["warnings"].to_string();
    assert!(warnings.contains("does not end by itself"), "{warnings}");
    let shown = deployment.run(&["breaker", "show"]).out;
    assert!(shown.contains("held closed: all is sent") && shown.contains("does not end by itself"), "{shown}");
    deployment.ok(&["breaker", "release"]);
    assert_eq!(configured(deployment), before);
    for (arguments, expected) in
        [(&["breaker", "open", "--for", "25h"][..], "from 1s to 24h"), (&["breaker", "close", "--for", "0s"], "1s")]
    {
        let ran = deployment.run(arguments);
        assert!(ran.code == 2 && ran.err.contains(expected), "{ran:?}");
    }
}
