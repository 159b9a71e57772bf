//! What is deleted, and what never is: artifacts that nobody uses, the stack, the data.

use aws_sdk_cloudformation::types::Tag;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_s3::primitives::ByteStream;
use outbox::item::Status;
use outbox::names::Function;
use serde_json::{Value, json};

use crate::Test;
use crate::world::{Deployment, NO_SCHEDULE, Ran, World, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("gc_removes_what_no_stack_and_no_recent_deployment_uses", gc),
    ("purge_deletes_the_data_and_says_what_is_lost", purge),
    ("a_bucket_that_another_environment_uses_stays", shared_bucket),
    ("a_deletion_that_was_interrupted_is_finished", interrupted),
    ("what_disa_has_not_made_is_refused", foreign),
];

const PREFIX: &str = "0066-disa";

fn s3(world: &World) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&world.config).force_path_style(true).build())
}

fn bucket(project: &str) -> String {
    format!("{project}-artifacts-000000000000-us-east-1")
}

/// The keys of all objects, those of which only an old version is left too.
fn keys(world: &World, bucket: &str) -> Vec<String> {
    let answer = world.runtime.block_on(s3(world).list_object_versions().bucket(bucket).send()).expect("a list");
    let versions = answer.versions().iter().filter_map(|version| version.key().map(str::to_owned));
    let mut keys: Vec<String> = versions.collect();
    keys.dedup();
    keys
}

fn put(world: &World, bucket: &str, key: &str, body: &str) {
    let body = ByteStream::from(body.as_bytes().to_vec());
    let put = s3(world).put_object().bucket(bucket).key(key).body(body);
    world.runtime.block_on(put.send()).expect("an object");
}

fn parameters(world: &World, stack: &str) -> Vec<(String, String)> {
    let client = aws_sdk_cloudformation::Client::new(&world.config);
    let answer = world.runtime.block_on(client.describe_stacks().stack_name(stack).send()).expect("a stack");
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    answer.stacks()[0].parameters().iter().map(|p| (text(p.parameter_key()), text(p.parameter_value()))).collect()
}

fn removed(document: &Value) -> Vec<&str> {
    document["removed"].as_array().expect("removed").iter().filter_map(|object| object["key"].as_str()).collect()
}

fn gc(world: &'static World) {
    let deployment = world.deploy("swept", &[NO_SCHEDULE]);
    let bucket = bucket("swept");
    // An earlier deployment used another zip, written twice; another object belongs to nobody.
    let (old, stray) = (format!("{PREFIX}/code/rust/disa_process-old.zip"), format!("{PREFIX}/cft/stray.yaml"));
    let foreign = format!("{PREFIX}/notes.txt");
    for key in [&old, &old, &stray, &foreign] {
        put(world, &bucket, key, "x");
    }
    let stack = "swept-devl-root-stack";
    let earlier = format!("{PREFIX}/deploys/{stack}/20200101T000000.000Z.json");
    put(world, &bucket, &earlier, &json!({ "stack": stack, "time": 1_577_836_800_000_i64, "keys": [old] }).to_string());
    // The second deployment changes a parameter, and no artifact.
    deployment.ok(&["deploy", "--set", "BatchSize=9"]);
    let before = keys(world, &bucket);
    let gc = |arguments: &[&str]| deployment.ok(&[&["gc"], arguments].concat());
    assert!(removed(&gc(&["--yes"])).is_empty(), "what is young stays");
    assert_eq!(deployment.run(&["gc", "--older-than", "0s"]).code, 2, "nobody can be asked");
    let preview = gc(&["--older-than", "0s", "--dry-run"]);
    assert!(preview["dryRun"] == true && removed(&preview).contains(&stray.as_str()), "{preview}");
    assert_eq!(keys(world, &bucket), before, "a dry run removes nothing");
    // Of two deployments with the same artifacts one note is enough.
    let first = gc(&["--older-than", "0s", "--yes"]);
    assert_eq!(removed(&first).len(), 2, "{first}");
    let left = keys(world, &bucket);
    assert!(left.contains(&old) && left.contains(&earlier) && !left.contains(&stray), "{left:?}");
    let second = gc(&["--older-than", "0s", "--keep", "1", "--yes"]);
    assert_eq!(removed(&second), [old.as_str(), earlier.as_str()]);
    assert!(second["bytes"].as_u64() > Some(2), "both versions count: {second}");
    let left = keys(world, &bucket);
    assert!(left.contains(&foreign) && !left.contains(&old) && !left.contains(&earlier), "{left:?}");
    for (name, key) in parameters(world, stack).into_iter().filter(|(name, _)| name.ends_with("Key")) {
        assert!(left.contains(&key), "{name} is in use");
    }
    let again = deployment.run(&["deploy"]);
    assert!(again.err.contains("Uploaded 0 of"), "{again:?}");
    // A note that cannot be read may name anything.
    put(world, &bucket, &earlier, "no note");
    put(world, &bucket, &stray, "x");
    let unreadable = deployment.run(&["gc", "--older-than", "0s", "--yes"]);
    assert!(unreadable.code == 1 && unreadable.err.contains("nothing was removed"), "{unreadable:?}");
    assert!(keys(world, &bucket).contains(&stray));
}

fn table_exists(deployment: &Deployment) -> bool {
    let look = deployment.dynamodb().describe_table().table_name(deployment.names.table());
    deployment.block_on(look.send()).is_ok()
}

fn bucket_exists(world: &World, bucket: &str) -> bool {
    world.runtime.block_on(s3(world).head_bucket().bucket(bucket).send()).is_ok()
}

fn log_groups(world: &World, deployment: &Deployment) -> usize {
    let client = aws_sdk_cloudwatchlogs::Client::new(&world.config);
    let prefix = deployment.names.log_group(Function::Process);
    let look = client.describe_log_groups().log_group_name_prefix(prefix);
    world.runtime.block_on(look.send()).expect("log groups").log_groups().len()
}

fn names(items: &Value) -> Vec<&str> {
    items.as_array().expect("items").iter().filter_map(|item| item["type"].as_str()).collect()
}

fn purge(world: &'static World) {
    let deployment = world.deploy("purged", &[NO_SCHEDULE]);
    deployment.break_topic();
    deployment.ok(&["send", "lost", "--id", "lost"]);
    deployment.await_status("lost", Status::Failure);
    let asked = deployment.run(&["destroy", "--purge-data"]);
    assert!(asked.code == 2 && asked.err.contains("nobody to ask"), "{asked:?}");
    let preview = deployment.run(&["destroy", "--purge-data", "--dry-run"]);
    assert!(preview.out.contains("1 undelivered message: LOST FOR EVER"), "{preview:?}");
    assert!(deployment.delivery("lost").is_some(), "a dry run deletes nothing");
    let gone = deployment.ok(&["destroy", "--purge-data", "--yes"]);
    assert_eq!(gone["undelivered"]["Failure"], 1);
    assert_eq!(names(&gone["kept"]), ["AWS::KMS::Key"], "{gone}");
    for kind in ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::SNS::Topic"] {
        assert!(names(&gone["deleted"]).contains(&kind), "{kind}: {gone}");
    }
    assert!(!table_exists(&deployment) && !bucket_exists(world, &bucket("purged")));
    assert_eq!(log_groups(world, &deployment), 0);
    let again = deployment.run(&["destroy", "--purge-data", "--yes"]);
    assert!(again.code == 1 && again.err.contains("there is no stack"), "{again:?}");
    let anew = world.deploy("purged", &[NO_SCHEDULE]);
    assert!(anew.delivery("lost").is_none());
    anew.ok(&["send", "found", "--id", "found"]);
}

fn shared_bucket(world: &'static World) {
    let deployment = world.deploy("neighbours", &[NO_SCHEDULE]);
    deployment.ok(&["deploy", "--env", "test", "--set", NO_SCHEDULE]);
    let bucket = bucket("neighbours");
    let gone = deployment.ok(&["destroy", "--purge-data", "--yes"]);
    let kept = gone["kept"].as_array().expect("kept").iter().find(|item| item["type"] == "AWS::S3::Bucket");
    let why = kept.and_then(|item| item["why"].as_str()).expect("the bucket stays");
    assert!(why.contains("neighbours-test-root-stack"), "{why}");
    let notes =
        |stack: &str| keys(world, &bucket).iter().filter(|key| key.contains(&format!("/deploys/{stack}/"))).count();
    assert_eq!((notes("neighbours-devl-root-stack"), notes("neighbours-test-root-stack")), (0, 1));
    // The neighbour lives on, also after its artifacts were looked through.
    deployment.ok(&["gc", "--older-than", "0s", "--yes", "--env", "test"]);
    let again = deployment.run(&["deploy", "--env", "test"]);
    assert!(again.err.contains("Uploaded 0 of"), "{again:?}");
    deployment.ok(&["destroy", "--purge-data", "--yes", "--env", "test"]);
    assert!(!bucket_exists(world, &bucket));
}

fn interrupted(world: &'static World) {
    let deployment = world.deploy("halfway", &[NO_SCHEDULE]);
    let client = aws_sdk_cloudformation::Client::new(&world.config);
    let shells = || {
        let pages = client.list_stacks().into_paginator().items().send();
        let stacks = world.runtime.block_on(pages.collect::<Result<Vec<_>, _>>()).expect("stacks");
        let named = stacks
            .iter()
            .filter(|stack| stack.stack_name().is_some_and(|name| name.starts_with("halfway-devl-root-stack")));
        named.filter(|stack| stack.stack_status().is_some_and(|s| s.as_str() != "DELETE_COMPLETE")).count()
    };
    // As if the command had died when the root was gone: the table's stack is left.
    world
        .runtime
        .block_on(client.delete_stack().stack_name("halfway-devl-root-stack").send())
        .expect("the deletion begins");
    wait("the root to be gone", || (shells() == 1).then_some(()));
    deployment.ok(&["destroy", "--yes"]);
    assert_eq!(shells(), 0);
    assert!(table_exists(&deployment), "the messages stay");
    let none = deployment.run(&["destroy", "--yes"]);
    assert!(none.code == 1 && none.err.contains("destroy --purge-data"), "{none:?}");
    // Data alone, and that too after an interruption.
    let unprotect = deployment.dynamodb().update_table().table_name(deployment.names.table());
    deployment.block_on(unprotect.deletion_protection_enabled(false).send()).expect("unprotected");
    deployment.ok(&["destroy", "--purge-data", "--yes"]);
    assert!(!table_exists(&deployment) && !bucket_exists(world, &bucket("halfway")));
}

fn foreign(world: &'static World) {
    let client = aws_sdk_cloudformation::Client::new(&world.config);
    let template = r#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}"#;
    let create = client.create_stack().stack_name("alien-devl-root-stack").template_body(template);
    let create = create.tags(Tag::builder().key("ProjectName").value("somebody else").build());
    world.runtime.block_on(create.send()).expect("a stack");
    let run = |project: &str, arguments: &[&str]| {
        let mut command = world.command();
        command.args(arguments).args(["--project", project]);
        Ran::from(command.output().expect("disa runs"))
    };
    for arguments in [["destroy", "--yes"].as_slice(), &["destroy", "--purge-data", "--yes"]] {
        let ran = run("alien", arguments);
        assert!(ran.code == 5 && ran.err.contains("was not made by `disa deploy`"), "{ran:?}");
    }
    let dynamodb = aws_sdk_dynamodb::Client::new(&world.config);
    let id = AttributeDefinition::builder().attribute_name("sequenceNo").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("sequenceNo").key_type(KeyType::Hash);
    let create = dynamodb
        .create_table()
        .table_name("strange-devl-messages")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(id.build().expect("an attribute"))
        .key_schema(key.build().expect("a key"));
    world.runtime.block_on(create.send()).expect("a table");
    let ran = run("strange", &["destroy", "--purge-data", "--yes"]);
    assert!(ran.code == 5 && ran.err.contains("the table strange-devl-messages was not made"), "{ran:?}");
    let table = dynamodb.describe_table().table_name("strange-devl-messages");
    assert!(world.runtime.block_on(table.send()).is_ok());
}
