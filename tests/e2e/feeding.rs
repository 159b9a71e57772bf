//! Many messages at once: `send --from`, and the exports that it reads back.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use outbox::item::{self, Status};
use serde_json::{Value, json};

use crate::Test;
use crate::world::{Deployment, Ran, World, n, now, s, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("json_lines_csv_and_gzip_are_sent_and_sending_again_sends_nothing", every_form),
    ("a_bad_line_in_a_file_keeps_all_of_it_back", bad_line),
    ("standard_input_is_sent_up_to_its_first_bad_line", standard_input),
    ("after_an_interrupt_the_same_command_sends_each_message_once", interrupted),
    ("an_id_that_is_taken_is_told_with_its_line", taken),
    ("files_that_are_none_are_told", no_files),
    ("an_export_is_sent_to_another_outbox", exported),
    ("checking_many_messages_takes_little_memory", memory),
];

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).expect("written");
        self.name(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().expect("a path").to_owned()
    }
}

/// So many JSON lines with these ids.
fn lines(ids: &[String]) -> String {
    ids.iter().map(|id| format!("{}\n", json!({ "id": id, "message": format!("body of {id}") }))).collect()
}

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

fn counts(sent: &Value) -> [u64; 4] {
    ["lines", "queued", "alreadyQueued", "failed"].map(|name| sent[name].as_u64().expect("a count"))
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(content).expect("compressed");
    encoder.finish().expect("compressed")
}

/// Starts the command with this on its standard input.
fn piped(deployment: &Deployment, arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = deployment.spawnable(arguments);
    let mut child = spawn(command.stdin(Stdio::piped()));
    // It may end before it has read all.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("it ends").into()
}

fn spawn(command: &mut std::process::Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs")
}

fn every_form(world: &'static World) {
    let (deployment, files) = (world.shared(), Files::new());
    let jsonl = "{\"id\":\"form-a\",\"message\":\"a\",\"subject\":\"S\",\"attributes\":{\"k\":\"v\",\"n\":1.50}}\n\n\
                 {\"sequenceNo\":\"form-b\",\"message\":\"b\",\"sendStatus\":\"Dead\"}\n";
    let jsonl = files.write("a.jsonl", jsonl);
    assert_eq!(counts(&deployment.ok(&["send", "--from", &jsonl])), [2, 2, 0, 0]);
    assert_eq!(counts(&deployment.ok(&["send", "--from", &jsonl])), [2, 0, 2, 0]);
    let csv = "id,message,attribute:kind\nform-c,\"c, and\nmore\",new\nform-d,d,\n";
    let csv = files.write("a.csv.gz", gzip(csv.as_bytes()));
    assert_eq!(counts(&deployment.ok(&["send", "--from", &csv])), [2, 2, 0, 0]);
    assert_eq!(counts(&deployment.ok(&["send", "--from", &csv, "--skip", "2"])), [1, 0, 1, 0]);
    // Without ids: the same file sends nothing twice, and two equal lines are two messages.
    let bare = files.write("bare", gzip(b"{\"message\":\"x\"}\n{\"message\":\"x\"}\n"));
    assert_eq!(counts(&deployment.ok(&["send", "--from", &bare])), [2, 2, 0, 0]);
    assert_eq!(counts(&deployment.ok(&["send", "--from", &bare])), [2, 0, 2, 0]);
    for (id, body) in [("form-a", "a"), ("form-b", "b"), ("form-c", "c, and\nmore"), ("form-d", "d")] {
        assert_eq!(deployment.await_arrival(id), body);
    }
}

fn bad_line(world: &'static World) {
    let (deployment, files) = (world.shared(), Files::new());
    let all = ids("bad", 40);
    let text = lines(&all);
    let mut text: Vec<&str> = text.lines().collect();
    text[6] = r#"{"id":"bad-6","mesage":"SECRET"}"#;
    let path = files.write("seven.jsonl", text.join("\n"));
    for arguments in [&["send", "--from", &path][..], &["send", "--from", &path, "--dry-run"]] {
        let ran = deployment.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(ran.err.contains("1 bad line; nothing was sent") && ran.err.contains("line 7: "), "{ran:?}");
        assert!(ran.err.contains("`mesage` is unknown") && !ran.err.contains("SECRET"), "{ran:?}");
    }
    assert!(all.iter().all(|id| deployment.delivery(id).is_none()));
    let path = files.write("many.jsonl", "nonsense\n".repeat(25));
    let ran = deployment.run(&["send", "--from", &path]);
    assert!(ran.err.contains("25 bad lines") && ran.err.contains("line 20: "), "{ran:?}");
    assert!(!ran.err.contains("line 21: ") && ran.err.contains("and 5 more"), "{ran:?}");
    let path = files.write("cut.gz", &gzip(lines(&all).as_bytes())[..60]);
    let ran = deployment.run(&["send", "--from", &path]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("cannot read") && ran.err.contains("nothing was sent"), "{ran:?}");
    assert!(all.iter().all(|id| deployment.delivery(id).is_none()));
}

fn standard_input(world: &'static World) {
    let deployment = world.shared();
    let all = ids("input", 5);
    let good = lines(&all);
    let arguments = ["send", "--from", "-", "-o", "json"];
    let ran = piped(deployment, &arguments, &gzip(good.as_bytes()));
    assert_eq!((ran.code, counts(&ran.json())), (0, [5, 5, 0, 0]), "{ran:?}");
    for id in &all {
        assert_eq!(deployment.await_arrival(id), format!("body of {id}"));
    }
    let bad = format!("{good}{{\"message\":5}}\n{}", lines(&ids("never", 1)));
    let ran = piped(deployment, &arguments, bad.as_bytes());
    assert_eq!((ran.code, counts(&ran.json())), (4, [5, 0, 5, 0]), "{ran:?}");
    assert!(ran.err.contains("line 6 of standard input is bad") && ran.err.contains("--skip 5"), "{ran:?}");
    assert!(deployment.delivery("never-0").is_none());
    let ran = piped(deployment, &arguments, b"nonsense\n");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    assert!(ran.err.contains("line 1 of standard input is bad"), "{ran:?}");
    let ran = piped(deployment, &["send", "--from", "-"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, "No messages in standard input\n"), "{ran:?}");
}

fn interrupted(world: &'static World) {
    let (deployment, files) = (world.shared(), Files::new());
    let all = ids("halted", 60);
    let path = files.write("halted.jsonl", lines(&all));
    let child = spawn(&mut deployment.spawnable(&["send", "--from", &path, "--rate", "20", "-o", "json"]));
    wait("a message to be sent", || deployment.delivery("halted-3"));
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGINT).expect("interrupted");
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.err.contains("run the same command again: what is queued is not sent twice"), "{ran:?}");
    let [tried, queued, already, failed] = counts(&ran.json());
    assert!((4..60).contains(&queued) && tried == queued && (already, failed) == (0, 0), "{ran:?}");
    assert!(ran.err.contains(&format!("--skip {queued}")), "{ran:?}");
    let there = all.iter().filter(|id| deployment.delivery(id).is_some()).count() as u64;
    assert_eq!(there, queued);
    assert_eq!(counts(&deployment.ok(&["send", "--from", &path])), [60, 60 - queued, queued, 0]);
    for id in &all {
        deployment.await_arrival(id);
        deployment.await_status(id, Status::Successful);
    }
    for id in &all {
        assert_eq!(deployment.arrived(id), [format!("body of {id}")], "{id}");
    }
}

fn taken(world: &'static World) {
    let (deployment, files) = (world.shared(), Files::new());
    let text = "{\"id\":\"taken\",\"message\":\"SECRET 1\"}\n{\"id\":\"taken\",\"message\":\"SECRET 1\"}\n";
    let path = files.write("twice.jsonl", text);
    assert_eq!(counts(&deployment.ok(&["send", "--from", &path])), [2, 1, 1, 0]);
    let path = files
        .write("other.jsonl", "{\"id\":\"free\",\"message\":\"x\"}\n{\"id\":\"taken\",\"message\":\"SECRET 2\"}\n");
    let ran = deployment.run(&["send", "--from", &path, "-o", "json"]);
    assert_eq!((ran.code, counts(&ran.json())), (4, [2, 1, 0, 1]), "{ran:?}");
    let reason = "the id is taken by another message";
    assert_eq!(ran.json()["failures"], json!([{ "line": 2, "sequenceNo": "taken", "reason": reason }]));
    let ran = deployment.run(&["send", "--from", &path]);
    assert!(ran.out.contains("1 failed of 2 messages") && ran.out.contains(reason), "{ran:?}");
    assert!(!ran.out.contains("SECRET") && !ran.err.contains("SECRET"), "{ran:?}");
    assert_eq!(deployment.await_arrival("taken"), "SECRET 1");
}

fn no_files(world: &'static World) {
    let (deployment, files) = (world.shared(), Files::new());
    let empty = files.write("empty.jsonl", "\n\n");
    let ran = deployment.run(&["send", "--from", &empty]);
    assert_eq!((ran.code, ran.out), (0, format!("No messages in {empty}\n")));
    let csv = files.write("columns.csv", "id,text\na,b\n");
    let headless = files.write("headless.csv", "id,subject\na,b\n");
    let directory = files.name("");
    let cases: &[(&[&str], &str)] = &[
        (&["send", "--from", "/does/not/exist"], "cannot read /does/not/exist"),
        (&["send", "--from", &directory], "it is a directory"),
        (&["send", "--from", &csv], "line 1: the column `text` is unknown"),
        (&["send", "--from", &headless], "line 1: the header has no column `message`"),
        (&["send", "x", "--from", &empty], "cannot be used with"),
        (&["send", "--from", &empty, "--wait"], "cannot be used with"),
        (&["send", "x", "--rate", "5"], "cannot be used with '--rate <RATE>'"),
        (&["send", "--dry-run"], "--from"),
        (&["send", "--from", &empty, "--rate", "fast"], "this is no rate"),
    ];
    for (arguments, expected) in cases {
        let ran = deployment.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(ran.err.contains(expected), "{expected}: {ran:?}");
    }
    let full = files.write("full.jsonl", "{\"message\":\"x\"}\n");
    let mut command = world.command();
    let ran = Ran::from(command.args(["send", "--from", &full, "--project", "nowhere"]).output().expect("disa runs"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("disa deploy --local --project nowhere"), "{ran:?}");
}

fn exported(world: &'static World) {
    let (from, to, files) = (world.shared(), world.deploy("imports", &[crate::world::NO_SCHEDULE]), Files::new());
    let dead = |id: &str, fields: &[(&str, AttributeValue)]| {
        let shard = item::backlog_shard(Status::Dead, id);
        let own = [
            ("sendStatus", s("Dead")),
            ("backlogShard", s(&shard)),
            ("dueAt", n(now())),
            ("attempts", n(1)),
            ("createdAt", n(now())),
            ("updatedAt", n(now())),
        ];
        from.put_by_hand(id, &[&own, fields].concat());
    };
    let attributes =
        AttributeValue::M([("b".to_owned(), AttributeValue::B(Blob::new([0, 255]))), ("n".to_owned(), n(7))].into());
    let all = ids("export", 150);
    for id in &all {
        dead(id, &[("message", s(&format!("body of {id}"))), ("subject", s("S")), ("attributes", attributes.clone())]);
    }
    dead("export-poison", &[]);
    let (path, name) = (files.path("dead.jsonl"), files.name("dead.jsonl"));
    let ran = from.run(&["dead", "export", "--id-prefix", "export-", "--out", &name]);
    assert_eq!((ran.code, ran.out.as_str()), (4, ""), "{ran:?}");
    assert!(ran.err.contains("export-poison: there is no `message`"), "{ran:?}");
    assert!(ran.err.contains("150 messages exported to ") && ran.err.contains("1 not"), "{ran:?}");
    let written = std::fs::read_to_string(&path).expect("a file");
    let ran = from.run(&["dead", "export", "--out", &name]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("is there already"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), written);

    let ran = from.run(&["dead", "export", "--id-prefix", "export-1", "--limit", "3"]);
    assert!(ran.code == 0 && ran.out.lines().count() == 3, "{ran:?}");
    let ran = from.run(&["dead", "export", "--id", "export-7", "--id", "unheard-of"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("unheard-of: there is no such message"), "{ran:?}");
    let line: Value = serde_json::from_str(&ran.out).expect("one line");
    assert_eq!(
        (&line["id"], &line["message"], &line["subject"]),
        (&json!("export-7"), &json!("body of export-7"), &json!("S"))
    );
    assert_eq!(line["attributes"]["b"], json!({ "type": "Binary", "value": "AP8=" }));
    assert_eq!(from.run(&["failed", "export", "--id-prefix", "nothing-"]).out, "");

    assert_eq!(counts(&from.ok(&["send", "--from", &name])), [150, 0, 150, 0]);
    assert_eq!(counts(&to.ok(&["send", "--from", &name])), [150, 150, 0, 0]);
    for id in &all {
        assert_eq!(to.await_arrival(id), format!("body of {id}"));
    }
    // Nobody else meets them.
    for id in all.iter().map(String::as_str).chain(["export-poison"]) {
        let key = from.dynamodb().delete_item().table_name(from.names.table()).key("sequenceNo", s(id));
        from.block_on(key.send()).expect("deleted");
    }
}

fn memory(world: &'static World) {
    let (deployment, files) = (world.shared(), Files::new());
    let body = "x".repeat(200);
    let write = |name: &str, count: u64| {
        let file = std::fs::File::create(files.path(name)).expect("a file");
        let mut file = std::io::BufWriter::new(file);
        (0..count).for_each(|n| writeln!(file, "{{\"id\":\"m{n}\",\"message\":\"{body}\"}}").expect("written"));
    };
    write("few", 1_000);
    write("many", 200_000);
    let [few, many] =
        [("few", 1_000), ("many", 200_000)].map(|(name, count)| peak(deployment, &files.path(name), count));
    assert!(many < 64.0 && many < few + 8.0, "{few} MiB for few, {many} MiB for many");
}

/// The most memory, in MiB, that a check of a file takes: it is looked at while the last line does not come.
fn peak(deployment: &Deployment, path: &Path, count: u64) -> f64 {
    let mut child = spawn(deployment.spawnable(&["send", "--from", "-", "--dry-run"]).stdin(Stdio::piped()));
    let mut input = child.stdin.take().expect("a pipe");
    std::io::copy(&mut std::fs::File::open(path).expect("a file"), &mut input).expect("read");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
    drop(input);
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with(&format!("{count} messages in standard input")), "{ran:?}");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
}
