//! The reference of all commands as Markdown, from the same tree that parses them.

use std::fmt::Write;

use clap::{Arg, Command};

/// Every command with its usage, arguments, options and examples; the global options once.
pub fn markdown(root: &Command) -> String {
    let mut out = String::from("# Reference\n\nGenerated from the command itself: `disa reference`.\n");
    let _ = writeln!(out, "\n## Global options\n\nEvery command takes these.\n");
    options(&mut out, root, |arg| arg.is_global_set());
    for command in root.get_subcommands() {
        section(&mut out, root.get_name(), command);
    }
    out
}

fn section(out: &mut String, parent: &str, command: &Command) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let path = format!("{parent} {}", command.get_name());
    let _ = writeln!(out, "\n## {path}\n");
    if let Some(about) = command.get_about() {
        let _ = writeln!(out, "{about}.\n");
    }
    if command.has_subcommands() {
        command.get_subcommands().for_each(|command| section(out, &path, command));
        return;
    }
    let usage = command.clone().bin_name(&path).render_usage().to_string();
    let _ = writeln!(out, "```\n{}\n```\n", usage.trim_start_matches("Usage: ").trim());
    options(out, command, |arg| !arg.is_global_set());
    if let Some(help) = command.get_after_help() {
        let (examples, rest) = split(&help.to_string());
        if !examples.is_empty() {
            let _ = writeln!(out, "\n```\n{examples}\n```");
        }
        if !rest.is_empty() {
            let _ = writeln!(out, "\n{rest}");
        }
    }
}

/// The examples, without their indentation, and what else is said.
pub fn split(help: &str) -> (String, String) {
    let (examples, rest): (Vec<&str>, Vec<&str>) =
        help.lines().filter(|line| *line != "Examples:").partition(|line| line.starts_with("  "));
    let examples: Vec<&str> = examples.into_iter().map(str::trim_start).collect();
    (examples.join("\n"), rest.join("\n").trim().to_owned())
}

fn options(out: &mut String, command: &Command, of: impl Fn(&Arg) -> bool) {
    let shown = |arg: &&Arg| of(arg) && !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    for arg in command.get_arguments().filter(shown) {
        let _ = writeln!(out, "- `{}` {}", name(arg), help(arg));
    }
}

/// `-o, --output <FORM>`, `<MESSAGE>`.
fn name(arg: &Arg) -> String {
    let takes_value = arg.get_action().takes_values();
    let values = arg.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>")).collect::<Vec<_>>();
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let flags = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    let values = if takes_value { values.join(" ") } else { String::new() };
    format!("{flags} {values}").trim().to_owned()
}

fn help(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let possible: Vec<String> = match arg.get_action().takes_values() {
        true => arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect(),
        false => vec![],
    };
    if !possible.is_empty() {
        let _ = write!(text, ": {}", possible.join(", "));
    }
    let defaults: Vec<String> = arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        let _ = write!(text, "; default `{}`", defaults.join(","));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, "; environment `{}`", variable.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    fn leaves(command: &Command) -> Vec<&Command> {
        match command.has_subcommands() {
            true => command.get_subcommands().flat_map(leaves).collect(),
            false => vec![command],
        }
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        let root = Cli::command();
        for command in leaves(&root).into_iter().filter(|command| command.get_name() != "help") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (examples, _) = split(&help);
            assert!(help.contains("Examples:") && !examples.is_empty(), "{} has no example", command.get_name());
            for example in examples.lines().filter(|line| line.starts_with("disa ")) {
                let words = words(example);
                let outcome = Cli::command().try_get_matches_from(&words);
                assert!(outcome.is_ok(), "{example}: {}", outcome.expect_err("it fails"));
            }
        }
    }

    /// `retry now`, of all that can be run.
    fn paths(command: &Command, above: &str) -> Vec<String> {
        let path = |command: &Command| format!("{above} {}", command.get_name()).trim().to_owned();
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        shown
            .flat_map(|command| match command.has_subcommands() {
                true => paths(command, &path(command)),
                false => vec![path(command)],
            })
            .collect()
    }

    #[test]
    fn every_command_has_a_snapshot_of_its_help() {
        for path in paths(&Cli::command(), "") {
            let file = format!("{}/tests/cli/help-{}.trycmd", env!("CARGO_MANIFEST_DIR"), path.replace(' ', "-"));
            let snapshot = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(snapshot.contains(&format!("$ disa {path} --help\n")), "{file} is missing or of another command");
        }
    }

    #[test]
    fn the_document_of_every_command_is_documented() {
        let page = include_str!("../docs/json.md");
        for path in paths(&Cli::command(), "") {
            assert!(page.contains(&format!("`disa {path}`")), "docs/json.md says nothing of `disa {path}`");
        }
    }

    /// The words of a shell, up to a pipe or a redirection; what another command gives is one word.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote, mut depth) = (vec![], String::new(), None, 0);
        for c in line.chars() {
            match c {
                '(' if depth > 0 || word.ends_with('$') => (depth, word) = (depth + 1, word + "("),
                ')' if depth > 0 => (depth, word) = (depth - 1, word + ")"),
                c if depth > 0 => word.push(c),
                c if quote == Some(c) => quote = None,
                '"' | '\'' if quote.is_none() => quote = Some(c),
                '|' | '>' | '<' | '&' if quote.is_none() => break,
                ' ' if quote.is_none() => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
                c => word.push(c),
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
        words
    }

    #[test]
    fn the_reference_is_what_the_command_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md");
        let said = markdown(&Cli::command());
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            stored.trim_end() == said.trim_end(),
            "docs/reference.md is old: `cargo run -- reference > docs/reference.md`"
        );
    }
}
