//! Whether something else has a name that a deployment needs.

use futures::{StreamExt, stream};
use gateway::ServiceError;

use super::examine::Scene;
use crate::stack::doctor::name::{self, Named};
use crate::stack::doctor::{Code, Fact, Finding, Row, Unread};
use crate::stack::tree::Branch;

/// Looks under way at once.
const LOOKS: usize = 8;

pub async fn names(scene: &Scene<'_>) -> Vec<Row> {
    let row = |finding| Row::of(Code::Names, finding);
    let clients = &scene.context.clients;
    let tree: Fact<Vec<Branch>> = match (&scene.stack, scene.deployed()) {
        (Err(unread), _) => Err(unread.clone()),
        (_, None) => Ok(vec![]),
        (_, Some(stack)) => {
            clients.cloudformation().tree(&scene.site.names.stack(), &stack.id).await.map_err(Unread::from)
        }
    };
    let tree = match tree {
        Ok(tree) => tree,
        Err(unread) => {
            return vec![row(Finding::not_checked(format!("what is in the stack is not known: {}", unread.code)))];
        }
    };
    let found: Vec<(Named, Fact<bool>)> = stream::iter(name::all(&scene.site))
        .map(|named| async move {
            let there = exists(scene, &named).await.map_err(Unread::from);
            (named, there)
        })
        .buffered(LOOKS)
        .collect()
        .await;
    let mut findings = name::taken(&found, &tree);
    let table = scene.site.names.table();
    let adopted = scene.parameter("ExistingTableStreamArn").is_some_and(|arn| !arn.is_empty());
    match clients.dynamodb().table(&table).await {
        Ok(found) => {
            let found = found.map(|found| name::Table {
                streams: found.stream_arn.is_some(),
                key: found.key,
                indexes: found.indexes,
            });
            findings.extend(name::table(&table, found.as_ref(), &tree, adopted));
        }
        Err(error) => findings.push(Finding::not_checked(format!("could not look for the table: {}", error.code))),
    }
    if findings.is_empty() {
        findings.push(Finding::ok(if tree.is_empty() { "all are free" } else { "all are the stack's own" }));
    }
    findings.into_iter().map(row).collect()
}

async fn exists(scene: &Scene<'_>, named: &Named) -> Result<bool, ServiceError> {
    let (clients, name) = (&scene.context.clients, named.name.as_str());
    match named.kind {
        name::TOPIC => clients.sns().exists(&scene.site.topic()).await,
        name::QUEUE => Ok(clients.sqs().url(name).await?.is_some()),
        name::STATE_MACHINE => clients.sfn().exists(&scene.site.state_machine()).await,
        name::LOG_GROUP => clients.logs().exists(name).await,
        name::ALARM => Ok(clients.cloudwatch().alarm(name).await?.is_some()),
        name::SCHEDULE => Ok(clients.scheduler().schedule(name).await?.is_some()),
        _ => Ok(clients.lambda().settings(name).await?.is_some()),
    }
}
