use super::*;

fn event(id: i64, previous: i64, kind: &str, name: &str) -> Event {
    Event {
        id,
        previous: Some(previous).filter(|id| *id > 0),
        time: id * 10,
        kind: kind.to_owned(),
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        ..Event::default()
    }
}

fn iteration(id: i64, previous: i64, what: &str, index: i32) -> Event {
    Event { index: Some(index), ..event(id, previous, &format!("MapIteration{what}"), "Update") }
}

fn failed(event: Event, error: &str) -> Event {
    Event { error: Some(error.to_owned()), cause: Some("why".to_owned()), ..event }
}

/// As AWS gives it: chained, two iterations at once, a retry that succeeds, and an error that is caught.
fn aws() -> Vec<Event> {
    vec![
        event(1, 0, "ExecutionStarted", ""),
        event(2, 0, "TaskStateEntered", "Send"),
        event(3, 2, "TaskScheduled", ""),
        event(4, 3, "TaskStarted", ""),
        failed(event(5, 4, "TaskFailed", ""), "Lambda.Throttled"),
        event(6, 5, "TaskScheduled", ""),
        event(7, 6, "TaskStarted", ""),
        event(8, 7, "TaskSucceeded", ""),
        event(9, 8, "TaskStateExited", "Send"),
        event(10, 9, "MapStateEntered", "Update"),
        event(11, 10, "MapStateStarted", ""),
        iteration(12, 11, "Started", 0),
        iteration(13, 11, "Started", 1),
        event(14, 12, "TaskStateEntered", "Write"),
        event(15, 13, "TaskStateEntered", "Write"),
        event(16, 14, "TaskScheduled", ""),
        event(17, 15, "TaskScheduled", ""),
        // The second is quicker, and fails; the first goes on.
        failed(event(18, 17, "TaskFailed", ""), "Conditional"),
        event(19, 18, "TaskStateExited", "Write"),
        event(20, 19, "PassStateEntered", "Not Updated"),
        event(21, 20, "PassStateExited", "Not Updated"),
        iteration(22, 21, "Succeeded", 1),
        event(23, 16, "TaskSucceeded", ""),
        event(24, 23, "TaskStateExited", "Write"),
        iteration(25, 24, "Succeeded", 0),
        event(26, 25, "MapStateSucceeded", ""),
        event(27, 26, "MapStateExited", "Update"),
        event(28, 27, "FailStateEntered", "Fail"),
        failed(event(29, 28, "ExecutionFailed", ""), "Undelivered"),
    ]
}

fn shape(node: &Node) -> String {
    let children: Vec<String> = node.children.iter().map(shape).collect();
    let inside = if children.is_empty() { String::new() } else { format!(" [{}]", children.join(", ")) };
    format!("{} {}{inside}", node.name, node.outcome.word())
}

#[test]
fn a_chained_history_becomes_a_tree() {
    let tree = tree(&aws()).expect("a tree");
    assert_eq!(
        shape(&tree),
        " failed [Send succeeded, Update succeeded [#0 succeeded [Write succeeded], \
         #1 succeeded [Write caught, Not Updated succeeded]], Fail failed]"
    );
    assert_eq!((tree.error.as_deref(), tree.started, tree.ended), (Some("Undelivered"), 10, Some(290)));
}

#[test]
fn each_try_of_a_task_is_an_attempt() {
    let tree = tree(&aws()).expect("a tree");
    let send = &tree.children[0];
    let attempts: Vec<_> = send.attempts.iter().map(|a| (a.outcome, a.error.as_deref(), a.ended)).collect();
    assert_eq!(attempts, [(Outcome::Failed, Some("Lambda.Throttled"), Some(50)), (Outcome::Succeeded, None, Some(80))]);
    assert_eq!((send.started, send.ended, send.error.as_deref()), (20, Some(90), None));
    let caught = &tree.children[1].children[1].children[0];
    assert_eq!(caught.error.as_deref(), Some("Conditional"));
}

#[test]
fn what_had_not_ended_ends_with_the_execution() {
    let begun = &aws()[..17];
    assert!(shape(&tree(begun).expect("a tree")).contains("#1 running [Write running]"));
    let ended = |kind: &str| {
        let events: Vec<Event> = begun.iter().cloned().chain([event(30, 17, kind, "")]).collect();
        tree(&events).expect("a tree")
    };
    assert!(shape(&ended("ExecutionAborted")).contains("#1 aborted [Write aborted]"));
    let timed_out = ended("ExecutionTimedOut");
    assert_eq!(timed_out.outcome, Outcome::TimedOut);
    assert_eq!(timed_out.children[1].ended, Some(300));
    let failed = tree(&[&begun[..4], &[failed(event(30, 4, "TaskTimedOut", ""), "States.Timeout")]].concat());
    let attempt = &failed.expect("a tree").children[0].attempts[0];
    assert_eq!((attempt.outcome, attempt.error.as_deref()), (Outcome::TimedOut, Some("States.Timeout")));
}

#[test]
fn a_redriven_execution_runs_again() {
    let events: Vec<Event> = aws().into_iter().chain([event(30, 29, "ExecutionRedriven", "")]).collect();
    let tree = tree(&events).expect("a tree");
    assert_eq!((tree.outcome, tree.ended, tree.error), (Outcome::Running, None, None));
}

#[test]
fn a_history_of_the_local_engine_becomes_a_tree() {
    // Recorded: no chain, and of an iteration's states nothing but their tasks.
    let kinds = [
        ("ExecutionStarted", ""),
        ("TaskStateEntered", "Get Alarm State"),
        ("TaskScheduled", ""),
        ("TaskSucceeded", ""),
        ("TaskStateExited", "Get Alarm State"),
        ("ChoiceStateEntered", "Alarm State OK ?"),
        ("ChoiceStateExited", "Alarm State OK ?"),
        ("TaskStateEntered", "Send Message"),
        ("TaskScheduled", ""),
        ("TaskSucceeded", ""),
        ("TaskStateExited", "Send Message"),
        ("MapStateEntered", "Update Undelivered"),
        ("TaskScheduled", ""),
        ("TaskScheduled", ""),
        ("TaskSucceeded", ""),
        ("TaskSucceeded", ""),
        ("MapStateExited", "Update Undelivered"),
        ("FailStateEntered", "Fail"),
        ("ExecutionFailed", ""),
    ];
    let events: Vec<Event> =
        kinds.iter().enumerate().map(|(at, (kind, name))| event(at as i64 + 1, 0, kind, name)).collect();
    let tree = tree(&events).expect("a tree");
    assert_eq!(
        shape(&tree),
        " failed [Get Alarm State succeeded, Alarm State OK ? succeeded, Send Message succeeded, \
         Update Undelivered succeeded, Fail failed]"
    );
    assert_eq!(tree.children[2].attempts.len(), 1);
}

#[test]
fn no_history_is_no_tree_and_a_strange_one_is_no_panic() {
    assert_eq!(tree(&[]), None);
    let strange = [
        event(7, 99, "TaskSucceeded", ""),
        event(8, 7, "MapIterationStarted", "nowhere"),
        event(9, 8, "TaskStateExited", "nowhere"),
        event(10, 9, "SomethingNew", ""),
    ];
    assert_eq!(tree(&strange).expect("a tree").children, []);
}

#[test]
fn iterations_that_are_alike_are_told_once() {
    let mut map = tree(&aws()).expect("a tree").children.remove(1);
    let (first, other) = (map.children[0].clone(), map.children[1].clone());
    map.children = (0..100).map(|at| Node { name: format!("#{at}"), ..first.clone() }).chain([other]).collect();
    let shown: Vec<String> = collapse(&map.children, 2)
        .into_iter()
        .map(|shown| match shown {
            Shown::Node(node) => node.name.clone(),
            Shown::More(more, outcome) => format!("{more} {}", outcome.word()),
        })
        .collect();
    assert_eq!(shown, ["#0", "#1", "98 succeeded", "#1"]);
}
