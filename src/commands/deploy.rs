use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::aws::cloudformation::{ChangeSet, CloudFormation, Output, Stack, Wanted};
use crate::aws::s3::{Bucket, S3};
use crate::aws::{Identity, kms::Key};
use crate::complete;
use crate::context::{Context, now_ms, pause};
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::bundle::{self, Bundle};
use crate::stack::status::{Next, next};
use crate::stack::{functions, key_policy, parameters};
use crate::ui::table::facts;
use crate::ui::{Ui, View};

mod follow;

pub use follow::follow;

/// Uploads under way at once.
const UPLOADS: usize = 6;
const CHANGE_SET_LIMIT: Duration = Duration::from_secs(600);

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa deploy --local\n  disa deploy --profile mine --region eu-west-1\n  disa deploy --env prod --kms-key alias/mine --set RetentionSeconds=604800\n  disa deploy --target aarch64-unknown-linux-gnu"
)]
pub struct Deploy {
    /// Encrypt with this key of yours (id, ARN or alias); else the stack makes one
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,
    /// Set a parameter of the stack; what is not set keeps its deployed value
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parameters::assignment, add = ArgValueCompleter::new(complete::parameters))]
    set: Vec<(String, String)>,
    /// Bucket of the artifacts; made if it is missing
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Where the artifacts lie in the bucket
    #[arg(long, value_name = "PREFIX", default_value = "0066-disa", value_parser = prefix)]
    prefix: String,
    /// Build the functions for another target, as `aarch64-unknown-linux-gnu`
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Deployed {
    stack: String,
    status: String,
    changed: bool,
    outputs: Vec<Output>,
}

impl Deploy {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let identity = context.account().await?;
        let name = context.names.stack();
        let cloudformation = context.clients.cloudformation();
        let doing_look = format!("look at the stack {name}");
        let stack = cloudformation.stack(&name).await.doing(&doing_look)?;
        let then = check(&name, stack.as_ref(), context)?;
        let key = match &self.kms_key {
            Some(id) => Some(usable_key(context, &identity, id).await?),
            None => None,
        };
        let create = then != Next::Update;
        let deployed = stack.as_ref().filter(|_| !create).map(|stack| &stack.parameters);
        let chosen = self.chosen(context, create, key.as_ref()).await?;
        if let Some(key) = parameters::key_of_alarm_topic(deployed, &chosen) {
            check_alarms_key(context, &identity, key).await?;
        }
        let build = functions::Build { quick: context.local, target: self.target.as_deref() };
        let code = functions::code(build, &context.ui).await?;
        let bundle = bundle::bundle(&self.prefix, &code);
        let bucket =
            self.bucket.clone().unwrap_or_else(|| context.names.bucket(&identity.account, &context.clients.region));
        ensure_bucket(context, &identity, &bucket).await?;
        upload(context, &identity, &bucket, &bundle).await?;
        if then == Next::Recreate {
            remove_unborn(&cloudformation, &name, &context.ui).await?;
        }
        let wanted = Wanted {
            stack: &name,
            template_url: &template_url(context, &bucket, &bundle.root_key),
            parameters: &parameters::merge(deployed, required(context, &bucket, &bundle), chosen),
            tags: &tags(context),
            create,
        };
        let changed = change(context, &cloudformation, &wanted).await?;
        let stack = cloudformation.stack(&name).await.doing(&doing_look)?;
        let Some(stack) = stack else { return Err(Error::failed(format!("the stack {name} is gone"))) };
        context.ui.note(if changed { "Deployed" } else { "Nothing has changed: the stack is as it should be" });
        context.ui.show(&Deployed { stack: name, status: stack.status, changed, outputs: stack.outputs })?;
        Ok(ExitCode::SUCCESS)
    }

    /// The parameters that were asked for, and on a first deployment those that the place demands.
    async fn chosen(&self, context: &Context, create: bool, key: Option<&Key>) -> Result<BTreeMap<String, String>> {
        let mut chosen = BTreeMap::new();
        if create {
            chosen.extend(left_behind(context).await?);
            if context.local {
                // The engine judges the alarm by the datapoints of one period: a short one makes it lively.
                chosen.insert("AlarmPeriodInSeconds".to_owned(), "10".to_owned());
                // Its alarms ignore dimensions: metrics of its own keep a deployment's alarms from another's.
                let own = format!("{}-{}-", context.names.project, context.names.environment);
                chosen.insert("MetricName".to_owned(), format!("{own}sns-send-status-code"));
                chosen.insert("MetricPrefix".to_owned(), own);
            }
        }
        if let Some(key) = key {
            chosen.insert("KmsMasterKeyId".to_owned(), key.arn.clone());
        }
        chosen.extend(self.set.iter().cloned());
        Ok(chosen)
    }
}

fn check(name: &str, stack: Option<&Stack>, context: &Context) -> Result<Next> {
    if let Some(stack) = stack
        && stack.status != "DELETE_COMPLETE"
        && stack.tags.get("ProjectName") != Some(&context.names.project)
    {
        return Err(Error::new(Kind::Access, format!("the stack {name} was not made by `disa deploy`"))
            .hint("take another name: `--project NAME`"));
    }
    let status = stack.map(|stack| stack.status.as_str());
    match next(status) {
        Next::Wait => {
            Err(Error::failed(format!("another operation runs on the stack {name}: it is {}", status.unwrap_or("")))
                .hint("wait for its end, then deploy again; `disa status` shows it"))
        }
        Next::Stuck(advice) => {
            Err(Error::failed(format!("the stack {name} permits no update: it is {}", status.unwrap_or("")))
                .hint(advice))
        }
        then => Ok(then),
    }
}

/// The operator's own key, if it will do; else the error says what to change about it.
async fn usable_key(context: &Context, identity: &Identity, id: &str) -> Result<Key> {
    let kms = context.clients.kms();
    let key = kms.key(id).await.doing(&format!("look at the key {id}"))?;
    let refuse = |why: String| Error::new(Kind::Access, format!("the key {id} will not do: {why}"));
    if key.state != "Enabled" {
        return Err(refuse(format!("it is {}", key.state)).hint("enable it: `aws kms enable-key`"));
    }
    if key.spec != "SYMMETRIC_DEFAULT" {
        return Err(refuse(format!("it is {}, and AWS services need a symmetric one", key.spec)));
    }
    if !key.customer_managed {
        return Err(refuse("AWS manages it, and its policy cannot let the log service in".to_owned()));
    }
    let region = &context.clients.region;
    if key.arn.split(':').nth(3) != Some(region) || key.arn.split(':').nth(4) != Some(identity.account.as_str()) {
        return Err(refuse(format!("it is {}, in another region or account", key.arn)));
    }
    let policy = kms.policy(&key.arn).await.doing(&format!("read the policy of the key {id}"))?;
    if !key_policy::delegates_to_account(&policy, &identity.account) {
        context.ui.warn(&format!(
            "the policy of the key {id} does not delegate to the account: it must name the functions' roles itself"
        ));
    }
    if !context.local && !key_policy::lets_logs_in(&policy, region) {
        let names = &context.names;
        let statement = key_policy::logs_statement(
            &identity.partition,
            region,
            &identity.account,
            &names.project,
            &names.environment,
        );
        let statement = serde_json::to_string_pretty(&statement).unwrap_or_default();
        return Err(refuse("its policy does not let CloudWatch Logs encrypt".to_owned())
            .hint(format!("add this statement to the key's policy:\n{statement}")));
    }
    Ok(key)
}

/// Mails about alarms would stay away silently if the key of their topic did not let CloudWatch in.
async fn check_alarms_key(context: &Context, identity: &Identity, arn: &str) -> Result<()> {
    if context.local {
        return Ok(());
    }
    let policy = context.clients.kms().policy(arn).await.doing(&format!("read the policy of the key {arn}"))?;
    if key_policy::lets_alarms_in(&policy) {
        return Ok(());
    }
    let (names, region) = (&context.names, &context.clients.region);
    let statement = key_policy::alarms_statement(
        &identity.partition,
        region,
        &identity.account,
        &names.project,
        &names.environment,
    );
    let statement = serde_json::to_string_pretty(&statement).unwrap_or_default();
    Err(Error::new(Kind::Access, format!("the policy of the key {arn} does not let the alarms tell the AlarmEmail"))
        .hint(format!("add this statement to the key's policy:\n{statement}")))
}

async fn ensure_bucket(context: &Context, identity: &Identity, name: &str) -> Result<()> {
    let s3 = context.clients.s3();
    let doing = format!("make the bucket {name}");
    let state = s3.bucket(name, &identity.account).await.doing(&format!("look at the bucket {name}"))?;
    match state {
        Bucket::Ready => return Ok(()),
        Bucket::NotOurs => {
            return Err(Error::new(
                Kind::Access,
                format!("the bucket {name} is not this account's, or may not be used"),
            )
            .hint("take another one: `disa deploy --bucket NAME`"));
        }
        Bucket::Missing => s3.create_bucket(name).await.doing(&doing)?,
        Bucket::Unfinished => {}
    }
    s3.secure_bucket(name, &identity.partition).await.doing(&doing)?;
    context.ui.note(&format!("Made the bucket {name}: private, encrypted, versioned, TLS only"));
    Ok(())
}

/// Uploads what the bucket does not have yet.
async fn upload(context: &Context, identity: &Identity, bucket: &str, bundle: &Bundle) -> Result<()> {
    let s3: &S3 = &context.clients.s3();
    let account = identity.account.as_str();
    let progress = context.ui.progress("uploading", Some(bundle.artifacts.len() as u64));
    let progress = &progress;
    let uploaded: Vec<bool> = stream::iter(&bundle.artifacts)
        .map(|artifact| async move {
            let doing = format!("upload {} to the bucket {bucket}", artifact.key);
            let there = s3.exists(bucket, &artifact.key, account).await.doing(&doing)?;
            if !there {
                s3.put_new(bucket, &artifact.key, account, artifact.bytes.clone()).await.doing(&doing)?;
            }
            progress.advance(1);
            Ok::<bool, Error>(!there)
        })
        .buffer_unordered(UPLOADS)
        .try_collect()
        .await?;
    let new = uploaded.iter().filter(|new| **new).count();
    context.ui.note(&format!("Uploaded {new} of {} artifacts; the others were there", uploaded.len()));
    Ok(())
}

/// Removes a stack in which nothing is: its creation was rolled back, or never begun.
async fn remove_unborn(cloudformation: &CloudFormation, name: &str, ui: &Ui) -> Result<()> {
    ui.note("Removing what is left of an earlier attempt to create the stack");
    let doing = format!("delete the stack {name}");
    cloudformation.delete_stack(name).await.doing(&doing)?;
    let begin = Instant::now();
    while let Some(stack) = cloudformation.stack(name).await.doing(&doing)? {
        if stack.status == "DELETE_COMPLETE" {
            break;
        }
        if stack.status == "DELETE_FAILED" || begin.elapsed() > CHANGE_SET_LIMIT {
            return Err(Error::failed(format!("cannot delete the stack {name}: it is {}", stack.status)));
        }
        pause(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// A message table that an earlier stack left behind is taken over, with its key.
async fn left_behind(context: &Context) -> Result<BTreeMap<String, String>> {
    let name = context.names.table();
    let table = context.clients.dynamodb().table(&name).await.doing(&format!("look for the table {name}"))?;
    let Some(table) = table else { return Ok(BTreeMap::new()) };
    let Some(stream) = table.stream_arn else {
        return Err(Error::failed(format!("the table {name} exists and has no stream"))
            .hint("enable its stream (NEW_IMAGE), or take another name: `--project NAME`"));
    };
    context.ui.note(&format!("Taking over the table {name}, which an earlier stack left behind"));
    let mut found = BTreeMap::from([("ExistingTableStreamArn".to_owned(), stream)]);
    found.extend(table.kms_key_arn.map(|arn| ("KmsMasterKeyId".to_owned(), arn)));
    Ok(found)
}

fn required(context: &Context, bucket: &str, bundle: &Bundle) -> BTreeMap<String, String> {
    let mut required = bundle.parameters.clone();
    required.insert("ProjectName".to_owned(), context.names.project.clone());
    required.insert("Environment".to_owned(), context.names.environment.clone());
    required.insert("CodeRepositoryBucket".to_owned(), bucket.to_owned());
    required
}

fn tags(context: &Context) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("ProjectName".to_owned(), context.names.project.clone()),
        ("Environment".to_owned(), context.names.environment.clone()),
    ])
}

/// Path-style and regional, as the nested ones.
fn template_url(context: &Context, bucket: &str, key: &str) -> String {
    let region = &context.clients.region;
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://s3.{region}.{suffix}/{bucket}/{key}")
}

/// Makes the change set and executes it; `false` when it holds no change.
async fn change(context: &Context, cloudformation: &CloudFormation, wanted: &Wanted<'_>) -> Result<bool> {
    let name = wanted.stack;
    let change_set = format!("disa-{}", ulid::Ulid::generate().to_string().to_lowercase());
    let progress = context.ui.progress("working the change set out", None);
    let arn = cloudformation.create_change_set(&change_set, wanted).await.doing("create the change set")?;
    let begin = Instant::now();
    loop {
        match cloudformation.change_set(&arn).await.doing("look at the change set")? {
            ChangeSet::Ready => break,
            ChangeSet::NothingChanged => {
                // It would stand in the stack's list for ever.
                cloudformation.delete_change_set(&arn).await.doing("delete the empty change set")?;
                return Ok(false);
            }
            ChangeSet::Failed(reason) => {
                return Err(Error::failed(format!("CloudFormation refuses the change of {name}")).because(reason));
            }
            ChangeSet::Working if begin.elapsed() > CHANGE_SET_LIMIT => {
                return Err(Error::new(Kind::TimedOut, "the change set was not worked out in 10 minutes"));
            }
            ChangeSet::Working => pause(poll_interval(context)).await,
        }
    }
    drop(progress);
    let since = now_ms() - 2_000;
    cloudformation.execute_change_set(&arn).await.doing("execute the change set")?;
    let verb = if wanted.create { "create" } else { "update" };
    follow(context, name, since, verb).await?;
    Ok(true)
}

/// CloudFormation allows few describe calls a second; the local engine is done in one.
pub fn poll_interval(context: &Context) -> Duration {
    Duration::from_millis(if context.local { 200 } else { 2_000 })
}

fn prefix(text: &str) -> std::result::Result<String, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if plain && !text.is_empty() && !text.starts_with('/') && !text.ends_with('/') {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, `-`, `_`, `.` and inner `/`".to_owned())
    }
}

impl View for Deployed {
    fn text(&self, _: &Ui) -> String {
        facts(self.outputs.iter().map(|output| (output.name.as_str(), output.value.clone())).collect())
    }
}
