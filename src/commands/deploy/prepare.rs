//! The first half of a deployment: everything up to a change set that could be executed.

use std::collections::BTreeMap;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::alarms_key::check_alarms_key;
use super::artifacts::{ensure_bucket, upload};
use super::change_set::{discard, plan};
use super::pace::patiently;
use crate::aws::change_set::Wanted;
use crate::aws::cloudformation::Stack;
use crate::aws::kms::Key;
use crate::commands::chosen::Chosen;
use crate::commands::doctor::{Intent, codes, preflight};
use crate::commands::gc;
use crate::context::Context;
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::bundle::{self, Bundle};
use crate::stack::doctor::Code;
use crate::stack::plan::Plan;
use crate::stack::{functions, parameters};

/// What is to be deployed.
#[derive(Args, Debug)]
pub struct Setup {
    /// Encrypt with this key of yours (id, ARN or alias); else the stack makes one
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    /// Bucket of the artifacts; made if it is missing
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Where the artifacts lie in the bucket
    #[arg(long, value_name = "PREFIX", default_value = "0066-disa", value_parser = prefix)]
    prefix: String,
    /// Build the functions for another target, as `aarch64-unknown-linux-gnu`
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Go on in spite of what this check of `disa doctor` finds; may be repeated
    #[arg(long, value_name = "CODE", value_parser = Code::parse, add = ArgValueCandidates::new(codes))]
    ignore: Vec<Code>,
}

/// A deployment that only needs to be executed.
pub struct Prepared {
    pub create: bool,
    /// `None` when nothing changes.
    pub change_set: Option<String>,
    pub plan: Plan,
    account: String,
    bucket: String,
    prefix: String,
    bundle: Bundle,
}

impl Setup {
    /// Judges the parameters by the template, before anything is asked of AWS.
    pub fn check(&self, context: &Context) -> Result<()> {
        self.chosen.texts(&context.settings).map(|_| ())
    }

    /// Uploads the artifacts and has the change set worked out. `stack` is the one that is to be updated.
    pub async fn prepare(self, context: &Context, stack: Option<&Stack>) -> Result<Prepared> {
        let values = self.chosen.texts(&context.settings)?;
        context.when_interrupted(
            Error::new(Kind::Interrupted, "interrupted; the stack is as it was")
                .hint("run the command again: what is uploaded already is not uploaded again"),
        );
        let identity = context.account().await?;
        let set: Vec<(String, String)> = values.clone().into_iter().collect();
        let intent = Intent {
            kms_key: self.kms_key.as_deref(),
            bucket: self.bucket.as_deref(),
            set: &set,
            target: self.target.as_deref(),
        };
        preflight(context, intent, &self.ignore).await?;
        let key = match &self.kms_key {
            Some(id) => Some(context.clients.kms().key(id).await.doing(&format!("look at the key {id}"))?),
            None => None,
        };
        let chosen = chosen(context, stack.is_none(), key.as_ref(), values).await?;
        let deployed = stack.map(|stack| &stack.parameters);
        if let Some(key) = parameters::key_of_alarm_topic(deployed, &chosen) {
            check_alarms_key(context, &identity, key).await?;
        }
        let build = functions::Build { quick: context.local, target: self.target.as_deref() };
        let code = functions::code(build, &context.ui).await?;
        let bundle = bundle::bundle(&self.prefix, &code);
        let bucket = self.bucket.unwrap_or_else(|| context.names.bucket(&identity.account, &context.clients.region));
        ensure_bucket(context, &identity, &bucket).await?;
        upload(context, &identity, &bucket, &bundle).await?;
        let parameters = parameters::merge(deployed, required(context, &bucket, &bundle), chosen);
        let wanted = Wanted {
            stack: &context.names.stack(),
            template_url: &template_url(&context.clients.region, &bucket, &bundle.root_key),
            parameters: &parameters,
            tags: &tags(context),
            create: stack.is_none(),
            with_nested: false,
        };
        let (change_set, plan) = plan(context, wanted, deployed).await?;
        let (create, account, prefix) = (stack.is_none(), identity.account, self.prefix);
        Ok(Prepared { create, change_set, plan, account, bucket, prefix, bundle })
    }
}

/// The parameters that were asked for, and on a first deployment those that the place demands.
async fn chosen(
    context: &Context,
    create: bool,
    key: Option<&Key>,
    values: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut chosen = BTreeMap::new();
    if create {
        chosen.extend(left_behind(context).await?);
        if context.local {
            let (name, value) = parameters::LOCAL_PERIOD;
            chosen.insert(name.to_owned(), value.to_owned());
            // Its alarms ignore dimensions: metrics of its own keep a deployment's alarms from another's.
            let own = format!("{}-{}-", context.names.project, context.names.environment);
            chosen.insert("MetricName".to_owned(), format!("{own}sns-send-status-code"));
            chosen.insert("MetricPrefix".to_owned(), own);
        }
    }
    if let Some(key) = key {
        chosen.insert("KmsMasterKeyId".to_owned(), key.arn.clone());
    }
    chosen.extend(values);
    Ok(chosen)
}

impl Prepared {
    /// Notes what a deployment that went well has used.
    pub async fn record(&self, context: &Context) {
        gc::record(context, &self.account, &self.bucket, &self.prefix, &self.bundle).await;
    }

    /// Takes the change set back; the shell of a stack that was to be created goes with it.
    pub async fn discard(&self, context: &Context) -> Result<()> {
        let cloudformation = context.clients.cloudformation();
        if let Some(arn) = &self.change_set {
            discard(&cloudformation, arn).await?;
        }
        if self.create {
            let name = context.names.stack();
            let shell = patiently(|| cloudformation.stack(&name)).await.doing("look at the stack")?;
            if shell.is_some_and(|shell| shell.status == "REVIEW_IN_PROGRESS") {
                cloudformation.delete_stack(&name).await.doing("delete the stack's empty shell")?;
            }
        }
        Ok(())
    }
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
pub fn template_url(region: &str, bucket: &str, key: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://s3.{region}.{suffix}/{bucket}/{key}")
}

pub fn prefix(text: &str) -> std::result::Result<String, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if plain && !text.is_empty() && !text.starts_with('/') && !text.ends_with('/') {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, `-`, `_`, `.` and inner `/`".to_owned())
    }
}
