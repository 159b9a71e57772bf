use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::deploy::{agree, attach, ours};
use crate::context::Context;
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::status::{self, Cancel as Can};
use crate::ui::{Ui, View};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa cancel\n  disa cancel --env prod --yes\n\nAn update is rolled back: the stack is as it was before. A creation cannot be rolled back by hand: what there\nis of the stack is deleted. The messages stay in either case."
)]
pub struct Cancel {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    stack: String,
    /// `null` when the stack is gone.
    status: Option<String>,
}

impl Cancel {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let name = context.names.stack();
        let nothing = || Error::failed(format!("nothing runs on the stack {name}: there is nothing to cancel"));
        let Some(stack) = ours(context).await? else { return Err(nothing()) };
        let cloudformation = context.clients.cloudformation();
        match status::cancel(&stack.status) {
            Can::NothingRuns => {
                return Err(nothing().because(format!("it is {}", stack.status)));
            }
            Can::TooLate => {
                return Err(Error::failed(format!("this cannot be cancelled any more: {name} is {}", stack.status))
                    .hint(format!("wait for its end: `{}`", context.again("deploy --attach"))));
            }
            Can::Update => {
                let what = format!("An update of {name} runs.");
                agree(context, self.yes, &what, "Roll it back?")?;
                cloudformation.cancel_update(&stack.id).await.doing("cancel the update")?;
            }
            Can::Creation => {
                let what = format!("{name} is being created; a creation is cancelled by deleting what there is of it.");
                agree(context, self.yes, &what, "Delete it?")?;
                cloudformation.delete_stack(&stack.id).await.doing("delete the stack")?;
            }
        }
        match attach(context, &stack).await {
            // That the update failed is what was asked for.
            Err(error) if error.kind == Kind::Failed => {}
            outcome => {
                outcome?;
            }
        }
        let left = cloudformation.stack(&stack.id).await.doing("look at the stack")?.map(|stack| stack.status);
        let status = left.filter(|status| status != "DELETE_COMPLETE");
        let rolled_back = status.as_deref().is_none_or(|status| status == "UPDATE_ROLLBACK_COMPLETE");
        context.ui.show(&Cancelled { stack: name.clone(), status: status.clone() })?;
        match rolled_back {
            true => Ok(ExitCode::SUCCESS),
            false => Err(Error::failed(format!("{name} is {}", status.unwrap_or_default()))
                .hint(format!("what happened: `{}`", context.again("diagnose")))),
        }
    }
}

impl View for Cancelled {
    fn text(&self, _: &Ui) -> String {
        match &self.status {
            Some(status) => format!("The stack {} is {status}", self.stack),
            None => format!("The stack {} is deleted", self.stack),
        }
    }
}
