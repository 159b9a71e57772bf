//! How far an operation is: its resources in a tree of root and nested stacks, from the events so far.

use std::collections::BTreeMap;

use outbox::EpochMs;

use super::event::Event;

/// One resource, or a stack with its resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub logical_id: String,
    pub status: String,
    pub began: EpochMs,
    pub latest: EpochMs,
    pub reason: Option<String>,
    pub children: Vec<Node>,
}

impl Node {
    pub fn is_running(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS")
    }

    pub fn is_failed(&self) -> bool {
        self.status.ends_with("_FAILED")
    }

    /// How many resources are done, of those that were begun; nested stacks count by what is in them.
    pub fn done(&self) -> (usize, usize) {
        match self.children.is_empty() {
            true => (usize::from(!self.is_running()), 1),
            false => self.children.iter().map(Node::done).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)),
        }
    }
}

/// What is known of an operation.
#[derive(Debug)]
pub struct Progress {
    root: String,
    /// By stack and logical id, each stack's in the order in which they were begun.
    resources: BTreeMap<String, Vec<(Node, Option<String>)>>,
    own: BTreeMap<String, Node>,
}

impl Progress {
    pub fn new(root: &str) -> Progress {
        Progress { root: root.to_owned(), resources: BTreeMap::new(), own: BTreeMap::new() }
    }

    /// Answers whether it is news: CloudFormation says a status again when a resource has got its name, and of a
    /// nested stack it speaks twice, in its own events and in those of the stack above.
    pub fn take(&mut self, event: &Event) -> bool {
        let fresh = Node {
            logical_id: event.logical_id.clone(),
            status: event.status.clone(),
            began: event.time,
            latest: event.time,
            reason: event.reason.clone(),
            children: vec![],
        };
        if event.is_of_stack() {
            let known = self.own.remove(&event.stack_id);
            let news = known.as_ref().is_none_or(|known| known.status != fresh.status);
            let node = known.map_or(fresh.clone(), |known| renewed(known, fresh));
            self.own.insert(event.stack_id.clone(), node);
            return news && event.stack_id == self.root;
        }
        let siblings = self.resources.entry(event.stack_id.clone()).or_default();
        let nested = event.nested_stack().map(str::to_owned);
        match siblings.iter_mut().find(|(known, _)| known.logical_id == event.logical_id) {
            Some((known, stack)) => {
                let news = known.status != fresh.status;
                *known = renewed(known.clone(), fresh);
                *stack = nested.or(stack.take());
                news
            }
            None => {
                siblings.push((fresh, nested));
                true
            }
        }
    }

    /// The root stack with all that was begun below it; `None` before its first event.
    pub fn tree(&self) -> Option<Node> {
        let root = self.own.get(&self.root)?.clone();
        Some(Node { children: self.children(&self.root), ..root })
    }

    fn children(&self, stack: &str) -> Vec<Node> {
        let own = self.resources.get(stack).map(Vec::as_slice).unwrap_or_default();
        let with_children = |(node, nested): &(Node, Option<String>)| {
            // A stack is no nested stack of its own.
            let nested = nested.as_deref().filter(|nested| *nested != stack);
            Node { children: nested.map(|nested| self.children(nested)).unwrap_or_default(), ..node.clone() }
        };
        own.iter().map(with_children).collect()
    }
}

/// A resource may be begun more than once: to be changed, and to be rolled back.
fn renewed(known: Node, fresh: Node) -> Node {
    let reason = fresh.reason.or(known.reason).filter(|_| fresh.status.ends_with("_FAILED"));
    Node {
        logical_id: known.logical_id,
        reason,
        began: known.began,
        status: fresh.status,
        latest: fresh.latest,
        children: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::{event, stack_event};
    use super::*;

    #[test]
    fn what_is_said_twice_is_news_once() {
        let mut progress = Progress::new("arn:root");
        let news: Vec<bool> = [
            stack_event(1, "root", "root", "CREATE_IN_PROGRESS", None),
            event(2, "root", "child", "CREATE_IN_PROGRESS", None),
            stack_event(3, "root", "child", "CREATE_IN_PROGRESS", Some("Resource creation Initiated")),
            stack_event(4, "child", "child", "CREATE_IN_PROGRESS", None),
            event(5, "child", "Topic", "CREATE_FAILED", Some("no")),
            stack_event(6, "child", "child", "CREATE_FAILED", Some("The following resource(s) failed to create")),
            stack_event(7, "root", "child", "CREATE_FAILED", Some("Embedded stack was not successfully created")),
        ]
        .iter()
        .map(|event| progress.take(event))
        .collect();
        assert_eq!(news, [true, true, false, false, true, false, true]);
    }

    #[test]
    fn the_tree_holds_what_was_begun_and_how_it_stands() {
        let mut progress = Progress::new("arn:root");
        assert_eq!(progress.tree(), None);
        for event in [
            stack_event(1, "root", "root", "CREATE_IN_PROGRESS", None),
            stack_event(2, "root", "child", "CREATE_IN_PROGRESS", None),
            stack_event(3, "child", "child", "CREATE_IN_PROGRESS", None),
            event(4, "child", "Topic", "CREATE_IN_PROGRESS", None),
            event(5, "root", "Key", "CREATE_IN_PROGRESS", None),
            event(6, "child", "Topic", "CREATE_COMPLETE", None),
            event(7, "root", "Key", "CREATE_FAILED", Some("no")),
        ] {
            progress.take(&event);
        }
        let tree = progress.tree().expect("a tree");
        assert_eq!(tree.done(), (2, 2));
        let [child, key] = tree.children.as_slice() else { panic!("{tree:?}") };
        assert_eq!((child.logical_id.as_str(), child.is_running(), child.children.len()), ("child", true, 1));
        assert_eq!((key.is_failed(), key.reason.as_deref(), key.latest - key.began), (true, Some("no"), 2));
        assert_eq!(child.children[0].status, "CREATE_COMPLETE");
    }
}
