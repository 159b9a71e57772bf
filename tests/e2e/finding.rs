//! Finding messages, trying them again, and what is done with the dead.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use outbox::item::{self, Status};
use serde_json::{Value, json};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::Test;
use crate::world::{Deployment, NO_SCHEDULE, Ran, World, n, now, s, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("messages_are_found_by_what_they_are", filters),
    ("lists_have_orders_columns_and_forms", forms),
    ("bad_questions_are_refused", bad_questions),
    ("what_messages_suffer_from_is_counted", stats),
    ("a_retry_takes_what_it_is_told_and_leaves_a_note", retried),
    ("a_retry_goes_no_faster_than_its_rate", paced),
    ("a_retry_that_fails_stops_and_says_what_failed", failing),
    ("the_dead_are_revived_or_discarded", dead),
    ("the_schedule_is_paused_changed_and_resumed", scheduled),
];

/// A message as a failed attempt left it, an hour old.
fn put(deployment: &Deployment, id: &str, status: Status, class: &str, code: &str, attempts: i64) {
    let error = [("class", class), ("code", code), ("text", "What SNS said")];
    let error = error.map(|(name, value)| (name.to_owned(), s(value)));
    deployment.put_by_hand(
        id,
        &[
            ("message", s("body")),
            ("sendStatus", s(status.as_str())),
            ("backlogShard", s(&item::backlog_shard(status, id))),
            ("dueAt", n(now() + 3_600_000)),
            ("attempts", n(attempts)),
            ("createdAt", n(now() - 3_600_000)),
            ("updatedAt", n(now() - 1000)),
            ("lastError", AttributeValue::M(error.into())),
        ],
    );
}

fn outbox(world: &'static World, project: &str) -> Deployment {
    let deployment = world.deploy(project, &[NO_SCHEDULE]);
    put(&deployment, "a-1", Status::Failure, "Unavailable", "NotFound", 1);
    put(&deployment, "a-2", Status::Failure, "Unavailable", "Throttled", 5);
    put(&deployment, "b-1", Status::Failure, "Unknown", "Runtime.ExitError", 9);
    put(&deployment, "d-1", Status::Dead, "Rejected", "EmptyMessage", 1);
    put(&deployment, "d-2", Status::Dead, "Unknown", "Runtime.ExitError", 10);
    deployment
}

fn ids(document: &Value) -> Vec<String> {
    let items = document["items"].as_array().expect("items");
    items.iter().map(|item| item["sequenceNo"].as_str().expect("an id").to_owned()).collect()
}

fn filters(world: &'static World) {
    let deployment = outbox(world, "filters");
    deployment.ok(&["send", "x", "--id", "new", "--wait"]);
    let cases: [(&[&str], &[&str]); 14] = [
        (&["list"], &["a-1", "a-2", "b-1", "d-1", "d-2"]),
        (&["list", "--status", "failure,dead", "--class", "unknown"], &["b-1", "d-2"]),
        (&["list", "--status", "successful"], &["new"]),
        (&["list", "--status", "all", "--since", "10m"], &["new"]),
        (&["failed", "list"], &["a-1", "a-2", "b-1"]),
        (&["failed", "list", "--error", "THROTT"], &["a-2"]),
        (&["failed", "list", "--error", "what sns"], &["a-1", "a-2", "b-1"]),
        (&["failed", "list", "--id-prefix", "a-", "--attempts", "2.."], &["a-2"]),
        (&["failed", "list", "--attempts", "..5"], &["a-1", "a-2"]),
        (&["failed", "list", "--since", "30m"], &[]),
        (&["failed", "list", "--until", "30m", "--limit", "2", "--sort", "id"], &["a-1", "a-2"]),
        (&["failed", "list", "--sort", "attempts"], &["b-1", "a-2", "a-1"]),
        (&["dead", "list"], &["d-1", "d-2"]),
        (&["dead", "list", "--class", "Rejected"], &["d-1"]),
    ];
    for (arguments, expected) in cases {
        let mut found = ids(&deployment.ok(arguments));
        if !arguments.contains(&"--sort") {
            found.sort();
        }
        assert_eq!(found, expected, "{arguments:?}");
    }
}

fn forms(world: &'static World) {
    let deployment = outbox(world, "forms");
    let run = |form: &str, more: &[&str]| {
        let ran = deployment.run(&[&["failed", "list", "--sort", "id", "-o", form], more].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
    };
    let lines = run("jsonl", &["--limit", "1"]);
    let line: Value = serde_json::from_str(&lines).expect("one line");
    assert_eq!((&line["sequenceNo"], &line["lastError"]["code"]), (&json!("a-1"), &json!("NotFound")));
    let csv = run("csv", &["--columns", "id,attempts,error"]);
    assert_eq!(csv.lines().next(), Some("id,attempts,error"));
    assert_eq!(csv.lines().nth(1), Some("a-1,1,Unavailable NotFound: What SNS said"));
    let table = run("table", &["--columns", "ID,due,created"]);
    assert!(table.starts_with("ID   DUE"), "{table}");
    assert!(table.contains("1h 0m ago") && table.ends_with("3 messages\n"), "{table}");
    let iso = run("table", &["--columns", "created", "--time", "iso"]);
    assert!(iso.lines().nth(1).is_some_and(|line| line.ends_with('Z') && line.len() == 20), "{iso}");
    let created = |how: &str| {
        let shown = deployment.run(&["show", "a-1", "--time", how]).out;
        shown.lines().find(|line| line.starts_with("Created")).expect("a line").trim_end().to_owned()
    };
    assert!(created("relative").ends_with("Z (1h 0m ago)"), "{}", created("relative"));
    assert!(created("iso").ends_with('Z'), "{}", created("iso"));
    assert!(run("table", &["--wide"]).contains("EXECUTION"));
    let none = ["--id-prefix", "none"];
    assert_eq!(run("table", &none), "No such messages.\n");
    assert_eq!(run("jsonl", &none), "");
    assert_eq!(run("csv", &["--id-prefix", "none", "--columns", "id"]), "id\n");
    let empty: Value = serde_json::from_str(&run("json", &none)).expect("a document");
    assert_eq!(empty, json!({ "schemaVersion": 1, "items": [] }));
}

fn bad_questions(world: &'static World) {
    let deployment = world.shared();
    let cases: [(&[&str], &str); 13] = [
        (&["failed", "list", "--since", "yesterday"], "this is no time like"),
        (&["failed", "list", "--attempts", "5..3"], "holds nothing"),
        (&["failed", "list", "--class", "mine"], "possible values: rejected"),
        (&["list", "--since", "1h", "--until", "2h"], "nothing lies between"),
        (&["dead", "discard", "--since", "1h", "--until", "2h", "--yes"], "nothing lies between"),
        (&["failed", "list", "--columns", "id,colour"], "there is no column `colour`"),
        (&["failed", "list", "--sort", "colour"], "possible values"),
        (&["send", "x", "-o", "csv"], "has no rows"),
        (&["retry", "now", "--rate", "fast"], "this is no rate"),
        (&["retry", "now", "--stop-when-failing", "150%"], "this is no share"),
        (&["retry", "now", "--id", "x", "--error", "y"], "nothing to filter"),
        (&["retry", "now", "--max", "0"], "no number from 1 on"),
        (&["dead", "discard"], "nobody to ask"),
    ];
    for (arguments, expected) in cases {
        let ran = deployment.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(expected), "{expected}: {ran:?}");
        assert!(ran.out.is_empty(), "{ran:?}");
    }
    // Refused before anything was done.
    assert!(ids(&deployment.ok(&["list", "--id-prefix", "x"])).is_empty());
}

fn stats(world: &'static World) {
    let deployment = outbox(world, "stats");
    let stats = deployment.ok(&["failed", "stats"]);
    assert_eq!((&stats["total"], stats["byError"].as_array().map(Vec::len)), (&json!(3), Some(3)));
    assert_eq!(stats["byAge"][3], json!({ "name": "1h to 6h", "count": 3 }));
    let text = deployment.run(&["dead", "stats", "--class", "rejected"]).out;
    assert!(text.starts_with("1 message, the oldest 1h 0m old"), "{text}");
    assert!(text.contains("Rejected EmptyMessage") && text.contains("██"), "{text}");
}

fn retried(world: &'static World) {
    let deployment = outbox(world, "retried");
    let preview = deployment.ok(&["retry", "now", "--class", "unavailable", "--dry-run"]);
    assert_eq!((&preview["remaining"], &preview["claimed"]), (&json!(2), &json!(0)));
    let ran =
        deployment.run(&["retry", "now", "--class", "unavailable", "--max", "1", "--reason", "try", "-o", "json"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let found = ran.json();
    assert_eq!((&found["claimed"], &found["delivered"], &found["remaining"]), (&json!(1), &json!(1), &json!(1)));
    // The same again goes on with what remains; what the filter does not mean is left alone.
    let found = deployment.ok(&["retry", "now", "--class", "unavailable", "--reason", "try again"]);
    assert_eq!((&found["delivered"], &found["failed"], &found["unsettled"]), (&json!(1), &json!(0), &json!(0)));
    assert!(deployment.delivery("b-1").is_some_and(|delivery| delivery.is(Status::Failure)));
    let notes = ["a-1", "a-2"].map(|id| deployment.ok(&["show", id])["note"].clone());
    let mut reasons: Vec<&str> = notes.iter().filter_map(|note| note["reason"].as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["try", "try again"]);
    assert!(notes[0]["by"].as_str().is_some_and(|by| by.starts_with("arn:aws:iam::")), "{notes:?}");
    let skipped = deployment.run(&["retry", "now", "--id", "d-1", "-o", "json"]);
    assert_eq!(skipped.code, 1);
    assert!(skipped.json()["skipped"].to_string().contains("revive"), "{skipped:?}");
}

fn paced(world: &'static World) {
    let deployment = world.deploy("paced", &[NO_SCHEDULE]);
    for number in 0..9 {
        put(&deployment, &format!("p-{number}"), Status::Failure, "Unavailable", "NotFound", 1);
    }
    let begin = std::time::Instant::now();
    let found = deployment.ok(&["retry", "now", "--rate", "3/s"]);
    assert_eq!((&found["claimed"], &found["started"], &found["delivered"]), (&json!(9), &json!(3), &json!(9)));
    // The third group of three goes out after two seconds.
    assert!(begin.elapsed().as_secs() >= 2);

    // An interrupt tells how far it came.
    for number in 0..60 {
        put(&deployment, &format!("q-{number}"), Status::Failure, "Unavailable", "NotFound", 1);
    }
    let mut command = deployment.spawnable(&["retry", "now", "--rate", "2/s"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs");
    wait("the first to be delivered", || {
        let delivered = |number| deployment.delivery(&format!("q-{number}")).is_some_and(|d| d.is(Status::Successful));
        (0..60).any(delivered).then_some(())
    });
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGINT).expect("interrupted");
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.err.contains("messages claimed") && ran.err.contains("goes on with what remains"), "{ran:?}");
}

fn failing(world: &'static World) {
    let deployment = world.deploy("failing", &[NO_SCHEDULE]);
    deployment.break_topic();
    for number in 0..200 {
        put(&deployment, &format!("f-{number}"), Status::Failure, "Unavailable", "Throttled", 1);
    }
    let ran = deployment.run(&["retry", "now", "--stop-when-failing", "50%", "-o", "json"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let found = ran.json();
    assert_eq!((&found["claimed"], &found["failed"], &found["remaining"]), (&json!(50), &json!(50), &json!(150)));
    assert!(found["stopped"].as_str().is_some_and(|why| why.contains("fails again")), "{found}");
    assert_eq!(found["failures"].as_array().map(Vec::len), Some(20));
    assert_eq!(found["failures"][0]["lastError"]["code"], "NotFound");
}

fn dead(world: &'static World) {
    let deployment = outbox(world, "dead");
    let preview = deployment.run(&["dead", "revive", "--id", "d-2", "--id", "none", "--dry-run", "-o", "json"]);
    assert_eq!((preview.code, &preview.json()["found"]), (0, &json!(1)), "{preview:?}");
    assert!(preview.json()["skipped"].to_string().contains("no such message"), "{preview:?}");
    assert!(preview.err.contains("1  Unknown"), "{preview:?}");
    let revived = deployment.ok(&["dead", "revive", "--class", "unknown", "--reason", "repaired"]);
    assert_eq!((&revived["done"], &revived["verb"]), (&json!(1), &json!("revived")));
    let delivery = deployment.delivery("d-2").expect("stored");
    assert!(delivery.is(Status::Pending) && delivery.attempts == Some(11), "{delivery:?}");
    deployment.ok(&["retry", "now", "--id", "d-2"]);
    deployment.await_status("d-2", Status::Successful);
    assert_eq!(deployment.ok(&["show", "d-2"])["note"]["reason"], "repaired");

    let ran = deployment.run(&["dead", "discard", "--id", "d-1", "--id", "a-1", "--yes", "-o", "json"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(ran.json()["done"], 1);
    assert!(ran.json()["skipped"].to_string().contains("it is Failure"), "{ran:?}");
    assert!(deployment.delivery("d-1").is_none() && deployment.delivery("a-1").is_some());
    assert_eq!(deployment.run(&["dead", "discard", "--id", "d-1", "--yes"]).code, 1);
    assert!(ids(&deployment.ok(&["dead", "list"])).is_empty());
    assert!(!ids(&deployment.ok(&["dead", "list", "--status", "failure"])).is_empty());
}

fn scheduled(world: &'static World) {
    let deployment = world.deploy("scheduled", &[NO_SCHEDULE]);
    assert_eq!(deployment.ok(&["retry", "pause"])["state"], "DISABLED");
    let status = deployment.ok(&["status"]);
    assert!(status["findings"].to_string().contains("paused"), "{status}");
    let changed = deployment.ok(&["retry", "schedule", "rate(5 minutes)"]);
    assert_eq!((&changed["expression"], &changed["state"]), (&json!("rate(5 minutes)"), &json!("DISABLED")));
    assert_eq!(deployment.ok(&["retry", "resume"])["state"], "ENABLED");
    assert_eq!(deployment.ok(&["retry", "schedule"])["expression"], "rate(5 minutes)");
    let ran = deployment.run(&["retry", "schedule", "every 5 minutes"]);
    assert!(ran.code == 2 && ran.err.contains("neither rate"), "{ran:?}");
    // What the schedule starts was not touched: it still starts it.
    let scheduler = aws_sdk_scheduler::Client::new(&world.config);
    let schedule = deployment.block_on(scheduler.get_schedule().name(deployment.names.schedule()).send()).expect("it");
    assert!(schedule.target().is_some_and(|target| target.arn().ends_with("scheduled-devl-retry")), "{schedule:?}");
}
