//! Failure, the breaker, and the way back.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use outbox::item::{self, Status};
use outbox::names::Function;
use serde_json::json;

use crate::Test;
use crate::delivery::all_executions_end;
use crate::world::{Deployment, NO_SCHEDULE, World, n, now, s, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("a_missing_topic_opens_the_breaker_and_a_probe_closes_it", outage),
    ("a_claim_is_made_once_however_many_retries_run", one_claim),
    ("a_lease_that_ran_out_is_taken_up", lost_execution),
    ("more_than_one_page_of_failures_is_listed_and_drained", pages),
    ("retry_now_by_id_says_what_it_skips", by_id),
];

fn outage(world: &'static World) {
    let deployment = world.deploy("outage", &[NO_SCHEDULE]);
    deployment.break_topic();
    deployment.ok(&["send", "a", "--id", "out-a"]);
    let failed = deployment.await_status("out-a", Status::Failure);
    let error = failed.last_error.expect("a reason");
    assert_eq!((error.class.as_str(), error.code.as_str()), ("Unavailable", "NotFound"));
    assert!(error.execution.contains(":execution:") && !error.time.is_empty());
    wait("the breaker to open", || (deployment.alarm_state() == "ALARM").then_some(()));

    // Open: a new message is not tried, and stands in the backlog.
    deployment.ok(&["send", "b", "--id", "out-b"]);
    let held = deployment.await_status("out-b", Status::Failure);
    assert_eq!(held.last_error.expect("a reason").code, "BreakerOpen");
    let status = deployment.ok(&["status"]);
    assert_eq!(status["backlog"]["Failure"], 2);
    assert_eq!(status["alarm"]["state"], "ALARM");
    let listed = deployment.ok(&["failed", "list"]);
    assert_eq!(listed["items"].as_array().expect("items").len(), 2);

    // A probe that fails leaves it open, and costs one message one attempt.
    let retried = deployment.run(&["retry", "now", "-o", "json"]);
    assert_eq!(retried.code, 4, "{retried:?}");
    assert_eq!((&retried.json()["claimed"], &retried.json()["breakerOpen"]), (&json!(1), &json!(true)));
    all_executions_end(&deployment);
    assert_eq!(deployment.alarm_state(), "ALARM");

    // Restored: a probe closes it, and the retry drains the rest.
    deployment.restore_topic();
    wait("a probe to close the breaker", || {
        deployment.run(&["retry", "now"]);
        (deployment.alarm_state() == "OK").then_some(())
    });
    wait("the backlog to drain", || {
        deployment.run(&["retry", "now"]);
        let backlog = deployment.ok(&["status"])["backlog"].clone();
        (backlog["Failure"] == 0 && backlog["Pending"] == 0).then_some(())
    });
    for id in ["out-a", "out-b"] {
        deployment.await_status(id, Status::Successful);
        deployment.await_arrival(id);
        assert_eq!(deployment.arrived(id).len(), 1, "{id}");
    }
}

/// A failed message as an attempt left it, due or not.
fn put_failed(deployment: &Deployment, id: &str, due_at: i64) {
    deployment.put_by_hand(
        id,
        &[
            ("message", s("again")),
            ("sendStatus", s("Failure")),
            ("backlogShard", s(&item::backlog_shard(Status::Failure, id))),
            ("dueAt", n(due_at)),
            ("attempts", n(1)),
            ("createdAt", n(now() - 1000)),
            ("updatedAt", n(now() - 1000)),
        ],
    );
}

fn one_claim(world: &'static World) {
    let deployment = world.shared();
    let ids: Vec<String> = (0..30).map(|n| format!("claimed-{n}")).collect();
    for id in &ids {
        put_failed(deployment, id, now() - 1);
    }
    let claimed: u64 = std::thread::scope(|scope| {
        let retries: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    deployment.run(&["retry", "now", "-o", "json"]).json()["claimed"].as_u64().expect("a count")
                })
            })
            .collect();
        retries.into_iter().map(|retry| retry.join().expect("no panic")).sum()
    });
    assert_eq!(claimed, 30);
    for id in &ids {
        assert_eq!(deployment.await_status(id, Status::Successful).attempts, Some(2));
    }
    all_executions_end(deployment);
    for id in &ids {
        assert_eq!(deployment.arrived(id).len(), 1, "{id}");
    }
}

/// An execution that died without a word: the message is Pending, and its lease is over.
fn lost_execution(world: &'static World) {
    let deployment = world.shared();
    deployment.put_by_hand(
        "lost",
        &[
            ("message", s("again")),
            ("sendStatus", s("Pending")),
            ("backlogShard", s(&item::backlog_shard(Status::Pending, "lost"))),
            ("dueAt", n(now() - 1)),
            ("attempts", n(3)),
            ("sender", s("an-execution-that-is-no-more")),
            ("createdAt", n(now() - 1000)),
            ("updatedAt", n(now() - 1000)),
        ],
    );
    let answer = wait("the schedule's run to take it up", || {
        let answer = deployment.invoke(Function::Retry, &json!({})).expect("an answer");
        (deployment.delivery("lost")?.attempts > Some(3)).then_some(answer)
    });
    assert!(answer["claimed"].as_u64().is_some());
    deployment.await_status("lost", Status::Successful);
    deployment.await_arrival("lost");
}

fn pages(world: &'static World) {
    let deployment = world.deploy("pages", &[NO_SCHEDULE]);
    // All in one shard, each of 2 KB in the index: more than 1 MB, which is one page of DynamoDB.
    let ids: Vec<String> = (0..).map(|n| format!("page-{n}")).filter(|id| item::shard(id) == 0).take(700).collect();
    let last_error = AttributeValue::M([("code".to_owned(), s("X")), ("text".to_owned(), s(&"x".repeat(1900)))].into());
    for chunk in ids.chunks(25) {
        let writes = chunk.iter().map(|id| {
            let put = PutRequest::builder()
                .item("sequenceNo", s(id))
                .item("message", s("m"))
                .item("sendStatus", s("Failure"))
                .item("backlogShard", s("Failure#0"))
                .item("dueAt", n(now() + 3_600_000))
                .item("attempts", n(1))
                .item("createdAt", n(now()))
                .item("updatedAt", n(now() - 1))
                .item("lastError", last_error.clone());
            WriteRequest::builder().put_request(put.build().expect("an item")).build()
        });
        let request =
            deployment.dynamodb().batch_write_item().request_items(deployment.names.table(), writes.collect());
        deployment.block_on(request.send()).expect("written");
    }
    let listed = deployment.ok(&["failed", "list"]);
    let mut found: Vec<&str> =
        listed["items"].as_array().expect("items").iter().filter_map(|item| item["sequenceNo"].as_str()).collect();
    found.sort_unstable();
    let mut expected: Vec<&str> = ids.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(deployment.ok(&["failed", "list", "--limit", "10"])["items"].as_array().expect("items").len(), 10);
    assert_eq!(deployment.ok(&["retry", "now", "--dry-run"])["remaining"], 700);
    let retried = deployment.ok(&["retry", "now"]);
    assert_eq!((&retried["claimed"], &retried["remaining"]), (&json!(700), &json!(0)));
    assert_eq!(retried["started"], 7);
    for id in &ids {
        deployment.await_status(id, Status::Successful);
    }
}

fn by_id(world: &'static World) {
    let deployment = world.shared();
    put_failed(deployment, "chosen", now() + 3_600_000);
    put_failed(deployment, "not-chosen", now() + 3_600_000);
    deployment.ok(&["send", "x", "--id", "delivered-before", "--wait"]);
    let ran = deployment.run(&[
        "retry",
        "now",
        "--id",
        "chosen",
        "--id",
        "delivered-before",
        "--id",
        "unheard-of",
        "-o",
        "json",
    ]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!((&ran.json()["claimed"], &ran.json()["started"]), (&json!(1), &json!(1)));
    let skipped = ran.json()["skipped"].to_string();
    assert!(skipped.contains("it is delivered") && skipped.contains("there is no such message"), "{skipped}");
    deployment.await_status("chosen", Status::Successful);
    assert!(deployment.delivery("not-chosen").expect("stored").is(Status::Failure));
    assert_eq!(deployment.run(&["retry", "now", "--id", "unheard-of"]).code, 1);
}
