//! All checks: facts through the gateways, judgements by the pure functions.

use crate::context::Context;
use crate::error::Error;
use crate::stack::doctor::stack::{self, Deployed};
use crate::stack::doctor::{CHECKS, Code, Fact, Finding, Row, Unread, judge};
use crate::stack::site::Site;

use super::{Intent, access, deployed, names};

/// What all checks begin with.
pub struct Scene<'a> {
    pub context: &'a Context,
    pub intent: Intent<'a>,
    pub site: Site,
    pub caller: String,
    pub stack: Fact<Option<Deployed>>,
    /// The key of a table that an earlier stack left behind: a first deployment takes it over with the table.
    pub left_behind: Option<String>,
}

impl Scene<'_> {
    /// The stack, where there is one in which something is.
    pub fn deployed(&self) -> Option<&Deployed> {
        self.stack.as_ref().ok().and_then(Option::as_ref).filter(|stack| stack.is_there())
    }

    /// A parameter of the root stack as it will be: as it is set, or else as it is deployed.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let set = self.intent.set.iter().rev().find(|(set, _)| set == name).map(|(_, value)| value.as_str());
        set.or_else(|| self.deployed()?.parameters.get(name).map(String::as_str))
    }

    pub fn bucket(&self) -> String {
        let default = || self.site.names.bucket(&self.site.account, &self.site.region);
        self.intent.bucket.map_or_else(default, str::to_owned)
    }

    /// The key as it was given, or as the stack has it.
    pub fn key(&self) -> Option<&str> {
        let parameter = self.parameter("KmsMasterKeyId").filter(|key| !key.is_empty());
        let own = || self.deployed()?.outputs.get("KmsKeyArn").map(String::as_str);
        self.intent.kms_key.or(parameter).or_else(own).or(self.left_behind.as_deref())
    }
}

pub async fn examine(context: &Context, intent: Intent<'_>) -> Vec<Row> {
    let identity = match context.account().await {
        Ok(identity) => identity,
        Err(error) => return nobody(&error),
    };
    let site = Site {
        names: context.names.clone(),
        partition: identity.partition,
        region: context.clients.region.clone(),
        account: identity.account,
    };
    let found = context.clients.cloudformation().stack(&site.names.stack()).await;
    let mut scene = Scene {
        context,
        left_behind: None,
        intent,
        caller: identity.caller,
        stack: found.map_err(Unread::from).map(|found| {
            found.map(|stack| Deployed {
                id: stack.id,
                status: stack.status,
                tags: stack.tags,
                parameters: stack.parameters,
                outputs: stack.outputs.into_iter().map(|output| (output.name, output.value)).collect(),
            })
        }),
        site,
    };
    if scene.deployed().is_none() {
        let table = context.clients.dynamodb().table(&scene.site.names.table()).await;
        // Whether it can be read is told with the names.
        scene.left_behind = table.ok().flatten().and_then(|table| table.kms_key_arn);
    }
    let mut rows = vec![Row::of(Code::Credentials, Finding::ok(&scene.caller))];
    rows.extend(stack::region(&scene.site, &scene.stack).into_iter().map(|one| Row::of(Code::Region, one)));
    rows.extend(judge(Code::Stack, &scene.stack, |found| stack::stack(&scene.site, found.as_ref())));
    let (permissions, bucket, key, quotas, names, email, functions, drift) = tokio::join!(
        access::permissions(&scene),
        access::bucket(&scene),
        access::key(&scene),
        access::quotas(&scene),
        names::names(&scene),
        deployed::email(&scene),
        deployed::functions(&scene),
        deployed::drift(&scene),
    );
    rows.extend([permissions, bucket, key, quotas, names, email, functions, drift].into_iter().flatten());
    rows
}

/// Without credentials nothing else can be asked.
fn nobody(error: &Error) -> Vec<Row> {
    let why = error.causes.first().unwrap_or(&error.message);
    let fix = error.hints.first().map_or("give others", String::as_str);
    let mut rows = vec![Row::of(Code::Credentials, Finding::problem(why).fix(fix))];
    let others = CHECKS.iter().filter(|check| check.code != Code::Credentials);
    rows.extend(others.map(|check| Row::of(check.code, Finding::not_checked("AWS does not know who asks"))));
    rows
}
