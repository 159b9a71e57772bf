use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::deploy::{Prepared, Setup, ours};
use crate::context::Context;
use crate::error::{Error, FINDING, Result};
use crate::stack::plan::{Action, Change, Counts, Plan, Property, Risk};
use crate::stack::status::{Next, next};
use crate::ui::listing::one_line;
use crate::ui::text::shortened;
use crate::ui::tree::Tree;
use crate::ui::{Tone, Ui, View};

/// Characters of a value that is shown to people; the JSON has all of it.
const VALUE: usize = 44;

#[derive(Args, Debug)]
#[command(
    name = "plan",
    after_help = "Examples:\n  disa plan\n  disa plan --set RampStart=500\n  disa plan --exit-code -o json > plan.json\n\nCloudFormation works it out as a change set, which is deleted again: the stack stays as it is. For that the\nartifacts are uploaded, and their bucket is made if it is missing.\n\n+ add   ~ change   +- replace   - remove"
)]
pub struct PlanCommand {
    #[command(flatten)]
    setup: Setup,
    /// Answer 3 when there is something to deploy
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Planned {
    stack: String,
    /// Whether the stack is to be created.
    create: bool,
    changed: bool,
    counts: Counts,
    #[serde(flatten)]
    plan: Plan,
    /// Places of the resources that change who may do what.
    permissions: Vec<String>,
    /// What is replaced or removed.
    risks: Vec<Risk>,
}

impl PlanCommand {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        self.setup.check(context)?;
        let found = ours(context).await?;
        let stack = match (next(found.as_ref().map(|stack| stack.status.as_str())), found) {
            (Next::Update, stack) => stack,
            (Next::Create, _) | (_, None) => None,
            (_, Some(stack)) => {
                return Err(Error::failed(format!("there is no plan for the stack: it is {}", stack.status))
                    .hint(format!("`{}` waits for what runs and repairs what is broken", context.again("deploy"))));
            }
        };
        let prepared = self.setup.prepare(context, stack.as_ref()).await?;
        prepared.discard(context).await?;
        let changed = prepared.change_set.is_some();
        let plan = prepared.plan;
        context.ui.show(&Planned {
            stack: context.names.stack(),
            create: stack.is_none(),
            changed,
            counts: plan.counts(),
            permissions: plan.permissions(),
            risks: plan.risks(),
            plan,
        })?;
        Ok(if changed && self.exit_code { ExitCode::from(FINDING) } else { ExitCode::SUCCESS })
    }
}

impl Prepared {
    /// One line, before it is executed.
    pub fn summary(&self) -> String {
        format!("{}: {}", if self.create { "Creating" } else { "Changing" }, counted(self.plan.counts()))
    }
}

fn counted(counts: Counts) -> String {
    let parts = [
        (counts.add, "to add"),
        (counts.change, "to change"),
        (counts.replace, "to replace"),
        (counts.may_replace, "to change or replace"),
        (counts.remove, "to remove"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    parts.join(", ")
}

impl View for Planned {
    fn text(&self, ui: &Ui) -> String {
        if !self.changed {
            return format!("Nothing to deploy: {} is as it should be.", self.stack);
        }
        let children = self.plan.changes.iter().map(|change| drawn(ui, change)).collect();
        let mut text = Tree { line: self.stack.clone(), children }.text();
        let mut part = |head: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                text.push_str(&format!("\n\n{head}\n  {}", lines.join("\n  ")));
            }
        };
        part("Parameters", self.plan.parameters.iter().map(said).collect());
        part("Permissions change in", self.permissions.clone());
        part("Replaced or removed", self.risks.iter().map(|risk| risked(ui, risk)).collect());
        format!("{text}\n\n{}", counted(self.counts))
    }
}

fn drawn(ui: &Ui, change: &Change) -> Tree {
    let (mark, tone) = match change.action {
        Action::Add => ("+", Tone::Good),
        Action::Change => ("~", Tone::Plain),
        Action::MayReplace | Action::Replace => ("+-", Tone::Bad),
        Action::Remove if change.kept => ("-", Tone::Warning),
        Action::Remove => ("-", Tone::Bad),
    };
    let kind = match change.is_nested_stack() {
        true => String::new(),
        false => format!("  {}", change.resource_type.trim_start_matches("AWS::")),
    };
    let more = match (change.action, &change.condition) {
        (Action::MayReplace, _) => "  (whether it is replaced shows only then)".to_owned(),
        (Action::Remove, _) if change.kept => "  (it leaves the stack, and stays)".to_owned(),
        (_, Some(condition)) => format!("  (if {condition})"),
        _ => String::new(),
    };
    let mut children: Vec<Tree> = match change.is_nested_stack() {
        true if change.nested.is_none() && change.action == Action::Change => {
            vec![Tree::leaf("CloudFormation does not tell what changes in it")]
        }
        true => vec![],
        false => change.properties.iter().map(|property| Tree::leaf(said(property))).collect(),
    };
    children.extend(change.nested.iter().flatten().map(|change| drawn(ui, change)));
    Tree { line: format!("{}{kind}{more}", ui.paint(tone, &format!("{mark} {}", change.logical_id))), children }
}

fn said(property: &Property) -> String {
    let value = |value: &Option<String>| value.as_deref().map(|value| shortened(&one_line(value), VALUE));
    let why = if property.replaces { "  (replaces it)" } else { "" };
    match (value(&property.before), value(&property.after)) {
        (None, None) => format!("{}{why}", property.name),
        (before, after) => format!(
            "{}: {} -> {}{why}",
            property.name,
            before.unwrap_or_else(|| "none".to_owned()),
            after.unwrap_or_else(|| "none".to_owned())
        ),
    }
}

fn risked(ui: &Ui, risk: &Risk) -> String {
    let what = match risk.action {
        Action::Remove => "removed",
        Action::MayReplace => "may be replaced",
        _ => "replaced",
    };
    match risk.holds_data {
        true => {
            format!("{}: {what}, and it holds data: only with --allow-replacement", ui.paint(Tone::Bad, &risk.resource))
        }
        false => format!("{}: {what}", risk.resource),
    }
}
