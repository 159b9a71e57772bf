//! Deletes what outlives the stack. Each step finds what an earlier run has left.

use std::time::{Duration, Instant};

use super::look::Look;
use crate::commands::deploy::poll_interval;
use crate::commands::gc::remove;
use crate::context::{Context, pause};
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::garbage::manifest_of;
use crate::stack::removal::{BUCKET, Item};

/// For the deletion of a table; a large one takes minutes.
const TABLE_LIMIT: Duration = Duration::from_secs(600);

/// Moves from `deleted` to `kept` what could not go after all.
pub async fn purge(context: &Context, look: &Look, deleted: &mut Vec<Item>, kept: &mut Vec<Item>) -> Result<()> {
    let logs = context.clients.logs();
    for group in &look.found.log_groups {
        logs.delete_group(group).await.doing(&format!("delete the log group {group}"))?;
    }
    if let Some(table) = &look.found.table {
        delete_table(context, table).await?;
    }
    if let Some(why) = purge_bucket(context, look).await? {
        let (stays, goes) = std::mem::take(deleted).into_iter().partition(|item: &Item| item.kind == BUCKET);
        *deleted = goes;
        kept.extend(Vec::into_iter(stays).map(|item: Item| Item { why: Some(why.clone()), ..item }));
    }
    Ok(())
}

async fn delete_table(context: &Context, name: &str) -> Result<()> {
    let (dynamodb, begin) = (context.clients.dynamodb(), Instant::now());
    let doing = format!("delete the table {name}");
    let progress = context.ui.progress(&doing, None);
    let (mut protected, mut asked) = (true, false);
    while let Some(table) = dynamodb.table(name).await.doing(&doing)? {
        match table.status.as_str() {
            "ACTIVE" if protected => {
                dynamodb.unprotect(name).await.doing(&doing)?;
                protected = false;
                continue;
            }
            "ACTIVE" if !asked => {
                dynamodb.delete_table(name).await.doing(&doing)?;
                asked = true;
                continue;
            }
            _ if begin.elapsed() > TABLE_LIMIT => {
                return Err(Error::new(Kind::TimedOut, format!("the table {name} is not deleted after 10 minutes"))
                    .hint("run the command again: it goes on"));
            }
            _ => pause(poll_interval(context)).await,
        }
    }
    drop(progress);
    Ok(())
}

/// Deletes the bucket with all versions; where others use it, only what is noted there of this stack. Answers why
/// it stays although it was to go.
async fn purge_bucket(context: &Context, look: &Look) -> Result<Option<String>> {
    let Some(bucket) = &look.found.bucket else { return Ok(None) };
    let (s3, name, account) = (context.clients.s3(), &bucket.name, &look.identity.account);
    if !bucket.is_own && bucket.users.is_empty() {
        return Ok(None);
    }
    let objects = s3.versions(name, "", account).await.doing(&format!("list the bucket {name}"))?;
    let own = context.names.stack();
    let goes = |key: &str| bucket.can_go() || manifest_of(key) == Some(own.as_str());
    remove(context, account, name, &objects, goes).await?;
    if bucket.can_go() && !s3.delete_bucket(name, account).await.doing(&format!("delete the bucket {name}"))? {
        return Ok(Some("something was put into it meanwhile: run the command again".to_owned()));
    }
    Ok(None)
}
