//! The flow with the engine enforcing the functions' IAM policies.

use outbox::item::Status;
use outbox::names::{Function, metric};
use serde_json::json;

use crate::Test;
use crate::delivery::all_executions_end;
use crate::monitoring::measured;
use crate::scene::{Scene, recover};
use crate::world::{World, s, wait};

pub const TESTS: &[(&str, Test)] = &[("each_function_may_do_what_it_does_and_no_more", enforced)];

fn enforced(_: &'static World) {
    World::with("auth", &[("AUTH", "true")], flow);
}

fn flow(world: &'static World) {
    let scene = Scene::new(world, "auth", &[]);
    let deployment = &scene.deployment;
    // All three functions: adoption, publishing and its record, the metric, the retry.
    deployment.put_by_hand("by-hand", &[("message", s("x"))]);
    deployment.await_status("by-hand", Status::Successful);
    deployment.await_arrival("by-hand");
    deployment.break_topic();
    deployment.ok(&["send", "x", "--id", "refused"]);
    let refused = deployment.await_status("refused", Status::Failure);
    // That it is enforced: the policy speaks of one topic, so another is not missing but forbidden.
    let error = refused.last_error.expect("a reason");
    assert_eq!((error.class.as_str(), error.code.as_str()), ("Unavailable", "AuthorizationError"), "{error:?}");
    deployment.restore_topic();
    all_executions_end(deployment);
    recover(deployment, &["refused".to_owned()]);
    deployment.await_arrival("refused");
    // The retry function may end a hold.
    deployment.ok(&["breaker", "open", "--for", "1s"]);
    wait("the hold to end", || {
        let _ = deployment.invoke(Function::Retry, &json!({}));
        deployment.ok(&["breaker", "show"])["hold"].is_null().then_some(())
    });
    deployment.ok(&["send", "x", "--id", "probe"]);
    recover(deployment, &["probe".to_owned()]);
    deployment.invoke(Function::Retry, &json!({})).expect("an answer");
    wait("the retry function's metric", || measured(deployment, &format!("auth-devl-{}", metric::OLDEST)));
    assert_eq!(deployment.ok(&["status"])["findings"], json!([]));
}
