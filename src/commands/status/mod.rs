mod view;
mod watch;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use outbox::item::{SHARDS, Status as SendStatus};
use outbox::names::{Alarm as Name, Function};
use serde::Serialize;

use crate::aws::cloudwatch::{Alarm, Watch};
use crate::aws::scheduler::Schedule;
use crate::aws::sfn::Execution;
use crate::commands::breaker::words::{effect, told};
use crate::context::{Context, now_ms};
use crate::error::{Doing, Error, Result};
use crate::outbox::backlog::Backlog;
use crate::outbox::input;

/// Backlog shards read at once.
const CONCURRENCY: usize = 16;
/// Executions looked at.
const EXECUTIONS: i32 = 100;
/// Executions listed.
const LISTED: usize = 5;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa status\n  disa status --watch\n  disa status --watch --interval 30s -o jsonl >> status.jsonl\n\nThe view needs a terminal of 80 columns and 24 lines; without a terminal each look is printed."
)]
pub struct Status {
    /// Look again and again, in a view of the whole terminal
    #[arg(long)]
    pub watch: bool,
    /// With --watch: how often (2s)
    #[arg(long, value_name = "TIME", default_value = "2s", hide_default_value = true, requires = "watch", value_parser = input::seconds)]
    interval: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusView {
    stack: StackView,
    backlog: Backlog,
    /// The breaker.
    alarm: Option<Alarm>,
    /// The other alarms that are there, by the words of `disa alarm show`.
    alarms: BTreeMap<&'static str, Alarm>,
    /// What one of them watches: the functions' other metrics lie beside it.
    #[serde(skip)]
    beside: Option<Watch>,
    schedule: Option<Schedule>,
    executions: Executions,
    dead_letters: DeadLetters,
    unconfirmed_email: Vec<String>,
    /// What stands in the way of deliveries, in words.
    findings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StackView {
    name: String,
    status: String,
    region: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Executions {
    /// Among the latest hundred.
    by_status: BTreeMap<String, usize>,
    latest: Vec<Execution>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetters {
    /// `null` when the queue is missing.
    stream: Option<u64>,
    schedule: Option<u64>,
}

impl Status {
    pub async fn run(&self, context: &Context) -> Result<ExitCode> {
        let interval = Duration::from_secs(self.interval.max(1));
        match self.watch {
            false => context.ui.show(&look(context).await?)?,
            true if context.ui.can_fill_screen() => watch::on_terminal(context, interval).await?,
            true => watch::printed(context, interval).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The stack's record, or the error that says how to get one.
pub async fn stack(context: &Context) -> Result<crate::aws::cloudformation::Stack> {
    let name = context.names.stack();
    let stack = context.clients.cloudformation().stack(&name).await.doing(&format!("look at the stack {name}"))?;
    stack.filter(|stack| stack.status != "DELETE_COMPLETE").ok_or_else(|| {
        Error::failed(format!("there is no stack {name} in {}", context.clients.region))
            .hint(format!("deploy it: `{}`", context.again("deploy")))
    })
}

async fn look(context: &Context) -> Result<StatusView> {
    let (names, clients) = (&context.names, &context.clients);
    let found = stack(context).await?;
    let identity = context.account().await?;
    let topic_arn = identity.arn(&clients.region, "sns", &names.topic());
    let state_machine_arn = identity.arn(&clients.region, "states", &format!("stateMachine:{}", names.state_machine()));
    let (alarm_names, schedule_name) = (Name::ALL.map(|alarm| names.alarm_of(alarm)), names.schedule());
    let (stream_queue, schedule_queue) = (names.stream_dead_letters(), names.schedule_dead_letters());
    let (cloudwatch, scheduler, sfn, sqs, sns, lambda) =
        (clients.cloudwatch(), clients.scheduler(), clients.sfn(), clients.sqs(), clients.sns(), clients.lambda());
    let process = context.function(Function::Process);
    let backlog = backlog(context);
    let alarms = async { cloudwatch.alarms(&alarm_names).await.doing("look at the alarms") };
    let schedule = async { scheduler.schedule(&schedule_name).await.doing("look at the schedule") };
    let executions = async { sfn.latest(&state_machine_arn, EXECUTIONS).await.doing("list the executions") };
    let stream_depth = async { sqs.depth(&stream_queue).await.doing("look at the stream's dead letters") };
    let schedule_depth = async { sqs.depth(&schedule_queue).await.doing("look at the schedule's dead letters") };
    let emails = async {
        match sns.unconfirmed_emails(&topic_arn).await {
            // A topic that is missing is a finding, and no reason to show nothing.
            Err(error) if error.code.starts_with("NotFound") => Ok(None),
            answer => answer.map(Some).doing("list the topic's subscriptions"),
        }
    };
    let variables = async { lambda.variables(&process).await.doing("look at the process function") };
    let (backlog, alarms, schedule, executions, stream, schedule_letters, emails, variables) =
        tokio::try_join!(backlog, alarms, schedule, executions, stream_depth, schedule_depth, emails, variables)?;
    let mut findings = vec![];
    if emails.is_none() {
        findings.push(format!("the topic {} is missing", names.topic()));
    }
    let target = variables.as_ref().and_then(|all| all.get("SNS_TOPIC_ARN"));
    if target.is_some_and(|target| *target != topic_arn) {
        findings.push(format!(
            "the process function's SNS_TOPIC_ARN was changed by hand; `{}` puts it right",
            context.again("drill")
        ));
    }
    let executions = executions.unwrap_or_default();
    let one = |alarm| alarms.iter().find(|(found, _)| found.name == names.alarm_of(alarm));
    let others = Name::ALL.into_iter().filter(|alarm| *alarm != Name::Breaker);
    let mut view = StatusView {
        stack: StackView { name: names.stack(), status: found.status, region: clients.region.clone() },
        backlog,
        alarm: one(Name::Breaker).map(|(alarm, _)| alarm.clone()),
        alarms: others.filter_map(|other| Some((other.word(), one(other)?.0.clone()))).collect(),
        beside: one(Name::Oldest).map(|(_, watch)| watch.clone()),
        schedule,
        executions: summary(executions),
        dead_letters: DeadLetters { stream, schedule: schedule_letters },
        unconfirmed_email: emails.unwrap_or_default(),
        findings,
    };
    view.find(context);
    Ok(view)
}

/// Reads the whole backlog index: what is counted is what is there.
pub async fn backlog(context: &Context) -> Result<Backlog> {
    let table = context.names.table();
    let dynamodb = context.clients.dynamodb();
    let (table, dynamodb) = (&table, &dynamodb);
    let parts = SendStatus::BACKLOG.into_iter().flat_map(|status| (0..SHARDS).map(move |shard| (status, shard)));
    let sums: Vec<_> = stream::iter(parts)
        .map(|(status, shard)| async move {
            dynamodb.backlog_sum(table, status, shard).await.map(|sum| (status, sum.count, sum.oldest))
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
        .doing("count the backlog")?;
    Ok(Backlog::of(sums))
}

fn summary(executions: Vec<Execution>) -> Executions {
    let mut by_status = BTreeMap::new();
    for execution in &executions {
        *by_status.entry(execution.status.clone()).or_insert(0) += 1;
    }
    Executions { by_status, latest: executions.into_iter().take(LISTED).collect() }
}

impl StatusView {
    fn find(&mut self, context: &Context) {
        let mut say = |text: String| self.findings.push(text);
        match &self.alarm {
            None => say("the alarm is missing: nothing opens the breaker".to_owned()),
            Some(Alarm { hold: Some(hold), .. }) => {
                say(format!("{}: the breaker is {}", effect(hold.breaker), told(hold, now_ms())));
            }
            Some(Alarm { lost: true, .. }) => {
                say("the alarm's threshold was changed by hand: the breaker stays as it is".to_owned());
            }
            Some(alarm) if alarm.is_open() => {
                say("the breaker is open: SNS takes nothing, and one probe at a time goes out".to_owned());
            }
            Some(_) => {}
        }
        // What the others say of is looked at itself, below.
        if self.alarms.get(Name::Oldest.word()).is_some_and(Alarm::is_open) {
            say(format!(
                "a message waits too long, or the retry function does not run: `{}` says which",
                context.again("alarm show oldest")
            ));
        }
        match &self.schedule {
            None => say("the retry schedule is missing: nothing is sent again by itself".to_owned()),
            Some(schedule) if schedule.state != "ENABLED" => {
                say("the retry schedule is paused: nothing is sent again by itself".to_owned());
            }
            Some(_) => {}
        }
        if self.backlog.failure > 0 {
            say(format!(
                "{} failed, to be tried again: `{}` says why",
                self.backlog.failure,
                context.again("failed stats")
            ));
        }
        if self.backlog.dead > 0 {
            say(format!("{} dead: `{}` says why", self.backlog.dead, context.again("dead list")));
        }
        for (queue, depth) in [("stream", self.dead_letters.stream), ("schedule", self.dead_letters.schedule)] {
            match depth {
                None => say(format!("the dead letter queue of the {queue} is missing")),
                Some(0) => {}
                Some(depth) if queue == "stream" => {
                    say(format!("{depth} dead letters of the stream: `{}` settles them", context.again("reconcile")));
                }
                Some(depth) => say(format!(
                    "{depth} dead letters of the {queue}: a run of the schedule was lost, the next made up for it"
                )),
            }
        }
        for email in &self.unconfirmed_email {
            self.findings.push(format!("{email} has not confirmed the subscription"));
        }
    }
}
