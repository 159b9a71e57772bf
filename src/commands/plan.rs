use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::deploy::{Prepared, Setup, ours, whole};
use crate::context::Context;
use crate::error::{Error, FINDING, Result};
use crate::stack::plan::{Action, Change, Counts, Plan, Property, Risk};
use crate::stack::status::{Next, next};
use crate::ui::listing::one_line;
use crate::ui::text::shortened;
use crate::ui::tree::Tree;
use crate::ui::{Tone, Ui, View};

/// Characters of a value that is shown to people; the JSON has all of it.
const VALUE: usize = 46;
/// Characters of a property with both its values in one line: deep in the tree that still fits a terminal.
const BESIDE: usize = 66;

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
        if let Some(stack) = &stack {
            whole(context, stack).await?;
        }
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
    /// What is about to be done, for standard error: an update with its plan, a creation in one line, since it adds
    /// everything.
    pub fn summary(&self, ui: &Ui, stack: &str) -> String {
        match self.create {
            true => format!("Creating {stack}: {}", counted(self.plan.counts())),
            false => told(&ui.of_err(), stack, &self.plan),
        }
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
        told(ui, &self.stack, &self.plan)
    }
}

/// A plan as a tree, with what must be weighed below it.
fn told(ui: &Ui, stack: &str, plan: &Plan) -> String {
    let children = plan.changes.iter().map(|change| drawn(ui, change)).collect();
    let mut text = Tree { line: stack.to_owned(), children }.text();
    let mut part = |head: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n\n{head}\n  {}", lines.join("\n  ")));
        }
    };
    part("Parameters", plan.parameters.iter().map(|property| said(property).text().replace('\n', "\n  ")).collect());
    part("Permissions change in", plan.permissions());
    part("Replaced or removed", plan.risks().iter().map(|risk| risked(ui, risk)).collect());
    format!("{text}\n\n{}", counted(plan.counts()))
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
        (Action::MayReplace, _) => "  (perhaps replaced)".to_owned(),
        (Action::Remove, _) if change.kept => "  (it leaves the stack, and stays)".to_owned(),
        (_, Some(condition)) => format!("  (if {condition})"),
        _ => String::new(),
    };
    let mut children: Vec<Tree> = match change.is_nested_stack() {
        true if change.nested.is_none() && change.action == Action::Change => {
            vec![Tree::leaf("CloudFormation does not tell what changes in it")]
        }
        true => vec![],
        false => change.properties.iter().map(said).collect(),
    };
    children.extend(change.nested.iter().flatten().map(|change| drawn(ui, change)));
    Tree { line: format!("{}{kind}{more}", ui.paint(tone, &format!("{mark} {}", change.logical_id))), children }
}

/// A property with its values beside each other, or below each other where they are long.
fn said(property: &Property) -> Tree {
    let value = |value: &Option<String>| value.as_deref().map_or("none".to_owned(), |value| brief(&one_line(value)));
    let (name, why) = (&property.name, if property.replaces { "  (replaces it)" } else { "" });
    if property.before.is_none() && property.after.is_none() {
        return Tree::leaf(format!("{name}{why}"));
    }
    let (before, after) = (value(&property.before), value(&property.after));
    let line = format!("{name}: {before} -> {after}{why}");
    match line.chars().count() <= BESIDE {
        true => Tree::leaf(line),
        false => Tree {
            line: format!("{name}{why}"),
            children: vec![Tree::leaf(format!("before: {before}")), Tree::leaf(format!("after:  {after}"))],
        },
    }
}

/// The beginning and the end of a long value: names that differ in their last part are told from each other.
fn brief(value: &str) -> String {
    match value.chars().count() {
        count if count <= VALUE => value.to_owned(),
        count => {
            format!("{}{}", shortened(value, VALUE / 3), value.chars().skip(count - VALUE * 2 / 3).collect::<String>())
        }
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
            let line = format!("{}: {what}, and it holds data", ui.paint(Tone::Bad, &risk.resource));
            format!("{line}\n    only with --allow-replacement {}", risk.resource)
        }
        false => format!("{}: {what}", risk.resource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::event::STACK_TYPE;

    fn change(logical_id: &str, kind: &str, action: Action, properties: Vec<Property>) -> Change {
        Change {
            logical_id: logical_id.to_owned(),
            resource_type: kind.to_owned(),
            physical_id: None,
            action,
            kept: false,
            condition: None,
            properties,
            nested: None,
        }
    }

    fn stack(logical_id: &str, nested: Option<Vec<Change>>) -> Change {
        Change { nested, ..change(logical_id, STACK_TYPE, Action::Change, vec![]) }
    }

    fn property(name: &str, before: &str, after: &str, replaces: bool) -> Property {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Property { name: name.to_owned(), before: some(before), after: some(after), replaces }
    }

    #[test]
    fn a_plan_tells_what_changes_and_what_must_be_weighed() {
        let table = property("KeySchema", "sequenceNo", "id", true);
        let role = property("Policies", "", "", false);
        let long = "arn:aws:sns:eu-west-1:123456789012:a-topic-with-a-rather-long-name";
        let environment = property("Environment.Variables.SNS_TOPIC_ARN", long, "", false);
        let removed = Change { kept: true, ..change("LogGroup", "AWS::Logs::LogGroup", Action::Remove, vec![]) };
        let key = |hash: &str| format!("0066-disa/code/rust/disa_process-{hash}.zip");
        let plan = Plan {
            parameters: vec![
                property("ProcessCodeKey", &key("d79b3c17d79b3c17"), &key("c415fcecc415fcec"), false),
                property("RampStart", "100", "500", false),
            ],
            changes: vec![
                stack(
                    "DynamoDBStack",
                    Some(vec![change("MessageTable", "AWS::DynamoDB::Table", Action::Replace, vec![table])]),
                ),
                stack("IamRoleStack", Some(vec![change("ProcessRole", "AWS::IAM::Role", Action::Change, vec![role])])),
                stack(
                    "ProcessFunctionStack",
                    Some(vec![change("Function", "AWS::Lambda::Function", Action::Change, vec![environment]), removed]),
                ),
                stack("SNSStack", None),
                change("Dead", "AWS::SQS::Queue", Action::Remove, vec![]),
                change("Alarm", "AWS::CloudWatch::Alarm", Action::Add, vec![]),
                change("StreamMapping", "AWS::Lambda::EventSourceMapping", Action::MayReplace, vec![]),
            ],
        };
        let words = ["disa", "plan", "--color", "never"];
        let cli = <crate::cli::Cli as clap::Parser>::try_parse_from(words).expect("parses");
        let text = told(&Ui::new(&cli.global), "disa-devl-root-stack", &plan);
        let expected = "\
disa-devl-root-stack
├─ ~ DynamoDBStack
│  └─ +- MessageTable  DynamoDB::Table
│     └─ KeySchema: sequenceNo -> id  (replaces it)
├─ ~ IamRoleStack
│  └─ ~ ProcessRole  IAM::Role
│     └─ Policies
├─ ~ ProcessFunctionStack
│  ├─ ~ Function  Lambda::Function
│  │  └─ Environment.Variables.SNS_TOPIC_ARN
│  │     ├─ before: arn:aws:sns:eu-…-topic-with-a-rather-long-name
│  │     └─ after:  none
│  └─ - LogGroup  Logs::LogGroup  (it leaves the stack, and stays)
├─ ~ SNSStack
│  └─ CloudFormation does not tell what changes in it
├─ - Dead  SQS::Queue
├─ + Alarm  CloudWatch::Alarm
└─ +- StreamMapping  Lambda::EventSourceMapping  (perhaps replaced)

Parameters
  ProcessCodeKey
  ├─ before: 0066-disa/code/…a_process-d79b3c17d79b3c17.zip
  └─ after:  0066-disa/code/…a_process-c415fcecc415fcec.zip
  RampStart: 100 -> 500

Permissions change in
  IamRoleStack/ProcessRole

Replaced or removed
  DynamoDBStack/MessageTable: replaced, and it holds data
    only with --allow-replacement DynamoDBStack/MessageTable
  Dead: removed, and it holds data
    only with --allow-replacement Dead

1 to add, 3 to change, 1 to replace, 1 to change or replace, 2 to remove";
        assert_eq!(text, expected, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }
}
