//! What stands in the way of a deployment, and what was changed by hand.

use outbox::names::{Function, Names};
use serde_json::Value;

use crate::Test;
use crate::world::{Ran, World};

pub const TESTS: &[(&str, Test)] = &[
    ("a_sound_account_and_a_sound_deployment_have_no_findings", sound),
    ("a_variable_changed_by_hand_is_found_by_doctor_and_drift", by_hand),
    ("what_differs_in_any_nested_stack_is_drift", drifted),
    ("a_key_that_will_not_do_stops_a_deployment", keys),
    ("names_that_something_else_has_stop_the_first_deployment", taken),
    ("a_stack_that_is_not_ours_is_left_alone", foreign_stack),
    ("a_table_that_is_not_disas_is_not_taken_over", foreign_table),
    ("a_bucket_with_weak_settings_is_told", weak_bucket),
    ("permissions_are_simulated_for_a_user_and_a_role", permissions),
    ("without_credentials_doctor_says_so_and_nothing_else_is_checked", nobody),
];

fn run(world: &World, arguments: &[&str]) -> Ran {
    world.command().args(arguments).output().expect("disa runs").into()
}

fn names(project: &str) -> Names {
    Names { project: project.to_owned(), environment: "devl".to_owned() }
}

/// The rows of one check.
fn rows(document: &Value, code: &str) -> Vec<Value> {
    let items = document["items"].as_array().expect("items");
    items.iter().filter(|item| item["code"] == code).cloned().collect()
}

fn outcome(rows: &[Value]) -> &str {
    rows[0]["outcome"].as_str().expect("an outcome")
}

fn examined(world: &World, arguments: &[&str]) -> Value {
    let ran = run(world, &[&["doctor", "-o", "json"], arguments].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

fn sound(world: &'static World) {
    let doctor = |project: &str| run(world, &["doctor", "--exit-code", "-o", "json", "--project", project]);
    let fresh = doctor("never-deployed");
    assert_eq!(fresh.code, 0, "{fresh:?}");
    assert_eq!(outcome(&rows(&fresh.json(), "D013")), "ok");
    assert_eq!(fresh.json()["items"].as_array().map(Vec::len), Some(17), "{fresh:?}");

    let deployment = world.deploy("sound", &[]);
    let after = doctor("sound");
    assert_eq!(after.code, 0, "{after:?}");
    for code in ["D003", "D005", "D006", "D007", "D009", "D011", "D012", "D013", "D014", "D015", "D016"] {
        assert_eq!(outcome(&rows(&after.json(), code)), "ok", "{code}: {after:?}");
    }
    let drift = deployment.run(&["drift", "--exit-code"]);
    assert_eq!((drift.code, drift.out.trim()), (0, "No drift: what is there is what was deployed."), "{drift:?}");
    assert_eq!(outcome(&rows(&doctor("sound").json(), "D017")), "ok");
}

fn by_hand(world: &'static World) {
    let deployment = world.deploy("handmade", &["BatchSize=50"]);
    deployment.set_variables(Function::Retry, &[("BATCH_SIZE".to_owned(), "9".to_owned())]);
    let found = deployment.run(&["doctor", "--exit-code", "-o", "json"]);
    assert_eq!(found.code, 3, "{found:?}");
    let variable = rows(&found.json(), "D016").remove(0);
    assert_eq!(variable["outcome"], "warning");
    assert_eq!(variable["found"], "handmade-devl-retry: BATCH_SIZE is \"9\", the stack says \"50\"");
    assert!(variable["fix"].as_str().is_some_and(|fix| fix.contains("disa deploy --set BatchSize=9")), "{variable}");
    // People see the same, and the way out.
    let table = deployment.run(&["doctor"]);
    assert_eq!(table.code, 0, "{table:?}");
    assert!(table.out.contains("D016  warning") && table.out.contains("fix: set it back"), "{table:?}");

    let drift = deployment.run(&["drift", "--exit-code", "-o", "json"]);
    assert_eq!(drift.code, 3, "{drift:?}");
    let items = drift.json()["items"].as_array().cloned().expect("items");
    // CloudFormation and Disa see the same: it is told once.
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["stack"], "RetryFunctionStack");
    assert_eq!(items[0]["property"], "/Environment/Variables/BATCH_SIZE");
    assert_eq!((&items[0]["expected"], &items[0]["actual"]), (&Value::from("50"), &Value::from("9")));
    assert_eq!(deployment.run(&["drift"]).code, 0);

    let ignored = deployment.run(&["doctor", "--exit-code", "--ignore", "d016", "--ignore", "D017", "-o", "json"]);
    assert_eq!(ignored.code, 0, "{ignored:?}");
    assert_eq!(rows(&ignored.json(), "D016")[0]["ignored"], true);
    let unknown = deployment.run(&["doctor", "--ignore", "D099"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("there is no check `D099`"), "{unknown:?}");

    // A warning is told and stops nothing; keeping the value settles it.
    let kept = deployment.run(&["deploy", "--set", "BatchSize=9"]);
    assert_eq!(kept.code, 0, "{kept:?}");
    assert!(kept.err.contains("warning: D016"), "{kept:?}");
    assert_eq!(outcome(&rows(&examined(world, &["--project", "handmade"]), "D016")), "ok");
}

fn drifted(world: &'static World) {
    let deployment = world.deploy("drifted", &[]);
    let sns = aws_sdk_sns::Client::new(&world.config);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&world.config);
    let sqs = aws_sdk_sqs::Client::new(&world.config);
    deployment.block_on(async {
        let request = sns.set_topic_attributes().topic_arn(deployment.topic_arn());
        request.attribute_name("DisplayName").attribute_value("Other").send().await.expect("another name");
        let group = deployment.names.log_group(Function::Process);
        logs.put_retention_policy().log_group_name(group).retention_in_days(7).send().await.expect("a retention");
        let queue = sqs.get_queue_url().queue_name(deployment.names.schedule_dead_letters());
        let url = queue.send().await.expect("the queue").queue_url.expect("a URL");
        sqs.delete_queue().queue_url(url).send().await.expect("the queue is deleted");
    });
    let found = deployment.run(&["drift", "--exit-code", "-o", "json"]);
    assert_eq!(found.code, 3, "{found:?}");
    let items = found.json()["items"].as_array().cloned().expect("items");
    let told = |stack: &str, resource: &str, property: &str| {
        let found = items
            .iter()
            .find(|item| item["stack"] == stack && item["resource"] == resource && item["property"] == property);
        found.unwrap_or_else(|| panic!("{stack}/{resource}{property}: {items:?}")).clone()
    };
    let name = told("SNSStack", "Topic", "/DisplayName");
    assert_eq!((&name["expected"], &name["actual"]), (&Value::from("Disa"), &Value::from("Other")));
    assert_eq!(told("ProcessFunctionStack", "LogGroup", "/RetentionInDays")["actual"], "7");
    assert_eq!(told("DeadLetterQueueStack", "ScheduleDeadLetters", "")["change"], "deleted");
    let doctor = examined(world, &["--project", "drifted"]);
    let drift = rows(&doctor, "D017").remove(0);
    assert_eq!(drift["outcome"], "warning");
    assert!(drift["found"].as_str().is_some_and(|found| found.contains("SNSStack")), "{drift}");
}

fn keys(world: &'static World) {
    let kms = aws_sdk_kms::Client::new(&world.config);
    let disabled = world.runtime.block_on(async {
        let key = kms.create_key().send().await.expect("a key").key_metadata.expect("its data");
        kms.disable_key().key_id(&key.key_id).send().await.expect("it is disabled");
        key.arn.expect("its ARN")
    });
    let cases = [
        ("alias/none", "there is no key alias/none"),
        (disabled.as_str(), "it is Disabled"),
        ("arn:aws:kms:eu-west-1:000000000000:key/1", "of another region or account"),
        ("arn:aws:kms:us-east-1:111111111111:key/1", "of another region or account"),
    ];
    for (key, expected) in cases {
        let row = rows(&examined(world, &["--project", "keyless", "--kms-key", key]), "D007").remove(0);
        assert_eq!(row["outcome"], "problem", "{row}");
        assert!(row["found"].as_str().is_some_and(|found| found.contains(expected)), "{expected}: {row}");
        let ran = run(world, &["deploy", "--project", "keyless", "--kms-key", key]);
        assert_eq!(ran.code, 5, "{ran:?}");
        assert!(ran.err.contains(expected) && ran.err.contains("deploy --ignore D007 --local"), "{ran:?}");
        assert!(!ran.err.contains("Uploaded") && ran.out.is_empty(), "{ran:?}");
    }
}

fn taken(world: &'static World) {
    let names = names("taken");
    let (sqs, sns) = (aws_sdk_sqs::Client::new(&world.config), aws_sdk_sns::Client::new(&world.config));
    let (url, arn) = world.runtime.block_on(async {
        let queue = sqs.create_queue().queue_name(names.stream_dead_letters()).send().await.expect("a queue");
        let topic = sns.create_topic().name(names.topic()).send().await.expect("a topic");
        (queue.queue_url.expect("a URL"), topic.topic_arn.expect("an ARN"))
    });
    let ran = run(world, &["deploy", "--project", "taken"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("D013 Names: the queue taken-devl-stream-dead-letters exists"), "{ran:?}");
    assert!(ran.err.contains("the topic taken-devl-notification exists"), "{ran:?}");
    assert_eq!(run(world, &["status", "--project", "taken"]).code, 1, "nothing was made");
    world.runtime.block_on(async {
        sqs.delete_queue().queue_url(url).send().await.expect("the queue is deleted");
        sns.delete_topic().topic_arn(arn).send().await.expect("the topic is deleted");
    });
    let deployment = world.deploy("taken", &[]);
    assert_eq!(outcome(&rows(&deployment.ok(&["doctor"]), "D013")), "ok");
}

fn foreign_stack(world: &'static World) {
    let cloudformation = aws_sdk_cloudformation::Client::new(&world.config);
    let template = r#"{"Resources":{"Q":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":"somebodys"}}}}"#;
    let stack = names("foreign").stack();
    let create = cloudformation.create_stack().stack_name(&stack).template_body(template);
    world.runtime.block_on(create.send()).expect("a stack");
    let row = rows(&examined(world, &["--project", "foreign"]), "D003").remove(0);
    assert!(row["found"].as_str().is_some_and(|found| found.contains("was not made by `disa deploy`")), "{row}");
    let ran = run(world, &["deploy", "--project", "foreign", "--ignore", "D003"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("was not made by `disa deploy`"), "{ran:?}");
}

fn foreign_table(world: &'static World) {
    use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
    let dynamodb = aws_sdk_dynamodb::Client::new(&world.config);
    let attribute =
        AttributeDefinition::builder().attribute_name("other").attribute_type(ScalarAttributeType::S).build();
    let key = KeySchemaElement::builder().attribute_name("other").key_type(KeyType::Hash).build();
    let create = dynamodb
        .create_table()
        .table_name(names("tabled").table())
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute.expect("an attribute"))
        .key_schema(key.expect("a key"));
    world.runtime.block_on(create.send()).expect("a table");
    let ran = run(world, &["deploy", "--project", "tabled"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("and is none of Disa's"), "{ran:?}");
}

fn weak_bucket(world: &'static World) {
    let s3 =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&world.config).force_path_style(true).build());
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::weak-bucket/*"}]}"#;
    world.runtime.block_on(async {
        s3.create_bucket().bucket("weak-bucket").send().await.expect("a bucket");
        s3.put_bucket_policy().bucket("weak-bucket").policy(policy).send().await.expect("a policy");
    });
    let document = examined(world, &["--project", "weak", "--bucket", "weak-bucket"]);
    assert_eq!(outcome(&rows(&document, "D005")), "ok");
    let found: Vec<String> = rows(&document, "D006").iter().map(|row| row["found"].to_string()).collect();
    for word in ["public access", "versions", "TLS"] {
        assert!(found.iter().any(|one| one.contains(word)), "{word}: {found:?}");
    }
}

fn permissions(world: &'static World) {
    let iam = aws_sdk_iam::Client::new(&world.config);
    let policy = |actions: &str| {
        format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{actions},"Resource":"*"}}]}}"#)
    };
    let user = |name: &'static str, actions: &'static str| {
        world.runtime.block_on(async {
            iam.create_user().user_name(name).send().await.expect("a user");
            let put = iam.put_user_policy().user_name(name).policy_name("p").policy_document(policy(actions));
            put.send().await.expect("a policy");
            let made = iam.create_access_key().user_name(name).send().await.expect("a key");
            made.access_key.expect("a key")
        })
    };
    let doctor = |id: &str, secret: &str, token: Option<&str>| {
        let mut command = world.command_at(&world.endpoint);
        command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
        token.map(|token| command.env("AWS_SESSION_TOKEN", token));
        command.args(["doctor", "-o", "json", "--project", "simulated"]);
        let ran = Ran::from(command.output().expect("disa runs"));
        assert_eq!(ran.code, 0, "{ran:?}");
        rows(&ran.json(), "D004").remove(0)
    };
    let few = user("few", r#"["s3:*","cloudformation:*"]"#);
    let row = doctor(few.access_key_id(), few.secret_access_key(), None);
    let found = row["found"].as_str().expect("a text");
    assert_eq!(row["outcome"], "problem", "{row}");
    assert!(found.contains("user/few may not") && found.contains("iam:CreateRole"), "{row}");
    assert!(!found.contains("s3:") && !found.contains("cloudformation:"), "{row}");
    let all = user("all", r#""*""#);
    assert_eq!(doctor(all.access_key_id(), all.secret_access_key(), None)["outcome"], "ok");

    // A session is simulated as its role.
    let session = world.runtime.block_on(async {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
        let create = iam.create_role().role_name("deployer").assume_role_policy_document(trust);
        let role = create.send().await.expect("a role").role.expect("a role");
        let put = iam.put_role_policy().role_name("deployer").policy_name("p").policy_document(policy(r#""sns:*""#));
        put.send().await.expect("a policy");
        let sts = aws_sdk_sts::Client::new(&world.config);
        let assumed = sts.assume_role().role_arn(role.arn()).role_session_name("ann").send().await.expect("a session");
        assumed.credentials.expect("credentials")
    });
    let row = doctor(session.access_key_id(), session.secret_access_key(), Some(session.session_token()));
    let found = row["found"].as_str().expect("a text");
    assert!(found.contains("role/deployer may not") && !found.contains("sns:"), "{row}");
}

fn nobody(world: &'static World) {
    let mut command = world.command_at(&world.endpoint);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let ran = Ran::from(command.args(["doctor", "--exit-code", "-o", "json"]).output().expect("disa runs"));
    assert_eq!(ran.code, 3, "{ran:?}");
    let row = rows(&ran.json(), "D001").remove(0);
    assert_eq!(row["outcome"], "problem");
    assert!(row["fix"].as_str().is_some_and(|fix| fix.contains("aws configure")), "{row}");
    assert_eq!(outcome(&rows(&ran.json(), "D013")), "notChecked");
}
