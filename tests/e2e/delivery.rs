//! From the table to a subscriber of the topic.

use outbox::item::Status;
use outbox::names::Function;
use serde_json::json;

use crate::Test;
use crate::world::{World, s, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("a_sent_message_arrives_with_its_id_and_attributes", sent),
    ("an_item_put_by_hand_arrives", by_hand),
    ("an_item_put_over_another_arrives", put_over),
    ("the_same_id_is_sent_once", duplicate_ids),
    ("a_redelivered_batch_is_sent_once", redelivered),
    ("500_messages_at_once_all_arrive_once", many),
    ("poison_is_dead_with_a_reason_and_holds_nobody_up", poison),
    ("no_message_text_is_in_any_execution_or_log", no_text),
];

fn sent(world: &'static World) {
    let deployment = world.shared();
    let answer = deployment.ok(&["send", "hello", "--subject", "Hi", "--attribute", "kind=new", "--wait"]);
    assert_eq!(answer["sendStatus"], "Successful");
    assert_eq!(answer["schemaVersion"], 1);
    let id = answer["sequenceNo"].as_str().expect("an id").to_owned();
    assert_eq!(deployment.await_arrival(&id), "hello");
    let shown = deployment.ok(&["show", &id]);
    assert_eq!((&shown["attempts"], &shown["lastError"]), (&json!(1), &json!(null)));
    assert!(shown["snsMessageId"].as_str().is_some_and(|id| !id.is_empty()));
    // Delivered messages leave the index: they cost it nothing.
    let item = deployment.block_on(deployment.table.get(&id)).expect("read").expect("stored");
    assert!(!item.contains_key("backlogShard") && !item.contains_key("dueAt"));
}

fn by_hand(world: &'static World) {
    let deployment = world.shared();
    deployment.put_by_hand("by-hand", &[("message", s("from the console"))]);
    let delivery = deployment.await_status("by-hand", Status::Successful);
    assert_eq!(delivery.attempts, Some(1));
    assert!(delivery.created_at.is_some());
    assert_eq!(deployment.await_arrival("by-hand"), "from the console");
}

/// A second put of one id: to the stream it is no new item, and nothing of the first is left.
fn put_over(world: &'static World) {
    let deployment = world.shared();
    deployment.put_by_hand("put-over", &[("message", s("first"))]);
    deployment.await_status("put-over", Status::Successful);
    deployment.put_by_hand("put-over", &[("message", s("second"))]);
    // The engine's filters do not know "exists" below an attribute that is missing: the record is handed over here.
    let record = json!({
        "eventID": "put-over", "eventName": "MODIFY", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_700_000_000, "SequenceNumber": "1", "SizeBytes": 1,
            "StreamViewType": "NEW_IMAGE", "Keys": { "sequenceNo": { "S": "put-over" } },
            "NewImage": { "sequenceNo": { "S": "put-over" }, "message": { "S": "second" } },
        },
    });
    let answer = deployment.invoke(Function::InitProcess, &json!({ "Records": [record] })).expect("taken");
    assert_eq!(answer["batchItemFailures"], json!([]));
    deployment.await_status("put-over", Status::Successful);
    wait("both to arrive", || (deployment.arrived("put-over") == ["first", "second"]).then_some(()));
}

fn duplicate_ids(world: &'static World) {
    let deployment = world.shared();
    let first = deployment.ok(&["send", "once", "--id", "twice", "--wait"]);
    assert_eq!(first["alreadyQueued"], false);
    let again = deployment.ok(&["send", "once", "--id", "twice"]);
    assert_eq!((&again["alreadyQueued"], &again["sendStatus"]), (&json!(true), &json!("Successful")));
    let other = deployment.run(&["send", "something else", "--id", "twice"]);
    assert_eq!(other.code, 1);
    assert!(other.err.contains("taken by another message"), "{other:?}");
    assert_eq!(deployment.arrived("twice"), ["once"]);
}

fn redelivered(world: &'static World) {
    let deployment = world.shared();
    let ids: Vec<String> = (0..5).map(|n| format!("redelivered-{n}")).collect();
    deployment.write_many(&ids);
    let record = |id: &String| {
        let delivery = deployment.delivery(id).expect("stored");
        json!({
            "eventID": format!("event-{id}"), "eventName": "INSERT", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_700_000_000, "SequenceNumber": "1", "SizeBytes": 1,
                "StreamViewType": "NEW_IMAGE", "Keys": { "sequenceNo": { "S": id } },
                "NewImage": {
                    "sequenceNo": { "S": id }, "message": { "S": "x" }, "sendStatus": { "S": "Pending" },
                    "attempts": { "N": "1" }, "dueAt": { "N": "99999999999999" },
                    "backlogShard": { "S": outbox::item::backlog_shard(Status::Pending, &delivery.sequence_no) },
                },
            },
        })
    };
    // The whole batch twice, and parts of it: other executions, of other names, race for the same attempt.
    for part in [&ids[..], &ids[..], &ids[1..], &ids[3..4]] {
        let records: Vec<_> = part.iter().map(record).collect();
        let answer = deployment.invoke(Function::InitProcess, &json!({ "Records": records })).expect("taken");
        assert_eq!(answer["batchItemFailures"], json!([]));
    }
    for id in &ids {
        deployment.await_status(id, Status::Successful);
    }
    all_executions_end(deployment);
    for id in &ids {
        assert_eq!(deployment.arrived(id).len(), 1, "{id}");
    }
}

fn many(world: &'static World) {
    let deployment = world.shared();
    let ids: Vec<String> = (0..500).map(|n| format!("many-{n}")).collect();
    deployment.write_many(&ids);
    for id in &ids {
        deployment.await_status(id, Status::Successful);
    }
    for id in &ids {
        deployment.await_arrival(id);
        assert_eq!(deployment.arrived(id).len(), 1, "{id}");
    }
}

fn poison(world: &'static World) {
    use aws_sdk_dynamodb::types::AttributeValue as V;
    let deployment = world.shared();
    let bad_name = V::M([("a b".to_owned(), s("v"))].into());
    type Fields<'a> = &'a [(&'a str, V)];
    let cases: [(&str, Fields, &str); 8] = [
        ("poison-none", &[], "NoMessage"),
        ("poison-number", &[("message", V::N("7".into()))], "MessageNotString"),
        ("poison-empty", &[("message", s(""))], "EmptyMessage"),
        ("poison-large", &[("message", s(&"x".repeat(300_000)))], "MessageTooLarge"),
        ("poison-subject", &[("message", s("x")), ("subject", s("two\nlines"))], "InvalidSubject"),
        ("poison-attribute", &[("message", s("x")), ("attributes", bad_name)], "InvalidAttribute"),
        ("poison-attributes", &[("message", s("x")), ("attributes", s("none"))], "InvalidAttribute"),
        ("poison-status", &[("message", s("x")), ("sendStatus", s("Sent?"))], "UnknownStatus"),
    ];
    for (index, (id, fields, _)) in cases.iter().enumerate() {
        deployment.put_by_hand(id, fields);
        deployment.put_by_hand(&format!("good-{index}"), &[("message", s("good"))]);
    }
    for (id, _, code) in &cases {
        let delivery = deployment.await_status(id, Status::Dead);
        let error = delivery.last_error.clone().expect("a reason");
        assert_eq!((error.class.as_str(), error.code.as_str()), ("Rejected", *code), "{id}");
        assert!(delivery.is_indexed(), "{id}");
        assert!(deployment.arrived(id).is_empty(), "{id}");
    }
    for index in 0..cases.len() {
        deployment.await_status(&format!("good-{index}"), Status::Successful);
    }
    // A poison message is its own fault: the breaker stays closed.
    assert_eq!(deployment.alarm_state(), "OK");
}

fn no_text(world: &'static World) {
    let deployment = world.shared();
    let secret = "a-text-that-nobody-may-read-in-a-log";
    deployment.ok(&["send", secret, "--id", "secret", "--subject", "secret-subject", "--wait"]);
    deployment.put_by_hand("secret-poison", &[("message", s(secret)), ("subject", s("secret-subject\nx"))]);
    deployment.await_status("secret-poison", Status::Dead);
    let sfn = aws_sdk_sfn::Client::new(&world.config);
    let executions = deployment.block_on(sfn.list_executions().state_machine_arn(state_machine(deployment)).send());
    for execution in executions.expect("a list").executions() {
        let history = sfn.get_execution_history().execution_arn(execution.execution_arn()).include_execution_data(true);
        let history = deployment.block_on(history.send()).expect("a history");
        assert!(!format!("{:?}", history.events()).contains("secret-subject"));
        assert!(!format!("{:?}", history.events()).contains(secret));
    }
    let logs = world.command().args(["local", "logs", "-n", "1000000"]).output().expect("disa runs");
    let logs = crate::world::text(&logs.stdout);
    assert!(!logs.contains(secret) && !logs.contains("secret-subject"));
}

pub fn state_machine(deployment: &crate::world::Deployment) -> String {
    format!("arn:aws:states:us-east-1:000000000000:stateMachine:{}", deployment.names.state_machine())
}

/// Waits until no execution runs.
pub fn all_executions_end(deployment: &crate::world::Deployment) {
    let sfn = aws_sdk_sfn::Client::new(&deployment.world.config);
    wait("all executions to end", || {
        let running = sfn
            .list_executions()
            .state_machine_arn(state_machine(deployment))
            .status_filter(aws_sdk_sfn::types::ExecutionStatus::Running);
        let answer = deployment.block_on(running.send()).expect("a list");
        answer.executions().is_empty().then_some(())
    });
}
