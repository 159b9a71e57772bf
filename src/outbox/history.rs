//! The run of a state machine as a tree: what happened in each state, from the events of its history.
//!
//! AWS chains the events by `previousEventId`, which tells concurrent iterations of a Map apart. The local
//! engine gives no chain and no events of iterations: there an event belongs to the earliest open state that
//! it fits.

use std::collections::HashMap;

use outbox::EpochMs;
use serde::Serialize;

/// One event of an execution's history, as far as the tree needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub id: i64,
    /// The event that led to this one; `None` for the first, and where there is no chain.
    pub previous: Option<i64>,
    pub time: EpochMs,
    /// As the service names it: `TaskStateEntered`, `MapIterationStarted`, …
    pub kind: String,
    /// Of the state that it is about.
    pub name: Option<String>,
    /// Of the iteration of a Map.
    pub index: Option<i32>,
    pub error: Option<String>,
    pub cause: Option<String>,
    /// Input or output, as JSON text.
    pub data: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Running,
    Succeeded,
    /// It failed, and the state machine went on by a catcher.
    Caught,
    Failed,
    TimedOut,
    Aborted,
}

/// A state, an iteration of a Map, or the execution as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub name: String,
    /// `Task`, `Choice`, `Map`, …; `Iteration`; `Execution`.
    pub kind: String,
    pub outcome: Outcome,
    pub started: EpochMs,
    pub ended: Option<EpochMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// More than one where the state was tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

/// One try of a Task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub outcome: Outcome,
    pub started: EpochMs,
    pub ended: Option<EpochMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Running => "running",
            Outcome::Succeeded => "succeeded",
            Outcome::Caught => "caught",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed out",
            Outcome::Aborted => "aborted",
        }
    }
}

/// The tree of a run, with the execution as its root. `None` when there are no events.
pub fn tree(events: &[Event]) -> Option<Node> {
    let mut builder = Builder::new(events.first()?);
    events.iter().for_each(|event| builder.take(event));
    Some(builder.finish())
}

/// A member of a list of siblings, in which those that are alike are told once.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    Node(&'a Node),
    /// So many more like those before.
    More(usize, Outcome),
}

/// At most `most` of those that are alike, and how many more there are.
pub fn collapse(siblings: &[Node], most: usize) -> Vec<Shown<'_>> {
    type Alike<'a> = (Outcome, &'a str, Vec<(&'a str, Outcome, Option<&'a str>)>);
    let mut groups: Vec<(Alike<'_>, Vec<&Node>)> = vec![];
    for node in siblings {
        // Iterations are told apart by their number only.
        let name = if node.kind == "Iteration" { "" } else { node.name.as_str() };
        let inside = node.children.iter().map(|child| (child.name.as_str(), child.outcome, child.error.as_deref()));
        let alike = (node.outcome, name, inside.collect());
        match groups.iter_mut().find(|(group, _)| *group == alike) {
            Some((_, nodes)) => nodes.push(node),
            None => groups.push((alike, vec![node])),
        }
    }
    let shown = groups.into_iter().flat_map(|((outcome, ..), nodes)| {
        let (kept, more) = if nodes.len() > most { (most, nodes.len() - most) } else { (nodes.len(), 0) };
        let more = (more > 0).then_some(Shown::More(more, outcome));
        nodes.into_iter().take(kept).map(Shown::Node).chain(more).collect::<Vec<_>>()
    });
    shown.collect()
}

struct Slot {
    node: Node,
    parent: usize,
    index: Option<i32>,
}

/// Slot 0 is the execution.
struct Builder {
    slots: Vec<Slot>,
    /// Where each event left off.
    cursor: HashMap<i64, usize>,
}

const ROOT: usize = 0;

impl Builder {
    fn new(first: &Event) -> Builder {
        let root = node("", "Execution", first);
        Builder { slots: vec![Slot { node: root, parent: ROOT, index: None }], cursor: HashMap::new() }
    }

    fn take(&mut self, event: &Event) {
        let here = event.previous.and_then(|previous| self.cursor.get(&previous).copied());
        let kind = event.kind.as_str();
        let at = if let Some(state) = kind.strip_suffix("StateEntered") {
            self.entered(here, state, event)
        } else if kind.ends_with("StateExited") {
            self.exited(here, event)
        } else if let Some(what) = kind.strip_prefix("MapIteration") {
            self.iteration(here, what, event)
        } else if let Some(what) = kind.strip_prefix("MapState").or_else(|| kind.strip_prefix("ParallelState")) {
            self.container(here, what, event)
        } else if let Some(what) = kind.strip_prefix("Execution") {
            self.execution(what, event)
        } else if let Some(what) =
            ["Task", "LambdaFunction", "Activity"].iter().find_map(|prefix| kind.strip_prefix(prefix))
        {
            self.task(here, what, event)
        } else {
            here.unwrap_or(ROOT)
        };
        self.cursor.insert(event.id, at);
    }

    fn push(&mut self, parent: usize, node: Node, index: Option<i32>) -> usize {
        self.slots.push(Slot { node, parent, index });
        self.slots.len() - 1
    }

    fn is_open(&self, at: usize) -> bool {
        self.slots[at].node.ended.is_none()
    }

    fn is_container(&self, at: usize) -> bool {
        matches!(self.slots[at].node.kind.as_str(), "Execution" | "Iteration" | "Map" | "Parallel")
    }

    /// From a place outwards, to the execution.
    fn outwards(&self, from: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(from), |at| (*at != ROOT).then(|| self.slots[*at].parent))
    }

    /// The nearest place that fits: outwards from where the chain is, else the earliest open one.
    fn find(&self, here: Option<usize>, fits: impl Fn(&Slot) -> bool) -> Option<usize> {
        let chained = here.and_then(|here| self.outwards(here).find(|at| fits(&self.slots[*at])));
        chained.or_else(|| (1..self.slots.len()).find(|at| self.is_open(*at) && fits(&self.slots[*at])))
    }

    fn entered(&mut self, here: Option<usize>, state: &str, event: &Event) -> usize {
        let parent = match here {
            Some(here) => self.outwards(here).find(|at| self.is_container(*at)),
            None => (1..self.slots.len()).rev().find(|at| self.is_open(*at) && self.is_container(*at)),
        };
        let mut entered = node(event.name.as_deref().unwrap_or_default(), state, event);
        entered.input = event.data.clone();
        self.push(parent.unwrap_or(ROOT), entered, None)
    }

    fn exited(&mut self, here: Option<usize>, event: &Event) -> usize {
        let name = event.name.as_deref().unwrap_or_default();
        let fits = |slot: &Slot| slot.node.name == name && slot.node.kind != "Iteration" && slot.node.ended.is_none();
        let Some(at) = self.find(here, fits) else { return here.unwrap_or(ROOT) };
        let node = &mut self.slots[at].node;
        node.ended = Some(event.time);
        node.output = event.data.clone();
        let failed = node.outcome == Outcome::Failed || node.attempts.last().is_some_and(|a| a.error.is_some());
        node.outcome = if failed { Outcome::Caught } else { Outcome::Succeeded };
        self.slots[at].parent
    }

    fn iteration(&mut self, here: Option<usize>, what: &str, event: &Event) -> usize {
        let name = event.name.as_deref().unwrap_or_default();
        let Some(map) = self.find(here, |slot| slot.node.kind == "Map" && slot.node.name == name) else {
            return here.unwrap_or(ROOT);
        };
        if what == "Started" {
            let iteration = node(&format!("#{}", event.index.unwrap_or(0)), "Iteration", event);
            return self.push(map, iteration, event.index);
        }
        let found = (1..self.slots.len()).find(|at| {
            let slot = &self.slots[*at];
            slot.parent == map && slot.node.kind == "Iteration" && slot.index == event.index && self.is_open(*at)
        });
        if let Some(at) = found {
            let node = &mut self.slots[at].node;
            node.ended = Some(event.time);
            node.outcome = ended_as(what);
        }
        map
    }

    fn container(&mut self, here: Option<usize>, what: &str, event: &Event) -> usize {
        let found = self.find(here, |slot| {
            event.kind.starts_with(slot.node.kind.as_str()) && matches!(slot.node.kind.as_str(), "Map" | "Parallel")
        });
        let Some(at) = found else { return here.unwrap_or(ROOT) };
        if matches!(what, "Failed" | "Aborted") {
            let node = &mut self.slots[at].node;
            node.outcome = ended_as(what);
            node.error = event.error.clone();
            node.cause = event.cause.clone();
        }
        at
    }

    fn task(&mut self, here: Option<usize>, what: &str, event: &Event) -> usize {
        let tried = |slot: &Slot| slot.node.attempts.last().is_some_and(|attempt| attempt.ended.is_none());
        let fits = |slot: &Slot| slot.node.kind == "Task" && slot.node.ended.is_none();
        // Without a chain a new attempt belongs to a state that has none under way, any other event to one that has.
        let found = match here {
            Some(_) => self.find(here, fits),
            None => self.find(None, |slot| fits(slot) && tried(slot) != (what == "Scheduled")),
        };
        let Some(at) = found else { return here.unwrap_or(ROOT) };
        let node = &mut self.slots[at].node;
        if what == "Scheduled" {
            let (started, outcome) = (event.time, Outcome::Running);
            node.attempts.push(Attempt { outcome, started, ended: None, error: None, cause: None });
        } else if let Some(attempt) = node.attempts.last_mut()
            && !matches!(what, "Started" | "Submitted")
        {
            attempt.outcome = ended_as(what);
            attempt.ended = Some(event.time);
            attempt.error = event.error.clone();
            attempt.cause = event.cause.clone();
            node.error = event.error.clone();
            node.cause = event.cause.clone();
        }
        at
    }

    fn execution(&mut self, what: &str, event: &Event) -> usize {
        let root = &mut self.slots[ROOT].node;
        match what {
            "Started" => root.input = event.data.clone(),
            "Redriven" => (root.outcome, root.ended, root.error, root.cause) = (Outcome::Running, None, None, None),
            _ => {
                root.outcome = ended_as(what);
                root.ended = Some(event.time);
                root.error = event.error.clone();
                root.cause = event.cause.clone();
                root.output = event.data.clone();
            }
        }
        ROOT
    }

    /// Ends what the execution's end has ended, and puts the parts together.
    fn finish(mut self) -> Node {
        let (outcome, ended) = (self.slots[ROOT].node.outcome, self.slots[ROOT].node.ended);
        for slot in self.slots.iter_mut().skip(1).filter(|slot| slot.node.ended.is_none()) {
            let node = &mut slot.node;
            node.ended = ended;
            let failed = node.kind == "Fail" || node.error.is_some();
            node.outcome = match outcome {
                Outcome::Running => Outcome::Running,
                Outcome::Failed if failed => Outcome::Failed,
                Outcome::Failed | Outcome::Succeeded | Outcome::Caught => Outcome::Aborted,
                other => other,
            };
        }
        // Children come after their parents: from the end on, each has all of its own.
        while self.slots.len() > 1 {
            let Some(Slot { node, parent, .. }) = self.slots.pop() else { break };
            self.slots[parent].node.children.insert(0, node);
        }
        self.slots.swap_remove(ROOT).node
    }
}

fn node(name: &str, kind: &str, event: &Event) -> Node {
    Node {
        name: name.to_owned(),
        kind: kind.to_owned(),
        outcome: Outcome::Running,
        started: event.time,
        ended: None,
        error: None,
        cause: None,
        input: None,
        output: None,
        attempts: vec![],
        children: vec![],
    }
}

fn ended_as(what: &str) -> Outcome {
    match what {
        "Succeeded" => Outcome::Succeeded,
        "Aborted" => Outcome::Aborted,
        "TimedOut" => Outcome::TimedOut,
        // Also those that could not be scheduled, submitted or started.
        _ => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests;
