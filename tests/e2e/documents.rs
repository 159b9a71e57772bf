//! What docs/json.md says of the documents is what the commands print.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use outbox::item::Status;
use outbox::names::Function;
use serde_json::Value;

use crate::Test;
use crate::world::{Deployment, NO_SCHEDULE, World, n};

pub const TESTS: &[(&str, Test)] = &[("documents_have_the_fields_that_are_documented", documents)];

/// A command or a kind of object, by its name, with what is said of it.
type Page = BTreeMap<String, Section>;

#[derive(Clone, Debug, Default)]
struct Section {
    /// The kinds whose fields it has too.
    bases: Vec<String>,
    fields: BTreeMap<String, Field>,
}

#[derive(Clone, Debug)]
struct Field {
    /// The kind of object that it holds, alone or in a list.
    kind: Option<String>,
    always: bool,
}

fn page() -> Page {
    let text = include_str!("../../docs/json.md");
    let (mut page, mut names) = (Page::new(), vec![]);
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            let heading = heading.trim_start_matches('#').trim();
            names = heading.split(", ").map(|name| name.trim_matches('`').replace(' ', "-")).collect();
        }
        // In a list of fields it is the kind of what the field holds, in a text of its own what all are.
        let kind = line.split_once("(#").and_then(|(_, rest)| rest.split_once(')')).map(|(kind, _)| kind.to_owned());
        let field = line.strip_prefix("- `").and_then(|rest| rest.split_once("`: "));
        for name in &names {
            let section = page.entry(name.clone()).or_default();
            match field {
                Some((name, said)) => {
                    // Where another kind is only named for its words, the text does not go on with a link.
                    let kind = kind.clone().filter(|_| !said.starts_with("as "));
                    let field = Field { kind, always: !said.contains("not always there") };
                    section.fields.insert(name.to_owned(), field);
                }
                None if line.starts_with("A [") || line.starts_with("An [") => section.bases.extend(kind.clone()),
                None => {}
            }
        }
    }
    page
}

struct Reader {
    page: Page,
    /// Sections that were met, and the fields of each.
    seen: BTreeMap<String, BTreeSet<String>>,
}

impl Reader {
    /// The field, and the section that tells of it.
    fn find(&self, section: &str, field: &str) -> Option<(String, Field)> {
        let found = self.page.get(section).unwrap_or_else(|| panic!("docs/json.md has no section `{section}`"));
        match found.fields.get(field) {
            Some(known) => Some((section.to_owned(), known.clone())),
            None => found.bases.iter().find_map(|base| self.find(base, field)),
        }
    }

    fn read(&mut self, section: &str, value: &Value) {
        let object = value.as_object().unwrap_or_else(|| panic!("`{section}` is no object: {value}"));
        for (name, value) in object.iter().filter(|(name, _)| *name != "schemaVersion") {
            let (home, field) = self
                .find(section, name)
                .unwrap_or_else(|| panic!("docs/json.md does not tell of `{name}` of `{section}`: {value}"));
            self.seen.entry(home).or_default().insert(name.clone());
            match (&field.kind, value) {
                (Some(kind), Value::Array(values)) => values.iter().for_each(|value| self.read(kind, value)),
                (Some(kind), Value::Object(_)) => self.read(kind, value),
                _ => {}
            }
        }
    }

    /// The document of a command that may have failed in part.
    fn run(&mut self, deployment: &Deployment, arguments: &[&str], section: &str) -> Value {
        let ran = deployment.run(&[arguments, &["-o", "json"]].concat());
        assert!(!ran.out.is_empty(), "{arguments:?}: {ran:?}");
        let document = ran.json();
        assert_eq!(document["schemaVersion"], 1, "{arguments:?}");
        self.read(section, &document);
        document
    }

    /// A field that never came is no field.
    fn all_came(&self) {
        for (section, seen) in &self.seen {
            for (name, field) in &self.page[section].fields {
                assert!(seen.contains(name) || !field.always, "`{section}` has no `{name}` in any document");
            }
        }
    }
}

fn documents(world: &'static World) {
    let deployment = world.deploy("documents", &[NO_SCHEDULE]);
    let mut reader = Reader { page: page(), seen: BTreeMap::new() };
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "{{\"id\":\"one\",\"message\":\"another\"}}\n{{\"id\":\"two\",\"message\":\"m\"}}")
        .expect("written");
    let path = file.path().display().to_string();
    let mut run = |arguments: &[&str], section: &str| reader.run(&deployment, arguments, section);

    run(&["send", "m", "--id", "one", "--wait"], "disa-send");
    run(&["send", "--from", &path], "disa-send---from");
    deployment.put_by_hand("dead", &[("message", n(5))]);
    deployment.await_status("dead", Status::Dead);
    deployment.break_topic();
    run(&["send", "m", "--id", "failed"], "disa-send");
    deployment.await_status("failed", Status::Failure);
    for list in ["list", "failed list", "dead list"] {
        let document = run(&list.split(' ').collect::<Vec<_>>(), &format!("disa-{}", list.replace(' ', "-")));
        assert_ne!(document["items"], Value::Array(vec![]), "{list}");
    }
    run(&["failed", "stats"], "disa-failed-stats");
    run(&["dead", "stats"], "disa-dead-stats");
    run(&["retry", "now", "--dry-run", "--id", "failed", "--id", "none"], "disa-retry-now");
    run(&["retry", "now", "--reason", "to see"], "disa-retry-now");
    deployment.restore_topic();
    run(&["dead", "discard", "--dry-run"], "disa-dead-discard");
    run(&["dead", "revive", "--id", "dead", "--id", "none", "--reason", "to see"], "disa-dead-revive");
    run(&["show", "one", "--body"], "disa-show");
    let shown = run(&["show", "dead"], "disa-show");
    assert_eq!(shown["note"]["reason"], "to see", "{shown}");

    run(&["trace", "one"], "disa-trace");
    let executions = run(&["executions", "list"], "disa-executions-list");
    let name = executions["items"][0]["name"].as_str().expect("a name").to_owned();
    run(&["executions", "show", &name], "disa-executions-show");
    run(&["executions", "show", &name, "--data"], "disa-executions-show");
    run(&["executions", "stop", &name, "--yes"], "disa-executions-stop");
    run(&["alarm", "show"], "disa-alarm-show");
    run(&["alarm", "list"], "disa-alarm-list");
    run(&["alarm", "history"], "disa-alarm-history");
    run(&["breaker", "open", "--for", "1h", "--reason", "to see"], "disa-breaker-open");
    run(&["retry", "now"], "disa-retry-now");
    run(&["breaker", "close", "--for", "1h"], "disa-breaker-close");
    run(&["breaker", "show"], "disa-breaker-show");
    run(&["breaker", "release"], "disa-breaker-release");
    run(&["logs"], "disa-logs");
    for verb in ["pause", "resume", "schedule"] {
        run(&["retry", verb], &format!("disa-retry-{verb}"));
    }
    run(&["status"], "disa-status");
    run(&["reconcile", "--dry-run"], "disa-reconcile");
    run(&["local", "status"], "disa-local-status");
    run(&["plan", "--set", "RetrySchedule=rate(2 days)"], "disa-plan");
    run(&["doctor"], "disa-doctor");
    deployment.set_variable(Function::Retry, "RAMP_START", "1");
    run(&["drift"], "disa-drift");
    run(&["config"], "disa-config");
    run(&["outputs"], "disa-outputs");
    let directory = tempfile::tempdir().expect("a directory");
    run(&["template", "--out", &directory.path().display().to_string()], "disa-template");
    run(&["gc", "--dry-run", "--older-than", "0s", "--keep", "1"], "disa-gc");
    run(&["destroy", "--dry-run"], "disa-destroy");
    run(&["deploy"], "disa-deploy");
    run(&["diagnose"], "disa-diagnose");
    reader.all_came();
}
