use super::*;
use crate::outbox::history::Attempt;
use outbox::names::Function;

fn item(status: &str, updated: EpochMs) -> MessageView {
    MessageView {
        sequence_no: "a".into(),
        send_status: status.into(),
        attempts: 2,
        sns_message_id: Some("sns-1".into()),
        last_error: None,
        due_at: None,
        created_at: Some(1_000),
        updated_at: Some(updated),
    }
}

fn node(name: &str, kind: &str, started: EpochMs, ended: EpochMs) -> Node {
    Node {
        name: name.into(),
        kind: kind.into(),
        outcome: Outcome::Succeeded,
        started,
        ended: Some(ended),
        error: None,
        cause: None,
        input: None,
        output: None,
        attempts: vec![],
        children: vec![],
    }
}

fn run(children: Vec<Node>) -> Run {
    Run { name: "stream-1-x".into(), messages: 1, tree: Node { children, ..node("", "Execution", 1_020, 1_200) } }
}

fn line(time: &str, text: &str) -> Line {
    let text = format!(r#"{{"timestamp":"1970-01-01T00:00:{time}Z","level":"INFO",{text}}}"#);
    Line::of(Function::Process, 0, &text)
}

fn told(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|e| format!("{} {} {} {}", e.at_ms, e.source, e.event, e.detail).trim().to_owned()).collect()
}

#[test]
fn all_sources_make_one_line_of_events() {
    let lines = [line("01.150", r#""message":"delivered","sequenceNo":"a","snsMessageId":"sns-1""#)];
    let runs = [run(vec![node("Send Message", "Task", 1_030, 1_190), node("Success", "Succeed", 1_200, 1_200)])];
    let entries = timeline("a", Some(&item("Successful", 1_160)), &lines, &runs);
    assert_eq!(
        told(&entries),
        [
            "0 item written",
            "20 execution started stream-1-x, 1 message",
            "30 execution Send Message",
            "150 process delivered snsMessageId=sns-1",
            "160 item Successful SNS message sns-1",
            "200 execution Success",
            "200 execution succeeded",
        ]
    );
    let durations: Vec<_> = entries.iter().map(|entry| entry.duration_ms).collect();
    assert_eq!(durations, [None, None, Some(160), None, None, Some(0), Some(180)]);
}

#[test]
fn of_a_map_only_the_own_iteration_is_told() {
    let iteration = |id: &str, at: EpochMs| {
        let input = Some(format!(r#"{{"change":{{"sequenceNo":"{id}"}}}}"#));
        let write = Node { input, ..node("DynamoDB UpdateItem", "Task", at, at + 1) };
        Node { children: vec![write], ..node("#0", "Iteration", at, at + 2) }
    };
    let map = Node {
        children: vec![iteration("b", 1_040), iteration("a", 1_050), iteration("ab", 1_060)],
        ..node("Update Undelivered", "Map", 1_035, 1_100)
    };
    let entries = timeline("a", None, &[], &[run(vec![map])]);
    assert_eq!(
        told(&entries)[1..3],
        ["15 execution Update Undelivered".to_owned(), "30 execution DynamoDB UpdateItem".to_owned()]
    );
    assert_eq!(entries.len(), 4);
}

#[test]
fn what_failed_says_why_and_what_runs_is_open() {
    let attempt = Attempt { outcome: Outcome::Failed, started: 0, ended: Some(1), error: None, cause: None };
    let caught = Node {
        outcome: Outcome::Caught,
        error: Some("Lambda.X".into()),
        cause: Some("busy".into()),
        attempts: vec![attempt.clone(), attempt],
        ..node("Send Message", "Task", 1_030, 1_190)
    };
    let open = Node { outcome: Outcome::Running, ended: None, ..node("Wait", "Wait", 1_195, 0) };
    let mut running = run(vec![caught, open]);
    running.tree.ended = None;
    let entries = timeline("a", None, &[], &[running]);
    assert_eq!(entries[1].detail, "caught, 2 attempts, Lambda.X: busy");
    assert_eq!((entries[2].open, entries[2].detail.as_str(), entries.len()), (true, "running", 3));
}

#[test]
fn a_status_is_told_with_its_reason_and_an_untouched_message_is_only_written() {
    let error = LastError {
        class: "Unavailable".into(),
        code: "NotFound".into(),
        text: "no topic".into(),
        time: "1970-01-01T00:00:05Z".into(),
        execution: String::new(),
    };
    let failed = MessageView { last_error: Some(error), ..item("Failure", 5_000) };
    assert_eq!(told(&timeline("a", Some(&failed), &[], &[]))[1], "4000 item Failure Unavailable NotFound: no topic");
    let again = MessageView { send_status: "Pending".into(), updated_at: Some(9_000), ..failed };
    assert_eq!(
        told(&timeline("a", Some(&again), &[], &[])),
        ["0 item written", "4000 item failed before Unavailable NotFound: no topic", "8000 item Pending attempt 2"]
    );
    assert_eq!(told(&timeline("a", Some(&item("Pending", 1_000)), &[], &[])), ["0 item written"]);
    assert_eq!(timeline("a", None, &[], &[]), []);
}
