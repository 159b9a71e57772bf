//! Deploying as something to trust: planned, followed, joined, repaired, cancelled, explained.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use aws_sdk_cloudformation::types::{Capability, ChangeSetType, Parameter, Tag};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use outbox::names::{Function, Names};
use serde_json::Value;

use crate::Test;
use crate::proxy::{Fault, Proxy, Rule, Share};
use crate::scene::SEED;
use crate::world::{NO_SCHEDULE, Ran, World, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("a_plan_says_what_a_deployment_would_do_and_does_nothing", planned),
    ("an_interrupted_deployment_goes_on_and_is_attached_to", attached),
    ("a_creation_that_failed_is_explained_and_made_anew", recreated),
    ("an_update_that_failed_is_explained_and_repaired", repaired),
    ("an_operation_that_runs_is_joined", joined),
    ("an_update_that_runs_is_cancelled", cancelled),
    ("two_deployments_at_once_both_end_well_or_say_what_to_do", at_once),
    ("a_stack_of_another_making_is_not_touched", foreign),
    ("a_nested_stack_that_is_gone_is_told", incomplete),
    ("an_artifact_that_was_changed_by_hand_is_not_deployed", tampered),
    ("changed_code_has_a_new_key_and_changes_its_function_alone", code_changed),
    ("an_upload_that_was_killed_half_way_is_finished_by_the_next_deployment", upload_killed),
    ("a_throttle_ends_neither_the_following_nor_what_is_asked_before", throttled),
    ("a_shell_that_a_plan_left_behind_is_no_dead_end", shell),
];

/// Nothing of it can be made: the topic has no such attribute.
const BROKEN: &str = r#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"},
    "Queue":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":{"Fn::GetAtt":["Topic","Nonsense"]}}}}}"#;
/// It waits for a signal that nobody sends.
const WAITS: &str = r#"{"Resources":{"Handle":{"Type":"AWS::CloudFormation::WaitConditionHandle"},
    "Wait":{"Type":"AWS::CloudFormation::WaitCondition","DependsOn":"Handle",
        "Properties":{"Handle":{"Ref":"Handle"},"Timeout":"TIMEOUT"}}}}"#;

/// A project that no test has deployed yet.
struct Site {
    world: &'static World,
    project: &'static str,
}

impl Site {
    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.world.command();
        command.args(arguments).args(["--project", self.project]).output().expect("disa runs").into()
    }

    fn ok(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["-o", "json"]].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.json()
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.world.command();
        command.args(arguments).args(["--project", self.project]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs")
    }

    fn stack(&self) -> String {
        Names { project: self.project.to_owned(), environment: "devl".to_owned() }.stack()
    }

    fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.world.config)
    }

    fn tags(&self) -> [Tag; 2] {
        [("ProjectName", self.project), ("Environment", "devl")].map(|(k, v)| Tag::builder().key(k).value(v).build())
    }

    /// Creates the stack as somebody else's tool would.
    fn create(&self, template: &str) {
        let request = self.cloudformation().create_stack().stack_name(self.stack()).template_body(template);
        let request = request.set_tags(Some(self.tags().into())).capabilities(Capability::CapabilityIam);
        self.world.runtime.block_on(request.send()).expect("a creation");
    }

    /// Updates the stack as somebody else's tool would; the parameters keep their values.
    fn update(&self, template: &str) {
        let client = self.cloudformation();
        let found = self.world.runtime.block_on(client.describe_stacks().stack_name(self.stack()).send());
        let found = found.expect("the stack");
        let kept = found.stacks()[0].parameters().iter().filter_map(|parameter| parameter.parameter_key());
        let kept = kept.map(|key| Parameter::builder().parameter_key(key).use_previous_value(true).build());
        let request = client.update_stack().stack_name(self.stack()).template_body(template);
        let request = request.set_parameters(Some(kept.collect())).set_tags(Some(self.tags().into()));
        self.world.runtime.block_on(request.capabilities(Capability::CapabilityIam).send()).expect("an update");
    }

    /// The deployed template with something added.
    fn template_with(&self, resource: &str) -> String {
        let request = self.cloudformation().get_template().stack_name(self.stack());
        let answer = self.world.runtime.block_on(request.send()).expect("the template");
        let body = answer.template_body().expect("a body");
        body.replacen("\nResources:\n", &format!("\nResources:\n{resource}\n"), 1)
    }

    fn status(&self) -> Option<String> {
        let request = self.cloudformation().describe_stacks().stack_name(self.stack());
        let answer = self.world.runtime.block_on(request.send()).ok()?;
        Some(answer.stacks().first()?.stack_status()?.as_str().to_owned())
    }

    fn await_status(&self, status: &str) {
        wait(&format!("{} to be {status}", self.stack()), || (self.status().as_deref() == Some(status)).then_some(()));
    }

    /// The change sets that the stack has, to be executed or not.
    fn change_sets(&self) -> usize {
        let request = self.cloudformation().list_change_sets().stack_name(self.stack());
        let answer = self.world.runtime.block_on(request.send()).expect("a list");
        let open = |set: &&aws_sdk_cloudformation::types::ChangeSetSummary| {
            set.execution_status().is_some_and(|status| status.as_str() == "AVAILABLE")
        };
        answer.summaries().iter().filter(open).count()
    }
}

fn planned(world: &'static World) {
    let site = Site { world, project: "planned" };
    let first = site.ok(&["plan"]);
    assert_eq!((&first["create"], &first["changed"]), (&Value::Bool(true), &Value::Bool(true)));
    assert!(first["counts"]["add"].as_u64().is_some_and(|count| count > 5), "{first}");
    assert!(site.status().is_none_or(|status| status == "DELETE_COMPLETE"), "the plan left a stack behind");
    site.ok(&["deploy", "--set", "RampStart=7"]);
    assert_eq!(site.run(&["plan", "--exit-code"]).code, 0);
    let ran = site.run(&["plan", "--set", "RampStart=8", "--exit-code", "-o", "json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let plan = ran.json();
    assert_eq!(plan["parameters"][0]["name"], "RampStart");
    assert_eq!(
        (plan["parameters"][0]["before"].as_str(), plan["parameters"][0]["after"].as_str()),
        (Some("7"), Some("8"))
    );
    let named: Vec<&str> =
        plan["changes"].as_array().expect("changes").iter().filter_map(|c| c["logicalId"].as_str()).collect();
    assert!(named.contains(&"RetryFunctionStack") && !named.contains(&"DynamoDBStack"), "{named:?}");
    assert_eq!((site.status().as_deref(), site.change_sets()), (Some("CREATE_COMPLETE"), 0));
    // Two runs and one plan: what a deployment is about to do it says before it does it.
    let text = site.run(&["plan", "--set", "RampStart=8"]);
    let wrong = site.run(&["deploy", "--set", "RampStart=8", "--allow-replacement", "MessageTable"]);
    assert!(wrong.err.contains(text.out.trim_end()), "{text:?} {wrong:?}");
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.err.contains("nothing of this name is replaced"), "{wrong:?}");
    assert_eq!((site.status().as_deref(), site.change_sets()), (Some("CREATE_COMPLETE"), 0));
}

fn attached(world: &'static World) {
    let site = Site { world, project: "attached" };
    let mut child = site.spawn(&["deploy", "-o", "jsonl"]);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let first: Value = serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("a document");
    assert_eq!(first["event"]["status"], "CREATE_IN_PROGRESS");
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGINT).expect("interrupted");
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(
        ran.err.contains("goes on") && ran.err.contains("deploy --attach") && ran.err.contains("cancel"),
        "{ran:?}"
    );
    let deployed = site.ok(&["deploy", "--attach"]);
    assert_eq!(deployed["status"], "CREATE_COMPLETE");
    // Attached to again, it tells how the last operation ended.
    assert_eq!(site.ok(&["deploy", "--attach"])["status"], "CREATE_COMPLETE");
}

fn recreated(world: &'static World) {
    let site = Site { world, project: "recreated" };
    site.create(BROKEN);
    site.await_status("ROLLBACK_COMPLETE");
    let diagnosis = site.ok(&["diagnose"]);
    assert_eq!(diagnosis["operation"]["kind"], "creation");
    assert_eq!(diagnosis["cause"]["logicalId"], "Queue");
    assert!(diagnosis["cause"]["reason"].as_str().is_some_and(|reason| reason.contains("Nonsense")), "{diagnosis}");
    let attached = site.run(&["deploy", "--attach"]);
    assert_eq!(attached.code, 1, "{attached:?}");
    assert!(attached.err.contains("Queue (AWS::SQS::Queue)") && attached.err.contains("try:"), "{attached:?}");
    let refused = site.run(&["deploy"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("--yes"), "{refused:?}");
    assert_eq!(site.ok(&["deploy", "--yes"])["status"], "CREATE_COMPLETE");
    // What happened to it is still known when it is gone.
    site.ok(&["destroy", "--yes"]);
    assert_eq!(site.ok(&["diagnose"])["operation"]["kind"], "deletion");
}

fn repaired(world: &'static World) {
    let site = Site { world, project: "repaired" };
    site.ok(&["deploy"]);
    let broken = site.template_with(
        "  Broken:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !GetAtt AlarmStack.Outputs.Nonsense",
    );
    site.update(&broken);
    wait("the update to fail", || {
        site.status().filter(|status| status.starts_with("UPDATE_ROLLBACK_") && !status.ends_with("PROGRESS"))
    });
    let diagnosis = site.ok(&["diagnose"]);
    assert_eq!(
        (diagnosis["operation"]["kind"].as_str(), diagnosis["cause"]["logicalId"].as_str()),
        (Some("update"), Some("Broken")),
        "{diagnosis}"
    );
    let deployed = site.ok(&["deploy", "--yes", "--set", "RampStart=9"]);
    assert_eq!(deployed["status"], "UPDATE_COMPLETE");
}

fn joined(world: &'static World) {
    let site = Site { world, project: "joined" };
    site.create(&WAITS.replace("TIMEOUT", "3"));
    let ran = site.run(&["deploy", "--yes", "-o", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("Another operation runs"), "{ran:?}");
    // Its failure is told, and does not end this one.
    assert!(ran.err.contains("warning:") && ran.err.contains("Wait"), "{ran:?}");
    assert_eq!(ran.json()["status"], "CREATE_COMPLETE");
}

fn cancelled(world: &'static World) {
    let site = Site { world, project: "cancelled" };
    site.ok(&["deploy"]);
    let nothing = site.run(&["cancel"]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert!(nothing.err.contains("nothing to cancel"), "{nothing:?}");
    let waits = site.template_with(
        "  Handle:\n    Type: AWS::CloudFormation::WaitConditionHandle\n  Wait:\n    Type: AWS::CloudFormation::WaitCondition\n    Properties:\n      Handle: !Ref Handle\n      Timeout: \"10\"",
    );
    site.update(&waits);
    site.await_status("UPDATE_IN_PROGRESS");
    let asked = site.run(&["cancel"]);
    assert_eq!(asked.code, 2, "{asked:?}");
    let cancelled = site.ok(&["cancel", "--yes"]);
    assert_eq!(cancelled["status"], "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(site.ok(&["deploy", "--set", "RampStart=9"])["status"], "UPDATE_COMPLETE");
}

fn at_once(world: &'static World) {
    let site = Site { world, project: "twice" };
    let both = [site.spawn(&["deploy", "-o", "json"]), site.spawn(&["deploy", "-o", "json"])];
    let both = both.map(|child| Ran::from(child.wait_with_output().expect("it ends")));
    assert!(both.iter().any(|ran| ran.code == 0), "{both:?}");
    for ran in both.iter().filter(|ran| ran.code != 0) {
        assert!(ran.code == 1 && ran.err.contains("try:"), "{ran:?}");
    }
    assert_eq!(site.ok(&["deploy"])["changed"], false);
}

fn foreign(world: &'static World) {
    let site = Site { world, project: "stranger" };
    let request = site.cloudformation().create_stack().stack_name(site.stack());
    let request = request.template_body(r#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}"#);
    world.runtime.block_on(request.send()).expect("a creation");
    site.await_status("CREATE_COMPLETE");
    for arguments in [&["deploy", "--yes"][..], &["plan"], &["cancel", "--yes"]] {
        let ran = site.run(arguments);
        assert_eq!(ran.code, 5, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("was not made by `disa deploy`"), "{ran:?}");
    }
    assert_eq!(site.status().as_deref(), Some("CREATE_COMPLETE"));
}

fn incomplete(world: &'static World) {
    let site = Site { world, project: "incomplete" };
    site.ok(&["deploy", "--set", NO_SCHEDULE]);
    let request = site.cloudformation().list_stack_resources().stack_name(site.stack());
    let resources = world.runtime.block_on(request.send()).expect("a list");
    let nested = resources.stack_resource_summaries().iter().find(|r| r.logical_resource_id() == Some("AlarmStack"));
    let nested = nested.and_then(|r| r.physical_resource_id()).expect("a nested stack");
    world.runtime.block_on(site.cloudformation().delete_stack().stack_name(nested).send()).expect("deleted");
    let gone = wait("the nested stack to be told", || {
        Some(site.run(&["deploy", "--set", "RampStart=9"])).filter(|ran| ran.err.contains("AlarmStack is gone"))
    });
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.err.contains("disa destroy") && gone.err.contains("disa deploy"), "{gone:?}");
}

fn tampered(world: &'static World) {
    let site = Site { world, project: "tampered" };
    site.ok(&["plan"]);
    let s3 =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&world.config).force_path_style(true).build());
    let bucket = "tampered-artifacts-000000000000-us-east-1";
    let listed = world.runtime.block_on(s3.list_objects_v2().bucket(bucket).send()).expect("a list");
    let key = listed.contents().iter().filter_map(|object| object.key()).find(|key| key.contains("sns-stack"));
    let key = key.expect("the template").to_owned();
    let put = s3.put_object().bucket(bucket).key(&key).body(b"something else".to_vec().into());
    world.runtime.block_on(put.send()).expect("written");
    let ran = site.run(&["deploy"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains(&key) && ran.err.contains("does not hold what its name says"), "{ran:?}");
    world.runtime.block_on(s3.delete_object().bucket(bucket).key(&key).send()).expect("deleted");
    site.ok(&["deploy"]);
}

/// A `cargo` whose build is what was built before, but for the process function.
fn cargo_with_changed_code(folder: &Path) -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_disa")).parent().expect("a directory");
    let mut script = "#!/bin/sh\n".to_owned();
    for function in Function::ALL {
        let name = function.binary();
        let mut binary = std::fs::read(built.join(name)).expect("built before");
        if function == Function::Process {
            // What follows the sections of an ELF file is never loaded.
            binary.extend_from_slice(b"changed");
        }
        let copy = folder.join(name);
        std::fs::write(&copy, binary).expect("written");
        let message = serde_json::json!({ "target": { "name": name }, "executable": copy });
        script.push_str(&format!("echo '{message}'\n"));
    }
    let cargo = folder.join("cargo");
    std::fs::write(&cargo, script).expect("written");
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).expect("made executable");
    cargo
}

fn code_changed(world: &'static World) {
    let deployment = world.deploy("changed", &[NO_SCHEDULE]);
    let folder = tempfile::tempdir().expect("a directory");
    let cargo = cargo_with_changed_code(folder.path());
    let ok = |arguments: &[&str]| {
        let mut command = deployment.spawnable(arguments);
        let ran = Ran::from(command.args(["-o", "json"]).env("CARGO", &cargo).output().expect("disa runs"));
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.json()
    };
    let plan = ok(&["plan"]);
    let names = |list: &Value, name: &str| -> Vec<String> {
        list.as_array().expect("a list").iter().filter_map(|one| one[name].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(names(&plan["parameters"], "name"), ["ProcessCodeKey"], "{plan}");
    let mut stacks = names(&plan["changes"], "logicalId");
    stacks.retain(|name| name.ends_with("Stack"));
    assert_eq!(stacks, ["ProcessFunctionStack"], "{plan}");
    assert_eq!(ok(&["deploy"])["changed"], true);
    assert_eq!(ok(&["deploy"])["changed"], false, "the same code has the same key");
    deployment.ok(&["send", "by the changed code", "--id", "changed", "--wait"]);
    deployment.await_arrival("changed");
}

fn upload_killed(world: &'static World) {
    const PROJECT: [&str; 2] = ["--project", "unfinished"];
    let proxy = Proxy::start(&world.runtime, &world.endpoint, SEED);
    let run = |arguments: &[&str]| {
        let mut command = world.command_through(proxy.port);
        command.args(arguments).args(PROJECT);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs")
    };
    // The bucket is there; the artifacts below another prefix are not.
    assert_eq!(Ran::from(run(&["plan"]).wait_with_output().expect("it ends")).code, 0);
    let child = run(&["deploy", "--prefix", "half"]);
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    proxy.on_crash(move || kill(pid, Signal::SIGKILL).expect("killed"));
    let before = proxy.seen("s3", "PUT");
    let rule = Rule { service: "s3", operation: "PUT", share: Share::Every(before + 3), fault: Fault::Crash };
    proxy.set(vec![rule]);
    let killed = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!((killed.code, proxy.harmed()), (-1, 1), "{killed:?}");
    // S3 fails for good: that is said, and the next run succeeds too.
    let rule = Rule { service: "s3", operation: "PUT", share: Share::Rate(1.0), fault: Fault::Error(500) };
    proxy.set(vec![rule]);
    let failed = Ran::from(run(&["deploy", "--prefix", "half"]).wait_with_output().expect("it ends"));
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.err.contains("cannot upload half/") && failed.err.contains("because"), "{failed:?}");
    proxy.set(vec![]);
    let deployed = Ran::from(run(&["deploy", "--prefix", "half"]).wait_with_output().expect("it ends"));
    assert_eq!(deployed.code, 0, "{deployed:?}");
    assert!(deployed.err.contains("of 12 artifacts; the others were there"), "{deployed:?}");
}

fn throttled(world: &'static World) {
    let site = Site { world, project: "toomany" };
    site.create(&WAITS.replace("TIMEOUT", "15"));
    let proxy = Proxy::start(&world.runtime, &world.endpoint, SEED);
    let mut command = world.command_through(proxy.port);
    command.args(["deploy", "--attach", "-o", "jsonl", "--project", site.project]);
    let throttle =
        |operation| Rule { service: "cloudformation", operation, share: Share::Rate(1.0), fault: Fault::Error(400) };
    // More often than the SDK itself asks: once before it follows, and once while it does.
    proxy.set(vec![throttle("")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs");
    let begin = proxy.harmed();
    wait("the first calls to be refused", || (proxy.harmed() >= begin + 6).then_some(()));
    proxy.set(vec![]);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    lines.next().expect("a line").expect("text");
    proxy.set(vec![throttle("DescribeStackEvents"), throttle("DescribeStacks")]);
    let begin = proxy.harmed();
    wait("the following to be refused", || (proxy.harmed() >= begin + 6).then_some(()));
    proxy.set(vec![]);
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    // It tells the end of the operation, and no trouble of its own.
    assert_eq!(ran.code, 1, "{ran:?} {rest:?}");
    assert!(ran.err.contains("the creation of the stack") && ran.err.contains("Wait ("), "{ran:?}");
    assert!(!ran.err.contains("Throttling"), "{ran:?}");
}

fn shell(world: &'static World) {
    let site = Site { world, project: "shell" };
    let request = site.cloudformation().create_change_set().stack_name(site.stack()).change_set_name("left");
    let request = request.change_set_type(ChangeSetType::Create).template_body(BROKEN);
    world.runtime.block_on(request.send()).expect("a change set");
    site.await_status("REVIEW_IN_PROGRESS");
    let attached = site.run(&["deploy", "--attach"]);
    assert_eq!(attached.code, 1, "{attached:?}");
    assert!(attached.err.contains("nothing was ever deployed"), "{attached:?}");
    assert_eq!(site.run(&["cancel", "--yes"]).code, 1);
    assert_eq!(site.ok(&["plan"])["create"], true);
    assert_eq!(site.ok(&["deploy", "--set", NO_SCHEDULE])["status"], "CREATE_COMPLETE");
}
