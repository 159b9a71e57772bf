//! What a deployment needs beforehand: permissions, bucket, key, quotas.

use futures::{StreamExt, TryStreamExt, stream};

use super::examine::Scene;
use crate::stack::doctor::bucket::{self, Place};
use crate::stack::doctor::permission::{self, Principal};
use crate::stack::doctor::{Code, Fact, Finding, Row, Unread, judge, key, quota};

/// Simulations under way at once: IAM permits few.
const SIMULATIONS: usize = 4;

pub async fn permissions(scene: &Scene<'_>) -> Vec<Row> {
    let iam = scene.context.clients.iam();
    let principal: Fact<String> = match permission::principal(&scene.caller) {
        Principal::User(arn) => Ok(arn),
        Principal::Role(name) => iam.role(&name).await.map_err(Unread::from),
        Principal::None(why) => return vec![Row::of(Code::Permissions, Finding::not_checked(why))],
    };
    let needs = permission::needs(&scene.site, &scene.bucket(), scene.key());
    let (iam, needs) = (&iam, &needs);
    let decisions = async {
        let principal = principal?;
        let simulated = stream::iter(needs).map(|need| iam.simulate(&principal, &need.resource, &need.actions));
        let decisions: Vec<_> = simulated.buffered(SIMULATIONS).try_collect().await?;
        Ok::<_, Unread>((principal.clone(), decisions.concat()))
    };
    judge(Code::Permissions, &decisions.await, |(principal, decisions)| permission::judge(principal, decisions))
}

pub async fn bucket(scene: &Scene<'_>) -> Vec<Row> {
    let (s3, name, account) = (scene.context.clients.s3(), scene.bucket(), scene.site.account.as_str());
    let place: Fact<Place> = s3.place(&name, account).await.map_err(Unread::from);
    let mut rows = judge(Code::Bucket, &place, |place| bucket::place(&name, &scene.site.region, place));
    rows.extend(match place {
        Ok(Place::Ours) => {
            let settings = s3.settings(&name, account).await.map_err(Unread::from);
            judge(Code::BucketSettings, &settings, |settings| bucket::settings(&name, settings))
        }
        Ok(Place::Missing) => vec![Row::of(Code::BucketSettings, Finding::ok("a deployment makes them"))],
        _ => vec![Row::of(Code::BucketSettings, Finding::not_checked("there is no bucket that will do"))],
    });
    rows
}

pub async fn key(scene: &Scene<'_>) -> Vec<Row> {
    let (site, kms) = (&scene.site, scene.context.clients.kms());
    let row = |code, finding| Row::of(code, finding);
    let Some(id) = scene.key() else {
        let none = |code| key::none_yet().into_iter().map(move |finding| row(code, finding));
        return none(Code::Key).chain(none(Code::KeyForLogs)).chain(none(Code::KeyForRoles)).collect();
    };
    let unusable = || {
        [Code::KeyForLogs, Code::KeyForRoles]
            .map(|code| row(code, Finding::not_checked("there is no key that will do")))
    };
    if let Some(finding) = key::misplaced(site, id) {
        return [row(Code::Key, finding)].into_iter().chain(unusable()).collect();
    }
    let found: Fact<Result<key::Key, String>> = match kms.key(id).await {
        Ok(key) => Ok(Ok(key)),
        // Of an id that is none, of an alias that points nowhere (KMS API reference, `DescribeKey`).
        Err(error) if error.is("NotFoundException") || error.is("InvalidArnException") => Ok(Err(error.text)),
        Err(error) => Err(error.into()),
    };
    let mut rows = judge(Code::Key, &found, |found| key::usable(site, id, found));
    let Ok(Ok(found)) = found else {
        rows.extend(unusable());
        return rows;
    };
    let policy = kms.policy(&found.arn).await.map_err(Unread::from);
    let roles = ["InitProcessRoleArn", "ProcessRoleArn", "RetryRoleArn", "StateMachineRoleArn", "ScheduleRoleArn"];
    let roles = roles.iter().filter_map(|name| scene.deployed()?.outputs.get(*name).cloned());
    let roles: Vec<String> = roles.collect();
    rows.extend(judge(Code::KeyForLogs, &policy, |policy| key::for_logs(site, policy, !scene.context.local)));
    rows.extend(judge(Code::KeyForRoles, &policy, |policy| key::for_roles(site, policy, &roles)));
    rows
}

pub async fn quotas(scene: &Scene<'_>) -> Vec<Row> {
    let clients = &scene.context.clients;
    let (cloudformation, iam, lambda) = (clients.cloudformation(), clients.iam(), clients.lambda());
    let (stacks, roles, concurrency) = tokio::join!(cloudformation.stacks(), iam.roles(), lambda.concurrency());
    let to_come = |number| if scene.deployed().is_some() { 0 } else { number };
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
    const RESERVED: &str = "LambdaReservedConcurrency";
    let wanted = number(scene.parameter(RESERVED));
    let reserved = number(scene.deployed().and_then(|stack| stack.parameters.get(RESERVED)).map(String::as_str));
    let mut rows = judge(Code::StackQuota, &stacks.map_err(Unread::from), |found| {
        quota::near("stacks", *found, to_come(quota::STACKS), "CloudFormation DescribeAccountLimits")
    });
    rows.extend(judge(Code::RoleQuota, &roles.map_err(Unread::from), |found| {
        quota::near("roles", *found, to_come(quota::ROLES), "IAM GetAccountSummary")
    }));
    rows.extend(judge(Code::Concurrency, &concurrency.map_err(Unread::from), |found| {
        quota::concurrency(*found, wanted, reserved)
    }));
    rows
}
