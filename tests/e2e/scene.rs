//! A deployment with a proxy that does harm before all that its functions call.

use std::time::{Duration, Instant};

use outbox::item::Status;
use outbox::names::Function;
use serde_json::json;

use crate::delivery::all_executions_end;
use crate::proxy::{Fault, Proxy, Rule, Share};
use crate::world::{Deployment, NO_SCHEDULE, World, s};

/// Quick to come back: the shortest leases and waits that the stack permits.
pub const QUICK: [&str; 5] =
    ["LambdaFunctionTimeoutSecs=20", "LeaseSeconds=40", "BackoffBaseSeconds=1", "BackoffCapSeconds=2", NO_SCHEDULE];
const LEASE_MS: i64 = 40_000;
pub const MESSAGES: usize = 40;
pub const SEED: u64 = 7;
/// A lease and what follows it.
const RECOVERY: Duration = Duration::from_secs(150);

pub struct Scene {
    pub deployment: Deployment,
    pub proxy: Proxy,
    pub ids: Vec<String>,
}

impl Scene {
    pub fn new(world: &'static World, project: &str, settings: &[&str]) -> Scene {
        let deployment = world.deploy(project, &[&QUICK, settings].concat());
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
    pub fn write(&self) {
        let (sent, by_hand) = self.ids.split_at(MESSAGES / 2);
        self.deployment.write_leased(sent, LEASE_MS);
        for id in by_hand {
            self.deployment.put_by_hand(id, &[("message", s(&format!("body of {id}")))]);
        }
    }

    pub fn harm(&self, rules: &[(&'static str, &'static str, Share, Fault)]) {
        let rule = |(service, operation, share, fault): &(&'static str, &'static str, Share, Fault)| Rule {
            service,
            operation,
            share: *share,
            fault: *fault,
        };
        self.proxy.set(rules.iter().map(rule).collect());
    }

    /// Lets the retry function run, as the schedule does, for a while.
    pub fn keep_retrying(&self, time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            // Its errors are part of the scene.
            let _ = self.deployment.invoke(Function::Retry, &json!({}));
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Ends all harm, and waits until everything is delivered.
    pub fn recover(&self) {
        self.proxy.set(vec![]);
        recover(&self.deployment, &self.ids);
    }

    pub fn assert_delivered(&self, twice_is_permitted: bool) {
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
    assert_eq!(deployment.backlog(), []);
}
