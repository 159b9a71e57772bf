//! What is deployed already: subscriptions, functions, drift.

use futures::{StreamExt, TryStreamExt, stream};
use outbox::names::Function;

use super::examine::Scene;
use crate::stack::doctor::{Code, Fact, Finding, Row, Unread, function, judge, stack};
use crate::stack::variables;
use crate::stack::{functions as code, tree::Branch};

/// Stacks asked at once.
const STACKS: usize = 4;

/// What is said of a stack that is not there, or cannot be read.
fn no_stack(scene: &Scene<'_>, code: Code) -> Row {
    let readable = scene.stack.is_ok();
    Row::of(
        code,
        if readable {
            Finding::ok("nothing is deployed yet")
        } else {
            Finding::not_checked("the stack cannot be read")
        },
    )
}

pub async fn email(scene: &Scene<'_>) -> Vec<Row> {
    if scene.deployed().is_none() {
        return vec![no_stack(scene, Code::Email)];
    }
    let found = scene.context.clients.sns().unconfirmed_emails(&scene.site.topic()).await;
    judge(Code::Email, &found.map_err(Unread::from), |found| stack::email(found))
}

pub async fn functions(scene: &Scene<'_>) -> Vec<Row> {
    let Some(stack) = scene.deployed() else {
        return vec![no_stack(scene, Code::Architecture), no_stack(scene, Code::Variables)];
    };
    let lambda = &scene.context.clients.lambda();
    let names = &scene.site.names;
    let found = stream::iter(Function::ALL).map(|one| async move {
        let name = names.function(one);
        let settings = lambda.settings(&name).await?;
        Ok::<_, Unread>((name, settings))
    });
    let found: Fact<Vec<(String, Option<function::Settings>)>> = found.buffered(STACKS).try_collect().await;
    let planned = code::planned(scene.intent.target).map(code::Architecture::as_str);
    let of_stack = stack.parameters.get("Architecture").map_or("x86_64", String::as_str);
    let expected = variables::expected(&scene.site, &stack.parameters);
    let there = |all: &[(String, Option<function::Settings>)]| -> Vec<(String, function::Settings)> {
        all.iter().filter_map(|(name, settings)| Some((name.clone(), settings.clone()?))).collect()
    };
    let mut rows = judge(Code::Architecture, &found, |all| {
        let all: Vec<_> = there(all).into_iter().map(|(name, settings)| (name, settings.architecture)).collect();
        function::architecture(planned, of_stack, &all)
    });
    rows.extend(judge(Code::Variables, &found, |all| {
        let changed = there(all).into_iter().flat_map(|(name, settings)| {
            let changed = variables::changed(&name, &expected, &settings.variables);
            changed.into_iter().map(move |drift| (name.clone(), drift))
        });
        function::variables(&changed.collect::<Vec<_>>())
    }));
    rows
}

pub async fn drift(scene: &Scene<'_>) -> Vec<Row> {
    let Some(stack) = scene.deployed() else { return vec![no_stack(scene, Code::Drift)] };
    let cloudformation = &scene.context.clients.cloudformation();
    let last = async {
        let tree = cloudformation.tree(&scene.site.names.stack(), &stack.id).await?;
        let asked = stream::iter(tree).map(|Branch { name, id, .. }| async move {
            let last = cloudformation.last_drift(&id).await?;
            Ok::<_, Unread>((name, last))
        });
        asked.buffered(STACKS).try_collect::<Vec<_>>().await
    };
    judge(Code::Drift, &last.await, |last| stack::drift(last))
}
