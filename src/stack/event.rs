//! The events of a stack operation, over the root and its nested stacks.

use std::collections::BTreeMap;

use outbox::EpochMs;
use serde::Serialize;

const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub id: String,
    pub stack_id: String,
    pub stack_name: String,
    pub logical_id: String,
    pub physical_id: String,
    pub resource_type: String,
    pub status: String,
    pub reason: Option<String>,
    pub time: EpochMs,
}

impl Event {
    /// Whether the event speaks of its stack as a whole.
    pub fn is_of_stack(&self) -> bool {
        self.resource_type == STACK_TYPE && self.physical_id == self.stack_id
    }

    pub fn is_failure(&self) -> bool {
        self.status.ends_with("_FAILED")
    }

    /// The ARN of the nested stack that the event speaks of.
    pub fn nested_stack(&self) -> Option<&str> {
        (self.resource_type == STACK_TYPE && !self.is_of_stack() && self.physical_id.starts_with("arn:"))
            .then_some(self.physical_id.as_str())
    }
}

/// What one operation's events are known of so far: which stacks to ask, and where their news begin.
#[derive(Debug, Default)]
pub struct Follower {
    newest: BTreeMap<String, Option<String>>,
    since: EpochMs,
}

impl Follower {
    /// Follows the operation that began at `since`: what lies before belongs to earlier ones.
    pub fn new(root: &str, since: EpochMs) -> Follower {
        Follower { newest: BTreeMap::from([(root.to_owned(), None)]), since }
    }

    /// The stacks to ask, each with the event that is already known.
    pub fn questions(&self) -> Vec<(String, Option<String>)> {
        self.newest.iter().map(|(stack, known)| (stack.clone(), known.clone())).collect()
    }

    /// Takes the answer for one stack (newest first) and gives what is new, oldest first.
    pub fn take(&mut self, stack: &str, events: Vec<Event>) -> Vec<Event> {
        if let Some(newest) = events.first() {
            self.newest.insert(stack.to_owned(), Some(newest.id.clone()));
        }
        let mut fresh: Vec<Event> = events.into_iter().filter(|event| event.time >= self.since).collect();
        fresh.reverse();
        for nested in fresh.iter().filter_map(Event::nested_stack) {
            self.newest.entry(nested.to_owned()).or_default();
        }
        fresh
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn event(id: u32, stack: &str, logical_id: &str, status: &str, reason: Option<&str>) -> Event {
        Event {
            id: id.to_string(),
            stack_id: format!("arn:{stack}"),
            stack_name: stack.to_owned(),
            logical_id: logical_id.to_owned(),
            physical_id: String::new(),
            resource_type: "AWS::SNS::Topic".to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            time: i64::from(id),
        }
    }

    pub fn stack_event(id: u32, stack: &str, nested: &str, status: &str, reason: Option<&str>) -> Event {
        Event {
            physical_id: format!("arn:{nested}"),
            resource_type: STACK_TYPE.to_owned(),
            ..event(id, stack, nested, status, reason)
        }
    }

    #[test]
    fn nested_stacks_are_followed_and_old_events_are_not_told() {
        let mut follower = Follower::new("arn:root", 5);
        let answer = vec![
            stack_event(7, "root", "child", "CREATE_IN_PROGRESS", None),
            stack_event(6, "root", "root", "CREATE_IN_PROGRESS", None),
            stack_event(1, "root", "old", "CREATE_COMPLETE", None),
        ];
        let told: Vec<i64> = follower.take("arn:root", answer).iter().map(|event| event.time).collect();
        assert_eq!(told, [6, 7]);
        assert_eq!(
            follower.questions(),
            [("arn:child".to_owned(), None), ("arn:root".to_owned(), Some("7".to_owned()))]
        );
    }
}
