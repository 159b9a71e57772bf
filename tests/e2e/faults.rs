//! Nothing is lost, nothing is stuck: the pipeline under faults. Afterwards every valid message is Successful
//! and was delivered at least once, a second time only where an acknowledgement was lost, and the backlog is
//! empty.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use outbox::item::Status;
use outbox::names::Function;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::Test;
use crate::delivery::{all_executions_end, state_machine};
use crate::proxy::{Fault, Proxy, Rule};
use crate::world::{Deployment, NO_SCHEDULE, World, s};

pub const TESTS: &[(&str, Test)] = &[
    ("sns_fails_in_every_way_for_a_while", sns_fails),
    ("sns_accepts_and_the_answer_is_lost", answers_lost),
    ("the_table_is_throttled", table_throttled),
    ("cloudwatch_refuses_everything", cloudwatch_refuses),
    ("executions_cannot_be_started", starts_throttled),
    ("functions_are_killed_at_random_moments", functions_killed),
    ("executions_are_stopped_by_hand", executions_stopped),
    ("what_no_index_holds_is_reconciled", reconciled),
    ("the_engine_stops_and_starts_in_the_middle", engine_restarted),
];

/// Quick to come back: the shortest leases and waits that the stack permits.
pub const QUICK: [&str; 5] =
    ["LambdaFunctionTimeoutSecs=20", "LeaseSeconds=40", "BackoffBaseSeconds=1", "BackoffCapSeconds=2", NO_SCHEDULE];
const LEASE_MS: i64 = 40_000;
const MESSAGES: usize = 40;
const SEED: u64 = 7;
/// A lease and what follows it.
const RECOVERY: Duration = Duration::from_secs(150);

struct Scene {
    deployment: Deployment,
    proxy: Proxy,
    ids: Vec<String>,
}

impl Scene {
    fn new(world: &'static World, project: &str) -> Scene {
        let deployment = world.deploy(project, &QUICK);
        let proxy = Proxy::start(&world.runtime, &world.endpoint, SEED);
        // The engine sets AWS_ENDPOINT_URL itself; the SDK prefers the ones that name a service.
        let endpoints =
            ["SNS", "DYNAMODB", "SFN", "CLOUDWATCH"].map(|s| (format!("AWS_ENDPOINT_URL_{s}"), proxy.endpoint()));
        for function in Function::ALL {
            deployment.set_variables(function, &endpoints);
        }
        let ids = (0..MESSAGES).map(|n| format!("{project}-{n}")).collect();
        Scene { deployment, proxy, ids }
    }

    /// Half of the messages as `disa send` writes them, half as a hand does.
    fn write(&self) {
        let (sent, by_hand) = self.ids.split_at(MESSAGES / 2);
        self.deployment.write_leased(sent, LEASE_MS);
        for id in by_hand {
            self.deployment.put_by_hand(id, &[("message", s(&format!("body of {id}")))]);
        }
    }

    fn harm(&self, rules: &[(&'static str, &'static str, f64, Fault)]) {
        let rule = |(service, operation, rate, fault): &(&'static str, &'static str, f64, Fault)| Rule {
            service,
            operation,
            rate: *rate,
            fault: *fault,
        };
        self.proxy.set(rules.iter().map(rule).collect());
    }

    /// Lets the retry function run, as the schedule does, for a while.
    fn keep_retrying(&self, time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            // Its errors are part of the scene.
            let _ = self.deployment.invoke(Function::Retry, &json!({}));
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Ends all harm, and waits until everything is delivered.
    fn recover(&self) {
        self.proxy.set(vec![]);
        recover(&self.deployment, &self.ids);
    }

    fn assert_delivered(&self, twice_is_permitted: bool) {
        for id in &self.ids {
            self.deployment.await_arrival(id);
        }
        for id in &self.ids {
            let bodies = self.deployment.arrived(id);
            assert!(bodies.iter().all(|body| *body == format!("body of {id}")), "{id}: {bodies:?}");
            assert!(bodies.len() == 1 || twice_is_permitted, "{id} was delivered {} times", bodies.len());
        }
    }
}

/// Waits until all messages are Successful, with the retry function running as by its schedule.
pub fn recover(deployment: &Deployment, ids: &[String]) {
    let begin = Instant::now();
    while let Some(id) = ids.iter().find(|id| !deployment.delivery(id).is_some_and(|d| d.is(Status::Successful))) {
        assert!(begin.elapsed() < RECOVERY, "{id} is stuck: {:?}", deployment.delivery(id));
        let _ = deployment.invoke(Function::Retry, &json!({}));
        std::thread::sleep(Duration::from_millis(500));
    }
    all_executions_end(deployment);
    let backlog = deployment.ok(&["status"])["backlog"].clone();
    assert_eq!((&backlog["Pending"], &backlog["Failure"]), (&json!(0), &json!(0)));
}

fn sns_fails(world: &'static World) {
    let scene = Scene::new(world, "snsfails");
    scene.harm(&[
        ("sns", "", 0.3, Fault::Error(500)),
        ("sns", "", 0.2, Fault::Error(403)),
        ("sns", "", 0.2, Fault::Error(429)),
        ("sns", "", 0.3, Fault::Reset),
        ("sns", "", 0.3, Fault::Hang),
    ]);
    scene.write();
    scene.keep_retrying(Duration::from_secs(15));
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    scene.assert_delivered(false);
}

fn answers_lost(world: &'static World) {
    let scene = Scene::new(world, "answers");
    scene.harm(&[("sns", "", 0.5, Fault::LoseAnswer), ("dynamodb", "UpdateItem", 0.2, Fault::LoseAnswer)]);
    scene.write();
    scene.keep_retrying(Duration::from_secs(10));
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    scene.assert_delivered(true);
}

fn table_throttled(world: &'static World) {
    let scene = Scene::new(world, "throttled");
    scene.harm(&[("dynamodb", "", 0.5, Fault::Error(400)), ("dynamodb", "", 0.1, Fault::Reset)]);
    scene.write();
    scene.keep_retrying(Duration::from_secs(10));
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    // Where the record of a delivery was throttled for as long as the function ran, it was lost.
    scene.assert_delivered(true);
}

fn cloudwatch_refuses(world: &'static World) {
    let scene = Scene::new(world, "cloudwatch");
    scene.harm(&[("monitoring", "", 1.0, Fault::Error(500))]);
    scene.write();
    for id in &scene.ids {
        scene.deployment.await_status(id, Status::Successful);
    }
    all_executions_end(&scene.deployment);
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    scene.assert_delivered(false);
}

fn starts_throttled(world: &'static World) {
    let scene = Scene::new(world, "starts");
    scene.harm(&[("states", "StartExecution", 0.9, Fault::Error(400)), ("states", "", 0.3, Fault::LoseAnswer)]);
    scene.write();
    scene.keep_retrying(Duration::from_secs(10));
    assert!(scene.proxy.harmed() > 0);
    scene.recover();
    scene.assert_delivered(false);
}

fn functions_killed(world: &'static World) {
    let scene = Scene::new(world, "killed");
    let mut random = StdRng::seed_from_u64(SEED);
    let begin = Instant::now();
    let mut killed = 0;
    scene.write();
    while begin.elapsed() < Duration::from_secs(10) {
        killed += world.kill_functions();
        let _ = scene.deployment.invoke(Function::Retry, &json!({}));
        std::thread::sleep(Duration::from_millis(random.random_range(20..400)));
    }
    assert!(killed > 0);
    scene.recover();
    // Killed between the acceptance of SNS and its record: the acknowledgement was lost.
    scene.assert_delivered(true);
}

fn executions_stopped(world: &'static World) {
    let scene = Scene::new(world, "stopped");
    let sfn = aws_sdk_sfn::Client::new(&world.config);
    scene.write();
    let mut stopped = 0;
    let begin = Instant::now();
    while stopped == 0 && begin.elapsed() < Duration::from_secs(20) {
        let list = sfn.list_executions().state_machine_arn(state_machine(&scene.deployment));
        let answer = scene.deployment.block_on(list.send()).expect("a list");
        for execution in answer.executions().iter().filter(|execution| execution.stop_date().is_none()) {
            let stop = sfn.stop_execution().execution_arn(execution.execution_arn());
            stopped += u32::from(scene.deployment.block_on(stop.send()).is_ok());
        }
        if stopped == 0 {
            let _ = scene.deployment.invoke(Function::Retry, &json!({}));
            scene.deployment.put_by_hand("stopped-extra", &[("message", s("extra"))]);
        }
    }
    assert!(stopped > 0);
    scene.recover();
    scene.assert_delivered(true);
}

/// Items that the stream never told of: the mapping was off, or its batch went to the dead letters.
fn reconciled(world: &'static World) {
    let scene = Scene::new(world, "reconciled");
    let cloudformation = aws_sdk_cloudformation::Client::new(&world.config);
    let mapping = cloudformation
        .describe_stack_resource()
        .stack_name(scene.deployment.names.stack())
        .logical_resource_id("StreamMapping");
    let mapping = scene.deployment.block_on(mapping.send()).expect("the mapping").stack_resource_detail;
    let mapping = mapping.and_then(|detail| detail.physical_resource_id).expect("an id");
    let lambda = aws_sdk_lambda::Client::new(&world.config);
    let _ = scene.deployment.block_on(lambda.delete_event_source_mapping().uuid(mapping).send());
    scene.write();
    scene.deployment.put_by_hand("odd", &[("message", s("x")), ("sendStatus", AttributeValue::N("1".into()))]);
    let sqs = aws_sdk_sqs::Client::new(&world.config);
    scene.deployment.block_on(async {
        let queue =
            sqs.get_queue_url().queue_name(scene.deployment.names.stream_dead_letters()).send().await.expect("a queue");
        sqs.send_message().queue_url(queue.queue_url.expect("a URL")).message_body("{}").send().await.expect("sent");
    });
    let found = scene.deployment.ok(&["reconcile", "--dry-run"]);
    assert_eq!((&found["found"], &found["adopted"]), (&json!(MESSAGES / 2 + 1), &json!(0)));
    let settled = scene.deployment.ok(&["reconcile"]);
    assert_eq!((&settled["adopted"], &settled["dead"]), (&json!(MESSAGES / 2), &json!(1)));
    assert_eq!(settled["deadLetters"], 1);
    assert_eq!(scene.deployment.ok(&["reconcile"])["found"], 0);
    assert_eq!(scene.deployment.delivery("odd").expect("stored").last_error.expect("a reason").code, "UnknownStatus");
    scene.recover();
    scene.assert_delivered(false);
}

fn engine_restarted(world: &'static World) {
    let scene = Scene::new(world, "restarted");
    scene.write();
    for verb in ["down", "up"] {
        let output = world.command().args(["local", verb]).output().expect("disa runs");
        assert!(output.status.success(), "{output:?}");
    }
    // The engine keeps no streams: what it had not delivered to the init function yet, nobody tells of any more.
    scene.deployment.ok(&["reconcile"]);
    scene.recover();
    scene.assert_delivered(true);
}
