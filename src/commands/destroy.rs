use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::deploy::follow;
use crate::context::Context;
use crate::error::{Doing, Error, Kind, Result};
use crate::outbox::backlog::Backlog;
use crate::stack::event::Follower;
use crate::stack::removal::{Item, Plan, plan};
use crate::stack::status::{Next, next};
use crate::ui::table::table;
use crate::ui::text::count;
use crate::ui::{Tone, Ui, View};
use look::Look;

mod look;
mod purge;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa destroy --dry-run\n  disa destroy --env test --yes\n  disa destroy --purge-data\n\nThe table with its messages, the key and the bucket outlive the stack, and the next deployment takes them\nover. With --purge-data only the key stays: backups of the table need it. What was interrupted is finished\nby the next run; with --purge-data also when only data is left."
)]
pub struct Destroy {
    /// Delete the table with its messages, the log groups and the artifacts too
    #[arg(long)]
    purge_data: bool,
    /// Show what goes and what stays, and delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Destroyed {
    stack: String,
    dry_run: bool,
    purge_data: bool,
    deleted: Vec<Item>,
    kept: Vec<Item>,
    /// What the table held that was not delivered; `null` without a table.
    undelivered: Option<Backlog>,
}

impl Destroy {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let name = context.names.stack();
        let look = Look::at(context, self.purge_data).await?;
        let plan = plan(&look.found, self.purge_data);
        if look.stacks.is_empty() && (!self.purge_data || plan.goes.is_empty()) {
            return Err(nothing(context, &look, &plan));
        }
        if let Some(status) = &look.status
            && next(Some(status)) == Next::Join
            && status != "DELETE_IN_PROGRESS"
        {
            return Err(Error::failed(format!("another operation runs on the stack {name}: it is {status}"))
                .hint("wait for its end, then run the command again"));
        }
        let mut view = Destroyed {
            stack: name,
            dry_run: self.dry_run,
            purge_data: self.purge_data,
            deleted: plan.goes,
            kept: plan.stays,
            undelivered: look.found.backlog.clone(),
        };
        if !self.dry_run {
            match self.yes {
                true => context.ui.note(&view.consequence()),
                false => view.confirm(context)?,
            }
            for stack in &look.stacks {
                delete_stack(context, stack).await?;
            }
            if self.purge_data {
                purge::purge(context, &look, &mut view.deleted, &mut view.kept).await?;
            }
        }
        context.ui.show(&view)?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn delete_stack(context: &Context, stack: &str) -> Result<()> {
    let cloudformation = context.clients.cloudformation();
    let known = cloudformation.newest_event(stack).await.doing("read the stack's events")?;
    cloudformation.delete_stack(stack).await.doing(&format!("delete the stack {stack}"))?;
    follow(context, stack, Follower::after(stack, known), "deletion").await?;
    let begun = "interrupted; the stack is deleted, and not yet everything that was to go with it";
    context.when_interrupted(Error::new(Kind::Interrupted, begun).hint("run the command again: it goes on"));
    Ok(())
}

fn nothing(context: &Context, look: &Look, plan: &Plan) -> Error {
    let error = Error::failed(format!("there is no stack {} in {}", context.names.stack(), context.clients.region));
    match look.found.table.is_some() || !plan.stays.is_empty() {
        true => error.hint(format!("what it left behind goes with `{}`", context.again("destroy --purge-data"))),
        false => error.hint(format!("deploy it: `{}`", context.again("deploy"))),
    }
}

impl Destroyed {
    fn confirm(&self, context: &Context) -> Result<()> {
        let (ui, name) = (&context.ui, &self.stack);
        if !ui.can_ask() {
            let how = if self.purge_data { "disa destroy --purge-data --yes" } else { "disa destroy --yes" };
            return Err(Error::usage("this deletes the stack, and there is nobody to ask")
                .hint(format!("see what goes: `{}`", context.again("destroy --dry-run")))
                .hint(format!("say so: `{how}`")));
        }
        ui.note(&self.lists());
        ui.note(&ui.paint_err(Tone::Warning, &self.consequence()));
        match ui.ask("Type the name of the stack to go on") {
            Some(answer) if answer.trim() == name => Ok(()),
            _ => Err(Error::failed("that is not its name; nothing was deleted")),
        }
    }

    fn consequence(&self) -> String {
        let Some(backlog) = &self.undelivered else { return "There is no table, and no message in it.".to_owned() };
        let undelivered = backlog.pending + backlog.failure + backlog.dead;
        let verb = match (self.purge_data, undelivered) {
            (_, 0) => return "No undelivered message is in the table.".to_owned(),
            (true, _) => "LOST FOR EVER",
            (false, _) => "not sent until the next deployment",
        };
        let messages = count(undelivered, "undelivered message");
        let Backlog { pending, failure, dead, .. } = *backlog;
        format!("{messages}: {verb} ({pending} Pending, {failure} Failure, {dead} Dead)")
    }

    fn lists(&self) -> String {
        let goes = self.deleted.iter().map(|item| vec![short(&item.kind), last(&item.name)]);
        let stays = self.kept.iter().map(|item| {
            let why = item.why.as_deref().unwrap_or_default().replace('\n', "\n       ");
            format!("Stays: {} {}\n       {why}", short(&item.kind), last(&item.name))
        });
        let stays: Vec<String> = stays.collect();
        let lists = [table(&["GOES", "NAME"], goes), stays.join("\n")];
        lists.into_iter().filter(|list| !list.is_empty()).collect::<Vec<_>>().join("\n\n")
    }
}

/// `SNS::Topic`.
fn short(kind: &str) -> String {
    kind.strip_prefix("AWS::").unwrap_or(kind).to_owned()
}

/// Of an ARN or a URL what tells it from others of its kind.
fn last(name: &str) -> String {
    match name.starts_with("arn:") || name.starts_with("http") {
        true => name.rsplit(['/', ':']).next().unwrap_or(name).to_owned(),
        false => name.to_owned(),
    }
}

impl View for Destroyed {
    fn text(&self, _: &Ui) -> String {
        match self.dry_run {
            true => format!("{}\n\n{}\nNothing was deleted.", self.lists(), self.consequence()),
            false => format!("{}\n\nDeleted {}.", self.lists(), self.stack),
        }
    }
}
