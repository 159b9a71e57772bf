use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::aws::cloudformation::{Output, Stack};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::stack::event::Follower;
use crate::ui::{Ui, View};
use pace::patiently;

mod alarms_key;
mod artifacts;
mod change_set;
mod consent;
mod follow;
mod pace;
mod prepare;
mod repair;

pub use consent::agree;
pub use follow::{attach, explained, follow};
pub use prepare::{Prepared, Setup, prefix, template_url};
pub use repair::{ours, whole};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa deploy --local\n  disa deploy --profile mine --region eu-west-1\n  disa deploy --env prod --kms-key alias/mine --set RetentionSeconds=604800\n  disa deploy --parameters prod.toml --target aarch64-unknown-linux-gnu\n  disa deploy --attach\n\nWhat would be replaced or removed is asked for first, and what holds data goes only when it is named\n(`disa plan` shows it). Whatever state the stack is in: a running operation is waited for, a failed one\nrepaired. Ctrl-C leaves the operation running: `--attach` follows it again, `disa cancel` takes it back.\nParameters may also stand in disa.toml: see `disa config`."
)]
pub struct Deploy {
    #[command(flatten)]
    setup: Setup,
    /// Do not ask before something is replaced, removed or created anew
    #[arg(long)]
    yes: bool,
    /// Permit that this resource is replaced or removed though it holds data: DynamoDBStack/MessageTable
    #[arg(long, value_name = "RESOURCE")]
    allow_replacement: Vec<String>,
    /// Go on with a failed rollback without this resource: it is taken for rolled back as it is
    #[arg(long, value_name = "RESOURCE")]
    skip: Vec<String>,
    /// Begin nothing: follow the operation that runs, or tell how the last one ended
    #[arg(long, conflicts_with_all = ["yes", "allow_replacement", "skip", "set", "parameters", "kms_key", "target"])]
    attach: bool,
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
        if self.attach {
            let stack = existing(context).await?;
            if attach(context, &stack).await? == "deletion" {
                context.ui.note("The stack is deleted");
                return Ok(ExitCode::SUCCESS);
            }
            return deployed(context, true).await;
        }
        self.setup.check(context)?;
        let stack = repair::ready(context, self.yes, &self.skip).await?;
        let prepared = self.setup.prepare(context, stack.as_ref()).await?;
        let Some(change_set) = &prepared.change_set else {
            prepared.record(context).await;
            context.ui.note("Nothing has changed: the stack is as it should be");
            return deployed(context, false).await;
        };
        context.ui.note(&prepared.summary(&context.ui, &context.names.stack()));
        if let Err(error) = consent::to_plan(context, &prepared.plan, &self.allow_replacement, self.yes) {
            prepared.discard(context).await?;
            return Err(error);
        }
        execute(context, change_set, prepared.create).await?;
        prepared.record(context).await;
        context.ui.note("Deployed");
        deployed(context, true).await
    }
}

async fn execute(context: &Context, change_set: &str, create: bool) -> Result<()> {
    let cloudformation = context.clients.cloudformation();
    let stack = existing(context).await?;
    let known = patiently(|| cloudformation.newest_event(&stack.id)).await.doing("read the stack's events")?;
    let executed = patiently(|| cloudformation.execute_change_set(change_set)).await;
    executed.map_err(|error| change_set::overtaken("execute the change set", &error))?;
    let kind = if create { "creation" } else { "update" };
    follow(context, &stack.id, Follower::after(&stack.id, known), kind).await
}

async fn existing(context: &Context) -> Result<Stack> {
    ours(context).await?.ok_or_else(|| {
        Error::failed(format!("there is no stack {} in {}", context.names.stack(), context.clients.region)).hint(
            format!(
                "deploy it: `{}`; how its last operation ended: `{}`",
                context.again("deploy"),
                context.again("diagnose")
            ),
        )
    })
}

async fn deployed(context: &Context, changed: bool) -> Result<ExitCode> {
    let stack = existing(context).await?;
    context.ui.show(&Deployed {
        stack: context.names.stack(),
        status: stack.status,
        changed,
        outputs: stack.outputs,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// CloudFormation allows few describe calls a second; the local engine is done in one.
pub fn poll_interval(context: &Context) -> Duration {
    Duration::from_millis(if context.local { 200 } else { 2_000 })
}

impl View for Deployed {
    fn text(&self, _: &Ui) -> String {
        // In no table, which would break an ARN in its middle: nobody could copy it.
        let wide = self.outputs.iter().map(|output| output.name.len()).max().unwrap_or(0);
        let lines = self.outputs.iter().map(|Output { name, value }| format!("{name:<wide$}  {value}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}
