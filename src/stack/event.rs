//! The events of a stack operation, over the root and its nested stacks.

use std::collections::BTreeMap;

use outbox::EpochMs;
use serde::Serialize;

use super::status::operation;

pub const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

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

/// One operation on a stack, as its own events tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// `creation`, `update`, `deletion`.
    pub kind: &'static str,
    pub began: EpochMs,
    /// The stack's latest status.
    pub status: String,
    /// When it got that status.
    pub at: EpochMs,
}

impl Operation {
    /// The latest operation in the root stack's events (newest first). What a failed one drags behind it, the
    /// rollback and its continuation, belongs to it.
    pub fn latest(events: &[Event]) -> Option<Operation> {
        let own = || events.iter().filter(|event| event.is_of_stack());
        let newest = own().next()?;
        let begin = own().find(|event| begins(&event.status))?;
        Some(Operation {
            kind: operation(&begin.status),
            began: begin.time,
            status: newest.status.clone(),
            at: newest.time,
        })
    }
}

/// Whether an operation that somebody asked for begins with this status. A rollback begins by itself.
fn begins(status: &str) -> bool {
    matches!(status, "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "IMPORT_IN_PROGRESS")
}

/// What one operation's events are known of so far: which stacks to ask, and where their news begin.
///
/// Only CloudFormation's own clock counts: this machine's may be wrong.
#[derive(Debug)]
pub struct Follower {
    root: String,
    newest: BTreeMap<String, Option<String>>,
    began: Option<EpochMs>,
}

impl Follower {
    /// Follows the next operation of a stack: the one whose events come after `known`, the newest event that
    /// there was before it was asked for.
    pub fn after(root: &str, known: Option<String>) -> Follower {
        Follower { root: root.to_owned(), newest: BTreeMap::from([(root.to_owned(), known)]), began: None }
    }

    /// Follows an operation that began at a known time.
    pub fn since(root: &str, began: EpochMs) -> Follower {
        Follower { began: Some(began), ..Follower::after(root, None) }
    }

    /// When the operation began, once an event has told.
    pub fn began(&self) -> Option<EpochMs> {
        self.began
    }

    /// The stacks to ask, each with the event that is already known. The root comes first: it tells when the
    /// operation began, and which nested stacks there are.
    pub fn questions(&self) -> Vec<(String, Option<String>)> {
        let mut questions: Vec<_> = self.newest.iter().map(|(stack, known)| (stack.clone(), known.clone())).collect();
        questions.sort_by_key(|(stack, _)| *stack != self.root);
        questions
    }

    /// Takes the answer for one stack (newest first) and gives what is new, oldest first.
    pub fn take(&mut self, stack: &str, events: Vec<Event>) -> Vec<Event> {
        if stack == self.root && self.began.is_none() {
            // Not every operation begins like one: a continued rollback does not.
            let first = events.iter().rev().find(|event| event.is_of_stack() && event.status.ends_with("_IN_PROGRESS"));
            self.began = first.filter(|event| event.status != "REVIEW_IN_PROGRESS").map(|event| event.time);
        }
        let Some(began) = self.began else { return vec![] };
        if let Some(newest) = events.first() {
            self.newest.insert(stack.to_owned(), Some(newest.id.clone()));
        }
        let mut fresh: Vec<Event> = events.into_iter().filter(|event| event.time >= began).collect();
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
        let mut follower = Follower::after("arn:root", Some("5".to_owned()));
        // Nothing has begun yet: what comes is kept for the next answer.
        assert_eq!(follower.take("arn:root", vec![]), []);
        assert_eq!(follower.began(), None);
        let answer = vec![
            stack_event(7, "root", "child", "CREATE_IN_PROGRESS", None),
            stack_event(6, "root", "root", "CREATE_IN_PROGRESS", None),
        ];
        let told: Vec<i64> = follower.take("arn:root", answer).iter().map(|event| event.time).collect();
        assert_eq!((told.as_slice(), follower.began()), ([6, 7].as_slice(), Some(6)));
        assert_eq!(
            follower.questions(),
            [("arn:root".to_owned(), Some("7".to_owned())), ("arn:child".to_owned(), None)]
        );
        // A nested stack's events of earlier operations are not this one's.
        let answer = vec![
            event(9, "child", "Topic", "UPDATE_COMPLETE", None),
            event(2, "child", "Topic", "CREATE_COMPLETE", None),
        ];
        let told: Vec<i64> = follower.take("arn:child", answer).iter().map(|event| event.time).collect();
        assert_eq!(told, [9]);
    }

    #[test]
    fn the_latest_operation_and_what_it_dragged_behind_it() {
        let own = |id, status| stack_event(id, "root", "root", status, None);
        let created = [own(2, "CREATE_COMPLETE"), own(1, "CREATE_IN_PROGRESS"), own(0, "REVIEW_IN_PROGRESS")];
        let of = |events: &[Event]| Operation::latest(events).map(|o| (o.kind, o.began, o.status, o.at));
        assert_eq!(of(&created), Some(("creation", 1, "CREATE_COMPLETE".to_owned(), 2)));
        let failed = [
            own(7, "UPDATE_ROLLBACK_COMPLETE"),
            own(6, "UPDATE_ROLLBACK_IN_PROGRESS"),
            own(5, "UPDATE_ROLLBACK_FAILED"),
            own(4, "UPDATE_ROLLBACK_IN_PROGRESS"),
            own(3, "UPDATE_IN_PROGRESS"),
        ];
        let all = [failed.as_slice(), created.as_slice()].concat();
        assert_eq!(of(&all), Some(("update", 3, "UPDATE_ROLLBACK_COMPLETE".to_owned(), 7)));
        assert_eq!(of(&[own(0, "REVIEW_IN_PROGRESS")]), None);
    }
}
