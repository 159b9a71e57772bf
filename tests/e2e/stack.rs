//! The stack's life: update, failure, repair, deletion, and what stays.

use outbox::item::Status;
use outbox::names::Function;

use crate::Test;
use crate::world::{NO_SCHEDULE, Ran, World};

pub const TESTS: &[(&str, Test)] = &[
    ("a_second_deploy_changes_nothing", unchanged),
    ("a_parameter_is_updated_and_others_keep_their_values", update),
    ("a_refused_deployment_names_its_cause_and_the_next_one_succeeds", refused),
    ("destroy_keeps_the_messages_and_the_next_deploy_takes_them_over", destroy),
];

fn unchanged(world: &'static World) {
    let deployment = world.shared();
    let again = deployment.run(&["deploy", "-o", "json"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(again.json()["changed"], false);
    assert!(again.err.contains("Nothing has changed"), "{again:?}");
    assert!(again.err.contains("Uploaded 0 of"), "{again:?}");
}

pub fn variable(world: &World, function: &str, name: &str) -> String {
    let lambda = aws_sdk_lambda::Client::new(&world.config);
    let request = lambda.get_function_configuration().function_name(function);
    let found = world.runtime.block_on(request.send()).expect("the function");
    found.environment.and_then(|e| e.variables).and_then(|mut all| all.remove(name)).expect("a variable")
}

fn update(world: &'static World) {
    let deployment = world.deploy("updated", &["RampStart=7"]);
    let changed = deployment.ok(&["deploy", "--set", "BatchSize=9"]);
    assert_eq!(changed["changed"], true);
    let function = deployment.names.function(Function::Retry);
    assert_eq!(variable(world, &function, "BATCH_SIZE"), "9");
    assert_eq!(variable(world, &function, "RAMP_START"), "7");
    deployment.ok(&["send", "after the update", "--id", "after", "--wait"]);
    deployment.await_arrival("after");
}

fn refused(world: &'static World) {
    let deploy = |arguments: &[&str]| {
        let mut command = world.command();
        command.args(["deploy", "--project", "refused"]).args(arguments);
        Ran::from(command.output().expect("disa runs"))
    };
    let cases: [(&[&str], i32, &str); 2] =
        [(&["--bucket", "Not_A_Bucket"], 1, "InvalidBucketName"), (&["--kms-key", "alias/none"], 5, "alias/none")];
    for (arguments, code, cause) in cases {
        let ran = deploy(arguments);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.contains("because") && ran.err.contains(cause), "{ran:?}");
        assert!(ran.out.is_empty(), "{ran:?}");
    }
    let ran = deploy(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn destroy(world: &'static World) {
    let deployment = world.deploy("gone", &[NO_SCHEDULE]);
    deployment.break_topic();
    deployment.ok(&["send", "kept", "--id", "kept"]);
    deployment.await_status("kept", Status::Failure);
    let refused = deployment.run(&["destroy"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    let destroyed = deployment.ok(&["destroy", "--yes"]);
    assert_eq!(destroyed["stack"], "gone-devl-root-stack");
    assert_eq!(deployment.run(&["status"]).code, 1);
    assert!(deployment.delivery("kept").is_some_and(|delivery| delivery.is(Status::Failure)));
    let again = world.deploy("gone", &[NO_SCHEDULE]);
    assert_eq!(again.ok(&["status"])["backlog"]["Failure"], 1);
    again.ok(&["retry", "now"]);
    again.await_status("kept", Status::Successful);
    again.await_arrival("kept");
    again.ok(&["send", "new", "--id", "new", "--wait"]);
}
