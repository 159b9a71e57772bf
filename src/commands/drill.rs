use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use outbox::item::{Delivery, Status};
use outbox::names::Function;
use serde::Serialize;

use super::breaker::words::told;
use super::status::stack;
use crate::aws::lambda::{Answer, Lambda};
use crate::aws::sqs::Received;
use crate::cli::Output;
use crate::context::{Context, now_ms, pause};
use crate::error::{Doing, Error, Result};
use crate::ui::{Tone, Ui, View};

const TOPIC_VARIABLE: &str = "SNS_TOPIC_ARN";
/// Between two messages to a topic that does not exist, while the alarm is awaited.
const BAD_MESSAGE_EVERY: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa drill\n  disa drill --local\n\nThe drill sends test messages to the topic, points the process function at a topic that does\nnot exist, watches the breaker open, puts it right and watches everything being delivered.\nWhatever happens, the function's variable is put back and the temporary queue removed."
)]
pub struct Drill {}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    step: &'static str,
    held: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Drilled {
    passed: bool,
    steps: Vec<Step>,
}

/// The drill's own things, and what it has done so far.
struct Rig<'a> {
    context: &'a Context,
    lambda: Lambda,
    process: String,
    topic_arn: String,
    /// How long one step may take: CloudWatch looks at its alarms once a minute.
    patience: Duration,
    queue_url: Option<String>,
    subscription: Option<String>,
    ids: Vec<String>,
    received: Vec<Received>,
    broken: bool,
    steps: Vec<Step>,
}

impl Drill {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let mut rig = Rig::new(context).await?;
        let outcome = tokio::select! {
            outcome = rig.all() => outcome,
            _ = tokio::signal::ctrl_c() => Err(super::interrupted()),
            () = super::terminated() => Err(super::interrupted()),
        };
        let tidied = rig.tidy().await;
        let drilled = Drilled { passed: rig.steps.iter().all(|step| step.held), steps: rig.steps };
        if context.ui.output != Output::Table {
            context.ui.show(&drilled)?;
        }
        outcome?;
        tidied?;
        if !drilled.passed {
            return Err(
                Error::failed("the drill failed: a step does not hold").hint(format!("`{}`", context.again("status")))
            );
        }
        if context.ui.output == Output::Table {
            context.ui.show(&drilled)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl<'a> Rig<'a> {
    async fn new(context: &'a Context) -> Result<Rig<'a>> {
        stack(context).await?;
        refuse_a_hold(context).await?;
        let identity = context.account().await?;
        Ok(Rig {
            lambda: context.clients.lambda(),
            process: context.function(Function::Process),
            topic_arn: identity.arn(&context.clients.region, "sns", &context.names.topic()),
            patience: Duration::from_secs(if context.local { 60 } else { 420 }),
            context,
            queue_url: None,
            subscription: None,
            ids: vec![],
            received: vec![],
            broken: false,
            steps: vec![],
        })
    }

    /// All steps; ends at the first that does not hold.
    async fn all(&mut self) -> Result<()> {
        self.point_at_topic().await?;
        self.listen().await?;
        for stage in Stage::ALL {
            if !self.step(stage).await {
                break;
            }
        }
        Ok(())
    }

    async fn step(&mut self, stage: Stage) -> bool {
        let begin = Instant::now();
        let progress = self.context.ui.progress(stage.name(), None);
        let outcome = match stage {
            Stage::Ready => self.breaker_is_closed().await,
            Stage::Deliver => self.deliver().await,
            Stage::Fail => self.fail().await,
            Stage::Open => self.open().await,
            Stage::HoldBack => self.hold_back().await,
            Stage::Close => self.close().await,
            Stage::Recover => self.recover().await,
        };
        drop(progress);
        let step = Step {
            step: stage.name(),
            held: outcome.is_ok(),
            seconds: (begin.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            problem: outcome.err().map(|error| [vec![error.message], error.causes].concat().join(": ")),
        };
        if self.context.ui.output == Output::Table {
            // A reader that went away is told of at the end, when everything is put back.
            let _ = self.context.ui.print(&step.line(&self.context.ui));
        }
        let held = step.held;
        self.steps.push(step);
        held
    }

    /// A drill that was killed may have left the variable changed.
    async fn point_at_topic(&mut self) -> Result<()> {
        let variables = self.lambda.variables(&self.process).await.doing("read the process function's variables")?;
        if variables.and_then(|all| all.get(TOPIC_VARIABLE).cloned()).as_ref() != Some(&self.topic_arn) {
            self.context.ui.note("The process function's SNS_TOPIC_ARN was not the topic's: putting it right first");
            self.set_topic(&self.topic_arn.clone()).await?;
        }
        Ok(())
    }

    async fn set_topic(&self, arn: &str) -> Result<()> {
        let doing = "set the process function's SNS_TOPIC_ARN";
        let variables = self.lambda.variables(&self.process).await.doing(doing)?;
        let Some(mut variables) = variables else {
            return Err(Error::failed(format!("there is no function {}", self.process)));
        };
        variables.insert(TOPIC_VARIABLE.to_owned(), arn.to_owned());
        self.lambda.set_variables(&self.process, variables).await.doing(doing)?;
        let begin = Instant::now();
        while self.lambda.is_updating(&self.process).await.doing(doing)? && begin.elapsed() < self.patience {
            pause(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Subscribes a temporary queue to the topic.
    async fn listen(&mut self) -> Result<()> {
        let doing = "listen to the topic with a temporary queue";
        let (sqs, sns) = (self.context.clients.sqs(), self.context.clients.sns());
        let drill = ulid::Ulid::generate().to_string().to_lowercase();
        let name = format!("{}-{}-drill-{drill}", self.context.names.project, self.context.names.environment);
        let queue_arn = self.topic_arn.replace(":sns:", ":sqs:").replace(&self.context.names.topic(), &name);
        self.queue_url = Some(sqs.create_listener(&name, &queue_arn, &self.topic_arn).await.doing(doing)?);
        self.subscription = Some(sns.subscribe_queue(&self.topic_arn, &queue_arn).await.doing(doing)?);
        Ok(())
    }

    async fn breaker_is_closed(&mut self) -> Result<()> {
        match self.alarm_is_open().await? {
            false => Ok(()),
            true => Err(Error::failed(
                "it is open: SNS takes nothing, or the last drill was broken off; `disa retry now` probes",
            )),
        }
    }

    async fn deliver(&mut self) -> Result<()> {
        let id = self.put().await?;
        self.becomes(&id, Status::Successful).await?;
        self.arrives(&id).await
    }

    async fn fail(&mut self) -> Result<()> {
        self.broken = true;
        self.set_topic(&format!("{}-that-does-not-exist", self.topic_arn)).await?;
        let id = self.put().await?;
        self.becomes(&id, Status::Failure).await
    }

    /// A good datapoint in the alarm's period keeps it from opening: bad ones follow until it does.
    async fn open(&mut self) -> Result<()> {
        let begin = Instant::now();
        let mut last = Instant::now();
        while !self.alarm_is_open().await? {
            self.check_patience(begin, "the alarm does not go to ALARM")?;
            if last.elapsed() > BAD_MESSAGE_EVERY {
                self.put().await?;
                last = Instant::now();
            }
            pause(Duration::from_millis(300)).await;
        }
        Ok(())
    }

    async fn hold_back(&mut self) -> Result<()> {
        let id = self.put().await?;
        self.becomes(&id, Status::Failure).await?;
        let delivery = self.delivery(&id).await?;
        let code = delivery.and_then(|d| d.last_error).map(|error| error.code).unwrap_or_default();
        match code.as_str() {
            "BreakerOpen" => Ok(()),
            other => Err(Error::failed(format!("the item was tried all the same, and failed with {other}"))),
        }
    }

    async fn close(&mut self) -> Result<()> {
        self.set_topic(&self.topic_arn.clone()).await?;
        self.broken = false;
        let begin = Instant::now();
        while self.alarm_is_open().await? {
            self.check_patience(begin, "the alarm does not go back to OK")?;
            self.retry().await?;
            pause(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    async fn recover(&mut self) -> Result<()> {
        self.retry().await?;
        for id in self.ids.clone() {
            self.becomes(&id, Status::Successful).await?;
            self.arrives(&id).await?;
        }
        let twice = self.ids.iter().find(|id| self.received.iter().filter(|message| message.is(id)).count() > 1);
        match twice {
            None => Ok(()),
            Some(id) => Err(Error::failed(format!("the item {id} arrived more than once"))),
        }
    }

    /// An item with nothing but `sequenceNo` and `message`, as a person makes it in the console.
    async fn put(&mut self) -> Result<String> {
        let id = format!("drill-{}", ulid::Ulid::generate());
        let table = self.context.names.table();
        let doing = "put an item by hand";
        self.context.clients.dynamodb().put_by_hand(&table, &id, "A drill of Disa.").await.doing(doing)?;
        self.ids.push(id.clone());
        Ok(id)
    }

    async fn retry(&self) -> Result<()> {
        let request = serde_json::json!({ "select": "ids", "ids": self.ids });
        let function = self.context.function(Function::Retry);
        match self.lambda.invoke(&function, &request).await.doing("invoke the retry function")? {
            Answer::Done(_) => Ok(()),
            Answer::Failed(why) => Err(Error::failed("the retry function failed").because(why)),
        }
    }

    async fn alarm_is_open(&self) -> Result<bool> {
        let alarm = self.context.clients.cloudwatch().alarm(&self.context.names.alarm()).await;
        Ok(alarm.doing("look at the alarm")?.is_some_and(|alarm| alarm.is_open()))
    }

    async fn delivery(&self, id: &str) -> Result<Option<Delivery>> {
        let item = self.context.table().get(id).await.doing("look at the item")?;
        Ok(item.as_ref().and_then(Delivery::of))
    }

    async fn becomes(&self, id: &str, status: Status) -> Result<()> {
        let begin = Instant::now();
        while !self.delivery(id).await?.is_some_and(|delivery| delivery.is(status)) {
            self.check_patience(begin, &format!("the item {id} does not become {status}"))?;
            pause(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn arrives(&mut self, id: &str) -> Result<()> {
        let begin = Instant::now();
        let url = self.queue_url.clone().unwrap_or_default();
        while !self.received.iter().any(|message| message.is(id)) {
            self.check_patience(begin, &format!("the item {id} does not arrive at the topic's subscriber"))?;
            let received = self.context.clients.sqs().take(&url, 1).await.doing("read the temporary queue")?;
            self.received.extend(received);
        }
        Ok(())
    }

    fn check_patience(&self, begin: Instant, problem: &str) -> Result<()> {
        match begin.elapsed() > self.patience {
            true => Err(Error::failed(format!("{problem} in {} s", self.patience.as_secs()))),
            false => Ok(()),
        }
    }

    /// Puts everything back; tries each thing, and tells of the first that does not go.
    async fn tidy(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        if self.broken {
            let restored = self.set_topic(&self.topic_arn.clone()).await;
            outcome = outcome.and(restored.map_err(|error| {
                error.hint(format!(
                    "put SNS_TOPIC_ARN of {} back to {}, or run the drill again",
                    self.process, self.topic_arn
                ))
            }));
        }
        if let Some(arn) = &self.subscription {
            let done = self.context.clients.sns().unsubscribe(arn).await;
            outcome = outcome.and(done.doing(&format!("remove the temporary subscription {arn}")));
        }
        if let Some(url) = &self.queue_url {
            let done = self.context.clients.sqs().delete(url).await;
            outcome = outcome.and(done.doing(&format!("remove the temporary queue {url}")));
        }
        let (dynamodb, table) = (self.context.clients.dynamodb(), self.context.names.table());
        for id in &self.ids {
            let done = dynamodb.delete_by_hand(&table, id).await;
            outcome = outcome.and(done.doing(&format!("delete the drill's item {id}")));
        }
        outcome
    }
}

/// A breaker that somebody holds proves nothing, and is not the drill's to release.
async fn refuse_a_hold(context: &Context) -> Result<()> {
    let alarm = context.clients.cloudwatch().alarm(&context.names.alarm()).await.doing("look at the alarm")?;
    match alarm.and_then(|alarm| alarm.hold) {
        None => Ok(()),
        Some(hold) => Err(Error::failed("the breaker is held: a drill would prove nothing")
            .because(told(&hold, now_ms()))
            .hint(format!("wait, or end the hold: `{}`", context.again("breaker release")))),
    }
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Ready,
    Deliver,
    Fail,
    Open,
    HoldBack,
    Close,
    Recover,
}

impl Stage {
    const ALL: [Stage; 7] =
        [Stage::Ready, Stage::Deliver, Stage::Fail, Stage::Open, Stage::HoldBack, Stage::Close, Stage::Recover];

    fn name(self) -> &'static str {
        match self {
            Stage::Ready => "the breaker is closed",
            Stage::Deliver => "an item put by hand becomes Successful and arrives",
            Stage::Fail => "with a topic that does not exist an item becomes Failure",
            Stage::Open => "the alarm goes to ALARM: the breaker opens",
            Stage::HoldBack => "while it is open nothing is sent, and an item waits",
            Stage::Close => "with the topic restored a probe closes the breaker",
            Stage::Recover => "the retry delivers everything, each item once",
        }
    }
}

impl Received {
    fn is(&self, id: &str) -> bool {
        self.attributes.get(outbox::message::ID_ATTRIBUTE).is_some_and(|found| found == id)
    }
}

impl Step {
    fn line(&self, ui: &Ui) -> String {
        let mark = if self.held { ui.paint(Tone::Good, "ok  ") } else { ui.paint(Tone::Bad, "FAIL") };
        let problem = self.problem.as_ref().map(|problem| format!("\n      {problem}")).unwrap_or_default();
        format!("{mark}  {} ({} s){problem}", self.step, self.seconds)
    }
}

impl View for Drilled {
    fn text(&self, ui: &Ui) -> String {
        ui.paint(Tone::Good, "The drill passed: nothing was lost, nothing is stuck.")
    }
}
