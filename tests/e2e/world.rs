//! The engine of this run, the command, and deployments to test on.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use gateway::{Applied, Table};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use outbox::change;
use outbox::item::{Delivery, Status};
use outbox::message::Message;
use outbox::names::{Function, Names};
use serde_json::Value;

/// The longest wait for anything; a machine under load is slow.
pub const LIMIT: Duration = Duration::from_secs(60);

/// For tests that count claims: the schedule must not make them.
pub const NO_SCHEDULE: &str = "RetrySchedule=rate(1 day)";

pub struct World {
    data: PathBuf,
    instance: String,
    /// What this world's engine and its commands find in their environment besides.
    variables: Vec<(String, String)>,
    pub runtime: tokio::runtime::Runtime,
    pub config: SdkConfig,
    pub endpoint: String,
    shared: OnceLock<Deployment>,
}

impl World {
    /// Starts an engine with a name of its own; the Python environment is kept for later runs.
    pub fn start(label: &str, variables: &[(&str, &str)]) -> World {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let (data, instance) = (target.join("data"), format!("{label}-{}", std::process::id()));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut up = disa(&data, &instance);
        let up = up.envs(variables.iter().cloned()).args(["local", "up", "-o", "json"]).output().expect("disa runs");
        assert!(up.status.success(), "the engine does not start: {}", text(&up.stderr));
        let engine: Value = serde_json::from_slice(&up.stdout).expect("a document");
        let endpoint = engine["endpoint"].as_str().expect("an endpoint").to_owned();
        let config = runtime.block_on(config(&endpoint));
        World { data, instance, variables, runtime, config, endpoint, shared: OnceLock::new() }
    }

    pub fn stop(&self) {
        let down = self.command().args(["local", "down"]).output().expect("disa runs");
        assert!(down.status.success(), "the engine does not stop: {}", text(&down.stderr));
        for entry in std::fs::read_dir(self.data.join("instances")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == self.instance || name.starts_with(&format!("{}-through-", self.instance)) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Works with an engine that ends even when the work panics.
    pub fn with<T: Send + 'static>(
        label: &str,
        variables: &[(&str, &str)],
        work: impl FnOnce(&'static World) -> T + Send + 'static,
    ) -> T {
        let world: &'static World = Box::leak(Box::new(World::start(label, variables)));
        let outcome = std::thread::spawn(move || work(world)).join();
        world.stop();
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// `disa`, pointed at this run's engine, with nothing of the caller's environment that it reads.
    pub fn command(&self) -> Command {
        let mut command = disa(&self.data, &self.instance);
        command.env("DISA_LOCAL", "1").envs(self.variables.iter().cloned());
        command
    }

    /// The command without `--local`: as on AWS it has credentials and a region, and here an endpoint.
    pub fn command_at(&self, endpoint: &str) -> Command {
        let mut command = disa(&self.data, &self.instance);
        command.env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1");
        command.env("DISA_ENDPOINT_URL", endpoint);
        command
    }

    /// The command with a proxy before this run's engine, as `disa local up` would have recorded it.
    pub fn command_through(&self, proxy: u16) -> Command {
        let instances = self.data.join("instances");
        let instance = format!("{}-through-{proxy}", self.instance);
        let recorded = std::fs::read(instances.join(&self.instance).join("engine.json")).expect("a record");
        let mut engine: Value = serde_json::from_slice(&recorded).expect("a document");
        engine["port"] = proxy.into();
        std::fs::create_dir_all(instances.join(&instance)).expect("a directory");
        std::fs::write(instances.join(&instance).join("engine.json"), engine.to_string()).expect("written");
        let mut command = self.command();
        command.env("DISA_LOCAL_INSTANCE", instance);
        command
    }

    /// The processes of the functions that this run's engine has started and whose name has this ending.
    pub fn functions(&self, ending: &str) -> Vec<i32> {
        let home = self.data.join("instances").join(&self.instance);
        let ours = |pid: &i32| {
            let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let name = environment.split(|byte| *byte == 0).find_map(|v| v.strip_prefix(b"AWS_LAMBDA_FUNCTION_NAME="));
            exe.starts_with(&home) && name.is_some_and(|name| name.ends_with(ending.as_bytes()))
        };
        let processes = std::fs::read_dir("/proc").expect("a list of processes").flatten();
        processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(ours).collect()
    }

    /// Kills them, as SIGKILL does; answers how many.
    pub fn kill_functions(&self, ending: &str) -> usize {
        self.functions(ending).into_iter().filter(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok()).count()
    }

    /// The deployment that most tests share.
    pub fn shared(&'static self) -> &'static Deployment {
        self.shared.get_or_init(|| self.deploy("shared", &[NO_SCHEDULE]))
    }

    /// A deployment of its own, for a test that breaks things. The engine's alarms ignore dimensions, so each
    /// has a metric of its own.
    pub fn deploy(&'static self, project: &str, settings: &[&str]) -> Deployment {
        let metric = format!("MetricName=status-{project}");
        let mut arguments = vec!["deploy", "-q", "--project", project, "--set", &metric];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", *setting]));
        let output = self.command().args(&arguments).output().expect("disa runs");
        assert!(output.status.success(), "the deployment fails: {}", text(&output.stderr));
        Deployment::new(self, project)
    }
}

fn disa(data: &PathBuf, instance: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_disa"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("DISA_") || name_text.starts_with("AWS_") {
            command.env_remove(&name);
        }
    }
    command
        .env("DISA_CONFIG", "")
        .env("DISA_DATA_DIR", data)
        .env("DISA_LOCAL_INSTANCE", instance)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

async fn config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(gateway::behavior())
        .http_client(gateway::http_client())
        .region(aws_config::Region::new("us-east-1"))
        // The engine's root, also where it enforces policies.
        .credentials_provider(aws_sdk_dynamodb::config::Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(endpoint)
        .load()
        .await
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a call of `disa` gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no document ({error}): {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// A deployed stack, and a queue that listens to its topic.
pub struct Deployment {
    pub world: &'static World,
    pub project: String,
    pub names: Names,
    pub table: Table,
    queue_url: String,
    deliveries: Mutex<HashMap<String, Vec<String>>>,
}

impl Deployment {
    pub fn new(world: &'static World, project: &str) -> Deployment {
        let names = Names { project: project.to_owned(), environment: "devl".to_owned() };
        let queue = format!("{project}-listener");
        let (sqs, sns) = (aws_sdk_sqs::Client::new(&world.config), aws_sdk_sns::Client::new(&world.config));
        let topic = format!("arn:aws:sns:us-east-1:000000000000:{}", names.topic());
        let queue_arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
        let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
            "Resource": queue_arn, "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
        }] });
        let queue_url = world.runtime.block_on(async {
            let create = sqs.create_queue().queue_name(&queue);
            let create = create.attributes(aws_sdk_sqs::types::QueueAttributeName::Policy, policy.to_string());
            let created = create.send().await.expect("a queue");
            sns.subscribe()
                .topic_arn(topic)
                .protocol("sqs")
                .endpoint(queue_arn)
                .attributes("RawMessageDelivery", "true")
                .send()
                .await
                .expect("a subscription");
            created.queue_url.expect("a URL")
        });
        let table = Table::new(aws_sdk_dynamodb::Client::new(&world.config), names.table());
        Deployment { world, project: project.to_owned(), names, table, queue_url, deliveries: Mutex::default() }
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.spawnable(arguments).output().expect("disa runs").into()
    }

    /// The command, to be started by the test itself.
    pub fn spawnable(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command();
        command.args(arguments).args(["--project", &self.project]);
        command
    }

    /// Runs a command that must succeed, and gives its document.
    pub fn ok(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["-o", "json"]].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.json()
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.world.runtime.block_on(future)
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.world.config)
    }

    /// Puts an item as a person does in the console.
    pub fn put_by_hand(&self, id: &str, fields: &[(&str, AttributeValue)]) {
        let mut request = self.dynamodb().put_item().table_name(self.names.table());
        request = request.item("sequenceNo", AttributeValue::S(id.to_owned()));
        for (name, value) in fields {
            request = request.item(*name, value.clone());
        }
        self.block_on(request.send()).expect("the item is put");
    }

    /// Writes many messages at once, as `disa send` writes each.
    pub fn write_many(&self, ids: &[String]) {
        self.write_leased(ids, 300_000);
    }

    pub fn write_leased(&self, ids: &[String], lease_ms: i64) {
        use futures::StreamExt;
        let write = |id: String| async move {
            let message = Message { body: format!("body of {id}"), subject: None, attributes: Default::default() };
            let change = change::write(&id, &message, now(), lease_ms);
            let applied = self.table.apply(&change).await.expect("the message is written");
            assert!(matches!(applied, Applied::Done(_)));
        };
        self.block_on(futures::stream::iter(ids.iter().cloned()).for_each_concurrent(16, write));
    }

    pub fn delivery(&self, id: &str) -> Option<Delivery> {
        self.block_on(self.table.get(id)).expect("the item is read").as_ref().and_then(Delivery::of)
    }

    pub fn await_status(&self, id: &str, status: Status) -> Delivery {
        wait(&format!("{id} to be {status}"), || self.delivery(id).filter(|delivery| delivery.is(status)))
    }

    /// Takes off the queue what has arrived, and gives the bodies that arrived for a message so far.
    pub fn arrived(&self, id: &str) -> Vec<String> {
        let sqs = aws_sdk_sqs::Client::new(&self.world.config);
        loop {
            let request = sqs
                .receive_message()
                .queue_url(&self.queue_url)
                .max_number_of_messages(10)
                .message_attribute_names("All");
            let messages = self.block_on(request.send()).expect("the queue answers").messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            let taken = messages.iter().enumerate().map(|(at, message)| {
                let handle = message.receipt_handle.clone().expect("a handle");
                let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle);
                entry.build().expect("an entry")
            });
            let delete = sqs.delete_message_batch().queue_url(&self.queue_url).set_entries(Some(taken.collect()));
            let deleted = self.block_on(delete.send()).expect("the messages are taken");
            assert!(deleted.failed().is_empty(), "{deleted:?}");
            let mut deliveries = self.deliveries.lock().expect("no panic");
            for message in messages {
                let attributes = message.message_attributes.unwrap_or_default();
                let id = attributes.get("sequenceNo").and_then(|value| value.string_value.clone()).unwrap_or_default();
                deliveries.entry(id).or_default().push(message.body.unwrap_or_default());
            }
        }
        self.arrived_so_far(id)
    }

    /// What `arrived` has taken off the queue before.
    pub fn arrived_so_far(&self, id: &str) -> Vec<String> {
        self.deliveries.lock().expect("no panic").get(id).cloned().unwrap_or_default()
    }

    /// How many messages may still be delivered, by status; none of those that are zero.
    pub fn backlog(&self) -> Vec<(Status, u64)> {
        let count = |status| {
            let shards = (0..outbox::item::SHARDS)
                .map(|shard| self.table.backlog_count(status, shard, gateway::Range::All, i64::MAX));
            self.block_on(futures::future::try_join_all(shards)).expect("a count").iter().sum::<u64>()
        };
        let counts = [Status::Pending, Status::Failure].map(|status| (status, count(status)));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    pub fn await_arrival(&self, id: &str) -> String {
        wait(&format!("{id} to arrive"), || self.arrived(id).first().cloned())
    }

    pub fn topic_arn(&self) -> String {
        format!("arn:aws:sns:us-east-1:000000000000:{}", self.names.topic())
    }

    /// Points the process function at another topic.
    pub fn set_topic(&self, arn: &str) {
        self.set_variable(Function::Process, "SNS_TOPIC_ARN", arn);
    }

    pub fn set_variable(&self, function: Function, name: &str, value: &str) {
        self.set_variables(function, &[(name.to_owned(), value.to_owned())]);
    }

    pub fn set_variables(&self, function: Function, set: &[(String, String)]) {
        let lambda = aws_sdk_lambda::Client::new(&self.world.config);
        let function = self.names.function(function);
        self.block_on(async {
            let found =
                lambda.get_function_configuration().function_name(&function).send().await.expect("the function");
            let mut variables = found.environment.and_then(|e| e.variables).unwrap_or_default();
            variables.extend(set.iter().cloned());
            let environment = aws_sdk_lambda::types::Environment::builder().set_variables(Some(variables)).build();
            let update = lambda.update_function_configuration().function_name(&function).environment(environment);
            update.send().await.expect("the variable is set");
        });
    }

    pub fn break_topic(&self) {
        self.set_topic(&format!("{}-that-does-not-exist", self.topic_arn()));
    }

    pub fn restore_topic(&self) {
        self.set_topic(&self.topic_arn());
    }

    pub fn invoke(&self, function: Function, payload: &Value) -> Result<Value, String> {
        let lambda = aws_sdk_lambda::Client::new(&self.world.config);
        let payload = aws_sdk_lambda::primitives::Blob::new(payload.to_string());
        let request = lambda.invoke().function_name(self.names.function(function)).payload(payload);
        let answer = self.block_on(request.send()).expect("the function is invoked");
        let body = text(answer.payload.as_ref().map(AsRef::as_ref).unwrap_or_default());
        match answer.function_error {
            None => Ok(serde_json::from_str(&body).expect("an answer")),
            Some(_) => Err(body),
        }
    }

    pub fn alarm_state(&self) -> String {
        let client = aws_sdk_cloudwatch::Client::new(&self.world.config);
        let answer = self.block_on(client.describe_alarms().alarm_names(self.names.alarm()).send()).expect("alarms");
        answer.metric_alarms()[0].state_value().expect("a state").as_str().to_owned()
    }
}

pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

pub fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Waits for something, and fails the test when it does not come.
pub fn wait<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_for(LIMIT, what, look)
}

pub fn wait_for<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
