use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::deploy::follow;
use super::status::stack;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::stack::event::Follower;
use crate::stack::status::{Next, next};
use crate::ui::{Ui, View};

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  disa destroy\n  disa destroy --env test --yes")]
pub struct Destroy {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Destroyed {
    stack: String,
    kept: Vec<String>,
}

impl Destroy {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let found = stack(context).await?;
        let name = context.names.stack();
        if next(Some(&found.status)) == Next::Join {
            return Err(Error::failed(format!("another operation runs on the stack {name}: it is {}", found.status))
                .hint("wait for its end, then run the command again"));
        }
        let kept = vec![
            format!("the table {}, with its messages", context.names.table()),
            "the key that encrypts it".to_owned(),
            "the bucket of the artifacts".to_owned(),
        ];
        if !self.yes {
            confirm(context, &name, &kept)?;
        }
        // The table's nested stack is retained with its table: its shell goes after the root.
        let cloudformation = context.clients.cloudformation();
        let shell = cloudformation.resource(&found.id, "DynamoDBStack").await.doing("look at the table's stack")?;
        for stack in [Some(found.id), shell].into_iter().flatten() {
            let known = cloudformation.newest_event(&stack).await.doing("read the stack's events")?;
            cloudformation.delete_stack(&stack).await.doing(&format!("delete the stack {stack}"))?;
            follow(context, &stack, Follower::after(&stack, known), "deletion").await?;
        }
        context.ui.show(&Destroyed { stack: name, kept })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn confirm(context: &Context, name: &str, kept: &[String]) -> Result<()> {
    if !context.ui.can_ask() {
        return Err(
            Error::usage("this deletes the stack, and there is nobody to ask").hint("say so: `disa destroy --yes`")
        );
    }
    context
        .ui
        .note(&format!("This deletes the stack {name}: nothing is sent any more. What stays: {}.", kept.join(", ")));
    match context.ui.ask("Type the name of the stack to go on") {
        Some(answer) if answer.trim() == name => Ok(()),
        _ => Err(Error::failed("that is not its name; nothing was deleted")),
    }
}

impl View for Destroyed {
    fn text(&self, _: &Ui) -> String {
        let kept: Vec<String> = self.kept.iter().map(|what| format!("Kept: {what}")).collect();
        format!("Deleted the stack {}\n{}", self.stack, kept.join("\n"))
    }
}
