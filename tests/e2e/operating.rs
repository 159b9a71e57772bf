//! The command as its users meet it: bad input, nothing deployed, pipes, interrupts.

use std::io::Write;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use outbox::names::Function;

use crate::Test;
use crate::world::{Ran, World, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("bad_messages_are_refused_before_anything_is_written", bad_messages),
    ("a_message_is_read_from_a_pipe_and_a_file", input),
    ("where_nothing_is_deployed_every_command_says_so", nothing_deployed),
    ("no_credentials_and_no_region_have_exit_code_5", no_access),
    ("an_engine_that_is_gone_is_told", engine_gone),
    ("a_variable_that_says_no_is_no_choice", switched_off),
    ("without_python_the_engine_says_what_to_install", no_python),
    ("a_closed_pipe_is_no_error", closed_pipe),
    ("an_interrupted_drill_puts_everything_back", interrupted_drill),
    ("two_commands_at_once_start_one_engine", two_starts),
];

fn bad_messages(world: &'static World) {
    let deployment = world.shared();
    let large = "x".repeat(100_000);
    let cases: &[(&[&str], &str)] = &[
        (&["send", ""], "the message is empty"),
        (&["send", "x", "--subject", "two\nlines"], "subject"),
        (&["send", "x", "--attribute", "a b=v"], "attribute name"),
        (&["send", "x", "--attribute", "a:Number=ten"], "the value of the attribute"),
        (&["send", "x", "--attribute", "a=1", "--attribute", "a=2"], "given twice"),
        (&["send", "x", "--attribute", "novalue"], "NAME=VALUE"),
        (&["send", "x", "--id", ""], "the id must be"),
        (&["send", "--file", "/does/not/exist"], "cannot read /does/not/exist"),
        (&["send", "x", "--file", "y"], "cannot be used with"),
        (&["send", "x", "--wait", "soon"], "time span"),
        (&["send", &large, "--attribute", &format!("a={large}"), "--attribute", &format!("b={large}")], "256 KiB"),
        (&["failed", "list", "--limit", "0"], "no number from 1 on"),
        (&["failed", "list", "--status", "lost"], "possible values"),
        (&["deploy", "--set", "Nonsense=1"], "has no parameter `Nonsense`"),
        (&["nonsense"], "unrecognized subcommand"),
        (&["status", "--endpoint-url", "http://127.0.0.1:1"], "name two places"),
    ];
    for (arguments, expected) in cases {
        let ran = deployment.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(expected), "{expected}: {ran:?}");
        assert!(ran.out.is_empty(), "{ran:?}");
    }
}

fn input(world: &'static World) {
    let deployment = world.shared();
    let mut child = deployment.spawnable(&["send", "-", "--id", "piped", "--wait"]);
    let mut child =
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs");
    child.stdin.take().expect("a pipe").write_all("two\nlines\n".as_bytes()).expect("written");
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(deployment.await_arrival("piped"), "two\nlines");

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("message");
    std::fs::write(&path, "in a file").expect("written");
    let path = path.to_str().expect("a path");
    deployment.ok(&["send", "--file", path, "--id", "filed", "--wait"]);
    assert_eq!(deployment.await_arrival("filed"), "in a file");
    std::fs::write(path, [0xff, 0xfe]).expect("written");
    let ran = deployment.run(&["send", "--file", path]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("is not UTF-8"), "{ran:?}");
}

fn nothing_deployed(world: &'static World) {
    for arguments in [
        &["send", "x"][..],
        &["show", "x"],
        &["failed", "list"],
        &["retry", "now"],
        &["status"],
        &["breaker", "open"],
        &["breaker", "release"],
        &["drift"],
        &["drill"],
        &["destroy", "--yes"],
    ] {
        let output = world.command().args(arguments).args(["--project", "nowhere"]).output().expect("disa runs");
        let ran = Ran::from(output);
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("disa deploy --local --project nowhere"), "{arguments:?}: {ran:?}");
    }
}

/// Without `--local`, with an endpoint that nobody must reach.
fn elsewhere(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command();
    command
        .env_remove("DISA_LOCAL")
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(arguments);
    command
}

fn no_access(world: &'static World) {
    let ran = Ran::from(elsewhere(world, &["status"]).output().expect("disa runs"));
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("no AWS region is set") && ran.err.contains("--local"), "{ran:?}");
    let arguments = ["status", "--region", "eu-west-1", "--endpoint-url", &world.endpoint];
    let ran = Ran::from(elsewhere(world, &arguments).output().expect("disa runs"));
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("give credentials") && ran.err.contains("--local"), "{ran:?}");
}

/// A variable that is set to "no" is no choice: it stands in nobody's way.
fn switched_off(world: &'static World) {
    let mut command = world.command_at(&world.endpoint);
    command.env("DISA_LOCAL", "0").env("DISA_VERBOSE", "0").args(["status", "-q", "--project", "nowhere"]);
    let ran = Ran::from(command.output().expect("disa runs"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("there is no stack"), "{ran:?}");
}

fn no_python(world: &'static World) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = world.command();
    command.env("DISA_DATA_DIR", directory.path()).env("PATH", "/nonexistent").args(["local", "up"]);
    let ran = Ran::from(command.output().expect("disa runs"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("needs Python 3.10") && ran.err.contains("apt install python3"), "{ran:?}");
}

fn engine_gone(world: &'static World) {
    // A port that was free a moment ago: nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let ran = Ran::from(world.command_at(&endpoint).args(["send", "x"]).output().expect("disa runs"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("cannot put the message into the outbox") && ran.err.contains("NoAnswer"), "{ran:?}");
    assert!(!ran.err.contains("panicked"), "{ran:?}");
}

fn closed_pipe(world: &'static World) {
    let deployment = world.shared();
    let mut child = deployment.spawnable(&["status"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs");
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

fn interrupted_drill(world: &'static World) {
    let deployment = world.deploy("halted", &[]);
    let mut child = deployment.spawnable(&["drill"]);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs");
    let topic = || {
        let lambda = aws_sdk_lambda::Client::new(&world.config);
        let request = lambda.get_function_configuration().function_name(deployment.names.function(Function::Process));
        let found = deployment.block_on(request.send()).expect("the function");
        found.environment.and_then(|e| e.variables).and_then(|mut all| all.remove("SNS_TOPIC_ARN")).expect("a topic")
    };
    wait("the drill to change the variable", || (topic() != deployment.topic_arn()).then_some(()));
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGINT).expect("interrupted");
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(topic(), deployment.topic_arn());
    let sqs = aws_sdk_sqs::Client::new(&world.config);
    let queues = deployment.block_on(sqs.list_queues().queue_name_prefix("halted-devl-drill").send()).expect("queues");
    assert_eq!(queues.queue_urls(), [] as [String; 0]);
}

fn two_starts(world: &'static World) {
    let start = || {
        let mut command = world.command();
        command.env("DISA_LOCAL_INSTANCE", format!("pair-{}", std::process::id())).args(["local", "up", "-o", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs")
    };
    let pair = [start(), start()].map(|child| Ran::from(child.wait_with_output().expect("it ends")));
    let stop = || {
        let mut command = world.command();
        command
            .env("DISA_LOCAL_INSTANCE", format!("pair-{}", std::process::id()))
            .args(["local", "down", "-o", "json"]);
        Ran::from(command.output().expect("disa runs"))
    };
    let down = stop();
    assert_eq!([pair[0].code, pair[1].code, down.code], [0, 0, 0], "{pair:?} {down:?}");
    assert_eq!(pair[0].json()["pid"], pair[1].json()["pid"]);
    assert_eq!(down.json()["state"], "stopped");
    // The engine of this run is another: it goes on.
    assert_eq!(
        Ran::from(world.command().args(["local", "status", "-o", "json"]).output().expect("disa runs")).json()["state"],
        "running"
    );
}
