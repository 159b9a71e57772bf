use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use outbox::EpochMs;
use outbox::names::{ENVIRONMENTS, Names};
use serde::Serialize;

use super::deploy::prefix;
use crate::aws::cloudformation::Stack;
use crate::aws::s3::{Bucket, Versions};
use crate::context::{Context, now_ms};
use crate::error::{Doing, Error, Kind, Result};
use crate::outbox::input;
use crate::stack::bundle::Bundle;
use crate::stack::garbage::{self, Live, Manifest, Object, manifests};
use crate::ui::table::table;
use crate::ui::text::{bytes, count, span};
use crate::ui::{Ui, View};

/// Manifests read at once.
const CONCURRENCY: usize = 8;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa gc --dry-run\n  disa gc --keep 10 --yes\n  disa gc --dry-run -o json | jq .bytes\n\nThe bucket is shared by all environments. Kept is what a stack that exists names, what one of the last\ndeployments of any stack used, and what is young.\nWhat goes is gone with all its versions."
)]
pub struct Gc {
    /// So many of the last deployments of each stack keep what they used
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    /// Keep what is younger: a deployment may be under way (1h)
    #[arg(long, value_name = "TIME", default_value = "1h", hide_default_value = true, value_parser = input::seconds)]
    older_than: u64,
    /// Bucket of the artifacts, if it is not the usual one
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Where the artifacts lie in the bucket
    #[arg(long, value_name = "PREFIX", default_value = "0066-disa", value_parser = prefix)]
    prefix: String,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Collected {
    bucket: String,
    prefix: String,
    dry_run: bool,
    removed: Vec<Removed>,
    /// Of all versions.
    bytes: u64,
    kept: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Removed {
    key: String,
    bytes: u64,
    modified: EpochMs,
}

/// What the bucket holds, and which of it can go.
struct Found {
    objects: BTreeMap<String, Versions>,
    free: BTreeSet<String>,
}

impl Gc {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let account = context.account().await?.account;
        let bucket = self.bucket.clone().unwrap_or_else(|| context.names.bucket(&account, &context.clients.region));
        let found = self.find(context, &account, &bucket).await?;
        let mut view = self.view(&bucket, &found);
        if self.dry_run || view.removed.is_empty() {
            context.ui.show(&view)?;
            return Ok(ExitCode::SUCCESS);
        }
        if !self.yes {
            confirm(context, &view)?;
        }
        // A question may stand for long, and a deployment may have begun since.
        let mut now = self.find(context, &account, &bucket).await?;
        now.free.retain(|key| found.free.contains(key));
        view = self.view(&bucket, &now);
        remove(context, &account, &bucket, &now.objects, |key| now.free.contains(key)).await?;
        context.ui.show(&view)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn find(&self, context: &Context, account: &str, bucket: &str) -> Result<Found> {
        let s3 = context.clients.s3();
        let state = s3.bucket(bucket, account).await.doing(&format!("look at the bucket {bucket}"))?;
        let objects = match state {
            Bucket::Missing => BTreeMap::new(),
            Bucket::NotOurs => {
                let why = format!("the bucket {bucket} is not this account's, or may not be used");
                return Err(Error::new(Kind::Access, why));
            }
            Bucket::Ready | Bucket::Unfinished => s3
                .versions(bucket, &format!("{}/", self.prefix), account)
                .await
                .doing(&format!("list the bucket {bucket}"))?,
        };
        let deploys = deploys(context, account, bucket, &self.prefix, &objects).await?;
        let live = live(context, &deploys).await?;
        let all: Vec<Object> = objects
            .iter()
            .map(|(key, versions)| Object { key: key.clone(), size: versions.size, modified: versions.modified })
            .collect();
        let before = now_ms() - i64::try_from(self.older_than).unwrap_or(i64::MAX / 1_000) * 1_000;
        let free = garbage::removable(&self.prefix, &all, &live, &deploys, usize::from(self.keep), before);
        let free = free.into_iter().map(|object| object.key.clone()).collect();
        Ok(Found { objects, free })
    }

    fn view(&self, bucket: &str, found: &Found) -> Collected {
        let removed = found.objects.iter().filter(|(key, _)| found.free.contains(*key));
        let removed: Vec<Removed> = removed
            .map(|(key, versions)| Removed { key: key.clone(), bytes: versions.size, modified: versions.modified })
            .collect();
        Collected {
            bucket: bucket.to_owned(),
            prefix: self.prefix.clone(),
            dry_run: self.dry_run,
            bytes: removed.iter().map(|object| object.bytes).sum(),
            kept: found.objects.len() - removed.len(),
            removed,
        }
    }
}

/// Notes beside the artifacts which of them a deployment used that has gone well. Without the note the next `gc`
/// keeps what the stack itself names.
pub async fn record(context: &Context, account: &str, bucket: &str, prefix: &str, bundle: &Bundle) {
    let keys = bundle.artifacts.iter().map(|artifact| artifact.key.clone()).collect();
    let manifest = Manifest { stack: context.names.stack(), time: now_ms(), keys };
    let Ok(bytes) = serde_json::to_vec_pretty(&manifest) else { return };
    if let Err(error) = context.clients.s3().put_new(bucket, &manifest.key(prefix), account, bytes).await {
        context.ui.warn(&format!("what was deployed could not be noted for `disa gc`: {error}"));
    }
}

/// Reads the notes of all good deployments. One that cannot be read is an error: it may name what is needed.
async fn deploys(
    context: &Context,
    account: &str,
    bucket: &str,
    prefix: &str,
    objects: &BTreeMap<String, Versions>,
) -> Result<Vec<Manifest>> {
    let s3 = &context.clients.s3();
    let folder = manifests(prefix);
    let keys = objects.keys().filter(|key| key.starts_with(&folder));
    let read = |key: &String| {
        let key = key.clone();
        async move {
            let doing = format!("read {key} in the bucket {bucket}");
            let Some(bytes) = s3.get(bucket, &key, account).await.doing(&doing)? else { return Ok(None) };
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Error::failed(format!("cannot {doing}")).because(error).hint("nothing was removed"))
        }
    };
    let read: Vec<Option<Manifest>> = stream::iter(keys).map(read).buffer_unordered(CONCURRENCY).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

/// The stacks that exist, of all environments of the project and of all that were ever deployed from the bucket.
pub async fn stacks<'a>(context: &Context, deployed: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, Stack>> {
    let own = ENVIRONMENTS.map(|environment| Names { environment: environment.to_owned(), ..context.names.clone() });
    let mut names: BTreeSet<String> = own.iter().map(Names::stack).collect();
    names.extend(deployed.map(str::to_owned));
    let (cloudformation, mut existing) = (context.clients.cloudformation(), BTreeMap::new());
    for name in names {
        let found = cloudformation.stack(&name).await.doing(&format!("look at the stack {name}"))?;
        existing.extend(found.filter(|stack| stack.status != "DELETE_COMPLETE").map(|stack| (name, stack)));
    }
    Ok(existing)
}

async fn live(context: &Context, deploys: &[Manifest]) -> Result<Vec<Live>> {
    let mut live = vec![];
    for (name, stack) in stacks(context, deploys.iter().map(|deploy| deploy.stack.as_str())).await? {
        if stack.status.ends_with("_IN_PROGRESS") {
            return Err(Error::failed(format!("an operation runs on the stack {name}: it is {}", stack.status))
                .hint("wait for its end, then run the command again; nothing was removed"));
        }
        let keys = stack.parameters.into_iter().filter(|(name, _)| name.ends_with("Key")).map(|(_, key)| key);
        live.push(Live { stack: name, keys: keys.collect() });
    }
    Ok(live)
}

/// Deletes the objects with all their versions.
pub async fn remove(
    context: &Context,
    account: &str,
    bucket: &str,
    objects: &BTreeMap<String, Versions>,
    goes: impl Fn(&str) -> bool,
) -> Result<()> {
    let going = objects.iter().filter(|(key, _)| goes(key));
    let versions: Vec<(String, String)> =
        going.flat_map(|(key, versions)| versions.ids.iter().map(move |id| (key.clone(), id.clone()))).collect();
    let doing = format!("delete artifacts in the bucket {bucket}");
    context.clients.s3().delete_versions(bucket, account, &versions).await.doing(&doing)
}

fn confirm(context: &Context, view: &Collected) -> Result<()> {
    if !context.ui.can_ask() {
        return Err(Error::usage("this cannot be taken back, and there is nobody to ask").hint("say so: `--yes`"));
    }
    context.ui.note(&view.rows());
    let question = format!("Delete {}, {}?", count(view.removed.len() as u64, "object"), bytes(view.bytes));
    match context.ui.confirm(&question) {
        true => Ok(()),
        false => Err(Error::failed("nothing was removed")),
    }
}

impl Collected {
    /// The last part of a key says what it is; of a manifest the last two.
    fn rows(&self) -> String {
        let rows = self.removed.iter().map(|object| {
            let folder = manifests(&self.prefix);
            let name =
                object.key.strip_prefix(&folder).or_else(|| object.key.rsplit('/').next()).unwrap_or(&object.key);
            vec![name.to_owned(), bytes(object.bytes), span(now_ms() - object.modified)]
        });
        table(&["OBJECT", "SIZE", "AGE"], rows)
    }
}

impl View for Collected {
    fn text(&self, _: &Ui) -> String {
        let place = format!("{}/{}", self.bucket, self.prefix);
        let kept = format!("{} kept", self.kept);
        if self.removed.is_empty() {
            return format!("Nothing to remove in {place}: {kept}");
        }
        let objects = count(self.removed.len() as u64, "object");
        let verb = if self.dry_run { "Would remove" } else { "Removed" };
        format!("{}\n{verb} {objects}, {}, of {place}; {kept}", self.rows(), bytes(self.bytes))
    }
}
