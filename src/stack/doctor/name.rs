//! Names that something else has.

use outbox::item::{BACKLOG_INDEX, SEQUENCE_NO};
use outbox::names::{Alarm, Function};

use super::{Fact, Finding};
use crate::stack::site::Site;
use crate::stack::tree::{Branch, holds};

/// A resource that a deployment makes, by its predictable name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// As CloudFormation calls the type.
    pub kind: &'static str,
    pub what: &'static str,
    pub name: String,
}

/// A table as far as it must be known to take it over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub streams: bool,
    pub key: Vec<String>,
    pub indexes: Vec<String>,
}

pub const TABLE: &str = "AWS::DynamoDB::Table";
pub const FUNCTION: &str = "AWS::Lambda::Function";
pub const LOG_GROUP: &str = "AWS::Logs::LogGroup";
pub const TOPIC: &str = "AWS::SNS::Topic";
pub const QUEUE: &str = "AWS::SQS::Queue";
pub const STATE_MACHINE: &str = "AWS::StepFunctions::StateMachine";
pub const ALARM: &str = "AWS::CloudWatch::Alarm";
pub const SCHEDULE: &str = "AWS::Scheduler::Schedule";

/// All names but the table's, which is judged by itself.
pub fn all(site: &Site) -> Vec<Named> {
    let names = &site.names;
    let named = |kind, what, name| Named { kind, what, name };
    let mut all = vec![
        named(TOPIC, "topic", names.topic()),
        named(QUEUE, "queue", names.stream_dead_letters()),
        named(QUEUE, "queue", names.schedule_dead_letters()),
        named(STATE_MACHINE, "state machine", names.state_machine()),
        named(LOG_GROUP, "log group", site.state_machine_log()),
        named(SCHEDULE, "schedule", names.schedule()),
    ];
    all.extend(Alarm::ALL.map(|alarm| named(ALARM, "alarm", names.alarm_of(alarm))));
    for function in Function::ALL {
        all.push(named(FUNCTION, "function", names.function(function)));
        all.push(named(LOG_GROUP, "log group", names.log_group(function)));
    }
    all
}

/// What is there under the names and is not the stack's. `tree` is empty where there is no stack.
pub fn taken(found: &[(Named, Fact<bool>)], tree: &[Branch]) -> Vec<Finding> {
    let mut findings = vec![];
    let mut unread = vec![];
    for (named, there) in found {
        match there {
            Ok(true) if !holds(tree, named.kind, &named.name) => findings.push(
                Finding::problem(format!("the {} {} exists and is not of this stack", named.what, named.name))
                    .fix("delete it, or take another name: `--project NAME`"),
            ),
            Ok(_) => {}
            Err(error) => unread.push(format!("{} {} ({})", named.what, named.name, error.code)),
        }
    }
    if !unread.is_empty() {
        findings.push(Finding::not_checked(format!("could not look for the {}", unread.join(", "))));
    }
    findings
}

/// A table that is not the stack's is taken over by a first deployment, if it is one of Disa's. `adopted` says
/// that the stack has taken it over.
pub fn table(name: &str, table: Option<&Table>, tree: &[Branch], adopted: bool) -> Vec<Finding> {
    let Some(table) = table.filter(|_| !adopted && !holds(tree, TABLE, name)) else { return vec![] };
    let refuse = |why: &str, fix: &str| {
        vec![
            Finding::problem(format!("the table {name} exists {why}"))
                .fix(format!("{fix}, or take another name: `--project NAME`")),
        ]
    };
    if table.key != [SEQUENCE_NO] || !table.indexes.iter().any(|index| index == BACKLOG_INDEX) {
        return refuse(
            &format!("and is none of Disa's: it has not the key {SEQUENCE_NO} and the index {BACKLOG_INDEX}"),
            "move it away",
        );
    }
    if !table.streams {
        return refuse("and has no stream", "enable its stream (NEW_IMAGE)");
    }
    if !tree.is_empty() {
        return refuse("and is not of this stack", "delete it");
    }
    vec![Finding::ok(format!("an earlier stack left the table {name}: a deployment takes it over"))]
}

#[cfg(test)]
mod tests {
    use super::super::{Outcome, Unread};
    use super::*;
    use crate::stack::site::tests::site;
    use crate::stack::tree::Resource;

    fn tree(kind: &str, id: &str) -> Vec<Branch> {
        let resource = Resource { logical_id: "L".into(), physical_id: id.into(), kind: kind.into() };
        vec![Branch { name: "root".into(), id: "arn".into(), resources: vec![resource] }]
    }

    #[test]
    fn a_name_is_taken_unless_it_is_of_the_stack() {
        let queue = all(&site()).remove(1);
        let found = |there| [(queue.clone(), there)];
        assert_eq!(taken(&found(Ok(false)), &[]), []);
        let problem = taken(&found(Ok(true)), &[]);
        assert!(problem[0].outcome == Outcome::Problem && problem[0].found.contains("disa-devl-stream-dead-letters"));
        assert_eq!(taken(&found(Ok(true)), &tree(QUEUE, "https://sqs/1/disa-devl-stream-dead-letters")), []);
        assert_eq!(taken(&found(Ok(true)), &tree(TOPIC, "disa-devl-stream-dead-letters")).len(), 1);
        let unread = Unread { code: "AccessDenied".into(), text: "t".into(), denied: true };
        assert_eq!(taken(&found(Err(unread)), &[])[0].outcome, Outcome::NotChecked);
    }

    #[test]
    fn a_table_of_disa_is_taken_over_and_no_other() {
        let good = Table { streams: true, key: vec![SEQUENCE_NO.into()], indexes: vec![BACKLOG_INDEX.into()] };
        let outcome =
            |found: &Table, tree: &[Branch]| table("t", Some(found), tree, false).first().map(|one| one.outcome);
        assert_eq!(outcome(&good, &[]), Some(Outcome::Ok));
        assert_eq!(outcome(&Table { streams: false, ..good.clone() }, &[]), Some(Outcome::Problem));
        assert_eq!(outcome(&Table { key: vec!["id".into()], ..good.clone() }, &[]), Some(Outcome::Problem));
        assert_eq!(outcome(&Table { indexes: vec![], ..good.clone() }, &[]), Some(Outcome::Problem));
        assert_eq!(outcome(&good, &tree(TABLE, "t")), None);
        assert_eq!(outcome(&good, &tree(TABLE, "other")), Some(Outcome::Problem));
        assert_eq!(table("t", Some(&good), &tree(QUEUE, "q"), true), []);
        assert_eq!(table("t", None, &[], false), []);
    }

    /// Every name that the templates give is looked for.
    #[test]
    fn all_names_of_the_templates_are_looked_for() {
        let known: Vec<String> = all(&site()).into_iter().map(|one| one.name).chain([site().names.table()]).collect();
        let templates = [
            include_str!("../../../templates/disa-root-stack.yaml"),
            include_str!("../../../templates/dynamodb-stack.yaml"),
            include_str!("../../../templates/sns-stack.yaml"),
            include_str!("../../../templates/cw-custom-metric-alarm-stack.yaml"),
            include_str!("../../../templates/dead-letter-queue-stack.yaml"),
        ];
        let keys = ["TableName", "TopicName", "QueueName", "StateMachineName", "LogGroupName", "AlarmName", "Name"];
        let mut seen = 0;
        for line in templates.iter().flat_map(|text| text.lines()) {
            let Some((key, value)) = line.trim().split_once(": !Sub ") else { continue };
            if keys.contains(&key) {
                let name = value.trim_matches('"').replace("${ProjectName}", "disa").replace("${Environment}", "devl");
                assert!(known.contains(&name), "{line}");
                seen += 1;
            }
        }
        assert_eq!(seen, 9);
    }
}
