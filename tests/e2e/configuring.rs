//! Options and parameters from files, what they come to, and the stack without `disa deploy`.

use std::path::{Path, PathBuf};
use std::process::Command;

use aws_sdk_cloudformation::types::{Capability, Parameter, Tag};
use serde_json::Value;

use crate::Test;
use crate::stack::variable;
use crate::world::{Deployment, NO_SCHEDULE, Ran, World, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("each_value_comes_from_the_nearest_place_that_gives_it", precedence),
    ("what_is_deployed_is_shown_and_degrades_to_not_known", deployed),
    ("bad_files_and_values_are_refused_before_any_call", refused),
    ("parameters_of_files_are_deployed", files),
    ("outputs_are_printed_for_people_and_scripts", outputs),
    ("the_written_templates_deploy_without_disa", plain),
];

/// A directory with files in it.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        std::fs::create_dir_all(directory.path().join(name).parent().expect("a parent")).expect("directories");
        std::fs::write(directory.path().join(name), text).expect("a file");
    }
    directory
}

fn run(mut command: Command, directory: &Path, arguments: &[&str]) -> Ran {
    command.current_dir(directory).args(arguments).output().expect("disa runs").into()
}

fn setting<'a>(document: &'a Value, name: &str) -> (Option<&'a str>, &'a str) {
    let items = document["items"].as_array().expect("items");
    let found = items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    (found["value"].as_str(), found["origin"].as_str().expect("an origin"))
}

fn precedence(world: &'static World) {
    let project = "region = 'from-project'\nproject = 'orders'\n[environment.test]\nprofile = 'tester'\n\
                   [parameters]\nBatchSize = 5\nRampStart = 6\n";
    let user = "region = 'from-user'\ntime = 'iso'\ncolor = 'never'\n[parameters]\nBatchSize = 1\nLeaseSeconds = 60\n";
    let place = directory(&[("disa.toml", project), ("user.toml", user), ("below/parameters.toml", "RampStart = 7")]);
    let mut command = world.command();
    command.env("DISA_CONFIG", place.path().join("user.toml")).env("DISA_COLOR", "auto");
    let arguments = ["config", "--offline", "--time", "local", "--env", "test", "--parameters", "parameters.toml"];
    let ran = run(
        command,
        &place.path().join("below"),
        &[&arguments[..], &["--set", "RetryBudget=9", "-o", "json"]].concat(),
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let document = ran.json();
    let user = |line: usize| format!("{}:{line}", place.path().join("user.toml").display());
    let cases: [(&str, Option<&str>, &str); 12] = [
        ("time", Some("local"), "--time"),
        ("color", Some("auto"), "DISA_COLOR"),
        ("local", Some("true"), "DISA_LOCAL"),
        ("region", Some("from-project"), "../disa.toml:1"),
        ("project", Some("orders"), "../disa.toml:2"),
        ("profile", Some("tester"), "../disa.toml:4"),
        ("endpoint-url", None, "default"),
        ("RetryBudget", Some("9"), "--set"),
        ("RampStart", Some("7"), "parameters.toml:1"),
        ("BatchSize", Some("5"), "../disa.toml:6"),
        ("LeaseSeconds", Some("60"), &user(6)),
        ("BackoffCapSeconds", None, "not known"),
    ];
    for (name, value, origin) in cases {
        assert_eq!(setting(&document, name), (value, origin), "{name}");
    }
    assert!(ran.err.is_empty(), "{ran:?}");
}

fn deployed(world: &'static World) {
    let deployment = world.shared();
    let document = deployment.ok(&["config"]);
    assert_eq!(setting(&document, "RetrySchedule"), (Some("rate(1 day)"), "deployed"));
    assert_eq!(setting(&document, "RampStart"), (Some("100"), "deployed"));
    let csv = deployment.run(&["config", "-o", "csv"]);
    assert!(csv.out.starts_with("kind,name,origin,value,deployed,default\n"), "{csv:?}");
    let none = run(world.command(), Path::new("/"), &["config", "--project", "nowhere", "-o", "json"]);
    assert_eq!(setting(&none.json(), "RampStart"), (Some("100"), "template default"));
    let lost = run(world.command_at("http://127.0.0.1:1"), Path::new("/"), &["config", "-o", "json"]);
    assert_eq!(lost.code, 0, "{lost:?}");
    assert_eq!(setting(&lost.json(), "RampStart"), (None, "not known"));
    assert!(lost.err.contains("what is deployed is not known"), "{lost:?}");
}

fn refused(world: &'static World) {
    // Nothing answers there: what is refused has not been sent.
    let nowhere = || world.command_at("http://127.0.0.1:1");
    let cases: &[(&str, &[&str], i32, &str)] = &[
        ("regoin = 'x'", &["status"], 5, "disa.toml:1: there is no option `regoin`"),
        ("\noutput = 1", &["status"], 5, "disa.toml:2: `output` must be a string"),
        ("time = 'never'", &["status"], 5, "disa.toml:1: invalid value 'never'"),
        ("[parameters]\nBatchsize = 5", &["deploy"], 5, "disa.toml:2: the stack has no parameter `Batchsize`"),
        ("[parameters]\nBatchSize = 101", &["deploy"], 5, "BatchSize is `101`; it must be from 1 to 100"),
        ("[environment.devl.parameters]\nCloudWatchNameSpace = 'AWS/X'", &["deploy"], 5, "disa.toml:2: CloudWatchName"),
        ("[parameters]\nProcessCodeKey = 'x'", &["template"], 5, "disa.toml:2: the parameter `ProcessCodeKey`"),
        ("", &["deploy", "--set", "BatchSize=101"], 2, "it must be from 1 to 100"),
        ("", &["deploy", "--set", "LogRetentionInDays=8"], 2, "it must be one of 1, 3, 5"),
        ("", &["deploy", "--parameters", "none.toml"], 2, "cannot read none.toml"),
    ];
    for (text, arguments, code, message) in cases {
        let place = directory(&[("disa.toml", text)]);
        let ran = run(nowhere(), place.path(), arguments);
        assert_eq!(ran.code, *code, "{ran:?}");
        assert!(ran.err.contains(message) && ran.out.is_empty(), "{message}: {ran:?}");
    }
    let mut command = nowhere();
    command.env("DISA_CONFIG", "/does/not/exist.toml");
    let ran = run(command, Path::new("/"), &["status"]);
    assert!(ran.code == 5 && ran.err.contains("cannot read /does/not/exist.toml"), "{ran:?}");
    // A wrong parameter is in the way of a deployment, and of nothing else.
    let deployment = world.shared();
    let place = directory(&[("disa.toml", "[parameters]\nBatchSize = 101")]);
    let mut status = deployment.spawnable(&["status"]);
    let ran = Ran::from(status.current_dir(place.path()).output().expect("disa runs"));
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn files(world: &'static World) {
    let text = format!(
        "project = 'filed'\n[parameters]\nMetricName = 'status-filed'\nBatchSize = 9\nRampStart = 8\n\
         RetrySchedule = '{}'\n[environment.devl.parameters]\nBatchSize = 10\n",
        NO_SCHEDULE.split_once('=').expect("a value").1
    );
    let place = directory(&[("disa.toml", &text), ("more.toml", "LeaseSeconds = 77\nRampStart = 7\n")]);
    let deploy = |arguments: &[&str]| {
        let ran = run(world.command(), place.path(), &[&["deploy", "-q"], arguments].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    deploy(&["--parameters", "more.toml", "--set", "RetryBudget=99"]);
    let value = |name: &str| variable(world, "filed-devl-retry", name);
    let expected = [("BATCH_SIZE", "10"), ("RAMP_START", "7"), ("LEASE_SECONDS", "77"), ("RETRY_BUDGET", "99")];
    for (name, expected) in expected {
        assert_eq!(value(name), expected, "{name}");
    }
    // What is not given any more keeps its deployed value; what the file gives is given again.
    deploy(&[]);
    for (name, expected) in [("RAMP_START", "8"), ("LEASE_SECONDS", "77"), ("RETRY_BUDGET", "99")] {
        assert_eq!(value(name), expected, "{name}");
    }
}

fn outputs(world: &'static World) {
    let deployment = world.shared();
    let one = deployment.run(&["outputs", "TopicArn"]);
    assert_eq!((one.code, one.out), (0, format!("{}\n", deployment.topic_arn())));
    let all = deployment.ok(&["outputs"]);
    let named = |item: &Value| item["name"] == "TableName" && item["value"] == deployment.names.table();
    assert!(all["items"].as_array().expect("items").iter().any(named), "{all}");
    let unknown = deployment.run(&["outputs", "Topicarn"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.err.contains("did you mean `TopicArn`?") && unknown.err.contains("StateMachineArn"), "{unknown:?}");
}

fn plain(world: &'static World) {
    let place = directory(&[]);
    let out = place.path().join("out");
    let arguments = ["template", "--with-code", "--bucket", "plain-artifacts", "--project", "plain", "-o", "json"];
    let more = ["--set", NO_SCHEDULE, "--set", "MetricName=status-plain", "--out", out.to_str().expect("a path")];
    // As a user, in the checkout: the functions are built from it.
    let checkout = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let ran = run(world.command(), &checkout, &[&arguments[..], &more].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let written = ran.json();
    world.runtime.block_on(create(world, &out, &written));
    let cloudformation = aws_sdk_cloudformation::Client::new(&world.config);
    wait("the stack to be created", || {
        let answer =
            world.runtime.block_on(cloudformation.describe_stacks().stack_name("plain-devl-root-stack").send());
        let status = answer.expect("a stack").stacks()[0].stack_status().expect("a status").as_str().to_owned();
        assert!(["CREATE_IN_PROGRESS", "CREATE_COMPLETE"].contains(&status.as_str()), "{status}");
        (status == "CREATE_COMPLETE").then_some(())
    });
    let deployment = Deployment::new(world, "plain");
    deployment.ok(&["send", "without disa", "--id", "plain", "--wait"]);
    assert_eq!(deployment.await_arrival("plain"), "without disa");
    // Disa takes it as its own.
    assert_eq!(deployment.run(&["status"]).code, 0);
}

/// What `aws s3 sync` and `aws cloudformation create-stack` do.
async fn create(world: &World, out: &Path, written: &Value) {
    let s3 = aws_sdk_s3::config::Builder::from(&world.config).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    s3.create_bucket().bucket("plain-artifacts").send().await.expect("a bucket");
    for key in written["keys"].as_array().expect("keys").iter().filter_map(Value::as_str) {
        let bytes = std::fs::read(out.join(key)).expect("a file").into();
        s3.put_object().bucket("plain-artifacts").key(key).body(bytes).send().await.expect("an object");
    }
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let file = std::fs::read(text(&written["parameterFile"])).expect("a file");
    let parameters: Vec<Value> = serde_json::from_slice(&file).expect("parameters");
    let parameters = parameters.iter().map(|parameter| {
        let built = Parameter::builder().parameter_key(text(&parameter["ParameterKey"]));
        built.parameter_value(text(&parameter["ParameterValue"])).build()
    });
    let url = text(&written["templateUrl"]).replace("REGION", "us-east-1");
    let cloudformation = aws_sdk_cloudformation::Client::new(&world.config);
    let create = cloudformation.create_stack().stack_name(text(&written["stack"])).template_url(url);
    let create = create.set_parameters(Some(parameters.collect()));
    let create = create.capabilities(Capability::CapabilityIam).capabilities(Capability::CapabilityAutoExpand);
    let create = create.tags(Tag::builder().key("ProjectName").value("plain").build());
    create.send().await.expect("the stack is created");
}
