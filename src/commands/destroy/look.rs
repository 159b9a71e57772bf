//! What there is to delete: of the stack, and of what outlives it.

use outbox::names::Function;

use crate::aws::Identity;
use crate::aws::cloudformation::Stack;
use crate::aws::s3::Bucket as State;
use crate::commands::gc::stacks;
use crate::commands::status::backlog;
use crate::context::Context;
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::event::STACK_TYPE;
use crate::stack::garbage::manifest_of;
use crate::stack::removal::{Bucket, Found, KEY};
use crate::stack::tree::Resource;

pub struct Look {
    pub identity: Identity,
    /// Of the root; `None` when there is none.
    pub status: Option<String>,
    /// The ARNs of the stacks to delete, in this order: the root, then the shells of the table, which is retained
    /// with its nested stack.
    pub stacks: Vec<String>,
    pub found: Found,
}

impl Look {
    /// Refuses what Disa has not made.
    pub async fn at(context: &Context, purge: bool) -> Result<Look> {
        let (names, clients) = (&context.names, &context.clients);
        let (cloudformation, identity) = (clients.cloudformation(), context.account().await?);
        let name = names.stack();
        let doing = format!("look at the stack {name}");
        let root = cloudformation.stack(&name).await.doing(&doing)?;
        let root = root.filter(|stack| stack.status != "DELETE_COMPLETE");
        let mut look = Look {
            identity,
            status: root.as_ref().map(|root| root.status.clone()),
            stacks: vec![],
            found: Found::default(),
        };
        for shell in cloudformation.stacks_named(&format!("{name}-DynamoDBStack-")).await.doing(&doing)? {
            let stack = cloudformation.stack(&shell).await.doing(&doing)?;
            ours(context, stack.as_ref(), &shell)?;
            look.stacks.push(shell);
        }
        if let Some(root) = &root {
            ours(context, Some(root), &name)?;
            look.stacks.insert(0, root.id.clone());
        }
        for stack in &look.stacks {
            look.found.resources.extend(resources(context, stack).await?);
        }
        look.data(context).await?;
        look.found.bucket = bucket(context, &look.identity, root.as_ref(), purge).await?;
        Ok(look)
    }

    /// What may outlive the stack.
    async fn data(&mut self, context: &Context) -> Result<()> {
        let (names, found) = (&context.names, &mut self.found);
        let (dynamodb, logs, name) = (context.clients.dynamodb(), context.clients.logs(), names.table());
        let doing = format!("look at the table {name}");
        if let Some(table) = dynamodb.table(&name).await.doing(&doing)? {
            let tags = dynamodb.tags(&table.arn).await.doing(&doing)?;
            if tags.get("ProjectName") != Some(&names.project) {
                return Err(Error::new(Kind::Access, format!("the table {name} was not made by `disa deploy`"))
                    .hint("nothing was deleted; is the project right? `--project NAME`"));
            }
            found.key = table.kms_key_arn;
            found.table = Some(name);
            found.backlog = Some(backlog(context).await?);
        }
        if let Some(key) = found.resources.iter().find(|resource| resource.kind == KEY) {
            let resource = format!("key/{}", key.physical_id);
            found.key = Some(self.identity.arn(&context.clients.region, "kms", &resource));
        }
        let functions = Function::ALL.map(|function| names.log_group(function));
        let executions = format!("/aws/vendedlogs/states/{}", names.state_machine());
        for group in functions.into_iter().chain([executions]) {
            if logs.exists(&group).await.doing(&format!("look for the log group {group}"))? {
                found.log_groups.push(group);
            }
        }
        Ok(())
    }
}

fn ours(context: &Context, stack: Option<&Stack>, name: &str) -> Result<()> {
    match stack {
        Some(stack) if !stack.is_of(&context.names.project) => {
            Err(Error::new(Kind::Access, format!("the stack {name} was not made by `disa deploy`"))
                .hint("nothing was deleted; is the project right? `--project NAME`"))
        }
        _ => Ok(()),
    }
}

/// Of a stack and of those nested in it.
async fn resources(context: &Context, stack: &str) -> Result<Vec<Resource>> {
    let (cloudformation, mut all, mut next) = (context.clients.cloudformation(), vec![], vec![stack.to_owned()]);
    while let Some(stack) = next.pop() {
        let found = match cloudformation.resources(&stack).await {
            // A deletion that is under way may have taken it.
            Err(error) if error.is("ValidationError") => vec![],
            found => found.doing(&format!("list the resources of {stack}"))?,
        };
        next.extend(found.iter().filter(|resource| resource.kind == STACK_TYPE).map(|stack| stack.physical_id.clone()));
        all.extend(found);
    }
    Ok(all)
}

/// The bucket that the stack was deployed from, or else the usual one; who else uses it, where it is to go.
async fn bucket(context: &Context, identity: &Identity, root: Option<&Stack>, purge: bool) -> Result<Option<Bucket>> {
    let usual = context.names.bucket(&identity.account, &context.clients.region);
    let named = root.and_then(|root| root.parameters.get("CodeRepositoryBucket"));
    let name = named.unwrap_or(&usual).clone();
    let s3 = context.clients.s3();
    let is_own = name == usual;
    let state = s3.bucket(&name, &identity.account).await.doing(&format!("look at the bucket {name}"))?;
    match state {
        State::Missing => return Ok(None),
        State::NotOurs => return Ok(Some(Bucket { name, is_own: false, users: vec![] })),
        _ if !purge => return Ok(Some(Bucket { name, is_own, users: vec![] })),
        State::Ready | State::Unfinished => {}
    }
    let objects = s3.versions(&name, "", &identity.account).await.doing(&format!("list the bucket {name}"))?;
    let deployed = objects.keys().filter_map(|key| manifest_of(key));
    let mut users = stacks(context, deployed).await?;
    users.remove(&context.names.stack());
    Ok(Some(Bucket { name, is_own, users: users.into_keys().collect() }))
}
