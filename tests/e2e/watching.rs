//! The full-screen view, in a terminal of 80 columns and 24 lines that nobody sits at.

use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use outbox::item::Status;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

use crate::Test;
use crate::world::{Deployment, NO_SCHEDULE, Ran, World, wait};

pub const TESTS: &[(&str, Test)] = &[
    ("a_terminal_is_filled_and_keys_do_what_they_say", terminal),
    ("without_a_terminal_each_look_is_printed", printed),
];

/// A command in a terminal.
struct Seat {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<Parser>>,
}

impl Seat {
    fn start(deployment: &Deployment, arguments: &[&str]) -> Seat {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let command = deployment.spawnable(arguments);
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => builder.env(name, value),
                None => builder.env_remove(name),
            }
        }
        builder.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(builder).expect("disa runs");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let keys = pair.master.take_writer().expect("a writer");
        let screen = Arc::new(Mutex::new(Parser::new(24, 80, 0)));
        let shown = screen.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                shown.lock().expect("no panic").process(&bytes[..count]);
            }
        });
        Seat { child, master: pair.master, keys, screen }
    }

    fn text(&self) -> String {
        self.screen.lock().expect("no panic").screen().contents()
    }

    fn see(&self, text: &str) {
        wait(&format!("the screen to show `{text}`; it shows:\n{}", self.text()), || {
            self.text().contains(text).then_some(())
        });
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("pressed");
    }
}

fn terminal(world: &'static World) {
    let deployment = world.deploy("watched", &[NO_SCHEDULE]);
    deployment.break_topic();
    deployment.ok(&["send", "a text that nobody shows", "--id", "order-1"]);
    deployment.await_status("order-1", Status::Failure);
    let mut seat = Seat::start(&deployment, &["status", "--watch", "--interval", "1s"]);
    seat.see("watched-devl-root-stack in us-east-1");
    seat.see("0 Pending, 1 Failure, 0 Dead");
    seat.see("> order-1");
    seat.see("q quit");
    // A new look comes by itself.
    deployment.ok(&["send", "another", "--id", "order-2"]);
    seat.see("order-2");
    seat.press("?");
    seat.see("asks first");
    seat.press(" \r");
    seat.see("Last error");
    assert!(!seat.text().contains("a text that nobody shows"), "{}", seat.text());
    seat.see("execution");
    seat.press("xp");
    seat.see("Sure?");
    seat.press("n");
    seat.see("Nothing was changed");
    seat.press("py");
    seat.see("The schedule is DISABLED");
    seat.see("DISABLED rate(1 day)");
    seat.press("py");
    seat.see("The schedule is ENABLED");
    seat.press("ry");
    seat.see("Claimed");
    let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
    seat.screen.lock().expect("no panic").screen_mut().set_size(30, 100);
    seat.master.resize(size).expect("resized");
    seat.see("q quit");
    // A key that arrives together with a change of size may be taken only with the next one.
    let ended = wait("the view to end", || {
        let _ = seat.keys.write_all(b"q").and_then(|()| seat.keys.flush());
        seat.child.try_wait().expect("its state")
    });
    assert_eq!(ended.exit_code(), 0);
    // What was there before is there again.
    wait("the screen to be given back", || (!seat.text().contains("q quit")).then_some(()));
}

fn printed(world: &'static World) {
    let deployment = world.shared();
    let mut command = deployment.spawnable(&["status", "--watch", "--interval", "1s", "-o", "jsonl"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("disa runs");
    let mut out = child.stdout.take().expect("a pipe");
    let mut text = String::new();
    while text.lines().count() < 2 || !text.ends_with('\n') {
        let mut bytes = [0; 4096];
        let count = out.read(&mut bytes).expect("read");
        assert!(count > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    for line in text.lines() {
        let look: serde_json::Value = serde_json::from_str(line).expect("a document a line");
        assert_eq!(look["stack"]["name"], "shared-devl-root-stack");
    }
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGINT).expect("interrupted");
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let refused = deployment.run(&["status", "--interval", "5s"]);
    assert!(refused.code == 2 && refused.err.contains("--watch"), "{refused:?}");
}
