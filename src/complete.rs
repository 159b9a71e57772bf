//! Values for a shell that completes: asked for while a person types, so quick, and silent on any error.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use clap_complete::CompletionCandidate;
use futures::{StreamExt, TryStreamExt};
use outbox::item::Status;

use crate::aws::messages::backlog;
use crate::cli::Global;
use crate::commands::executions::state_machine_arn;
use crate::config::{Files, layer};
use crate::context::Context;
use crate::local::{self, Health};
use crate::stack::parameters::{declared, giver};
use crate::ui::Ui;

/// A person does not wait longer for a proposal.
const PATIENCE: Duration = Duration::from_secs(2);
const MOST: usize = 50;
/// Executions among which names are looked for (Step Functions API reference, `ListExecutions`: 1,000 a page).
const LATEST: i32 = 1_000;

/// Ids of messages in the backlog that begin as typed.
pub fn ids(typed: &OsStr) -> Vec<CompletionCandidate> {
    let prefix = typed.to_string_lossy().into_owned();
    asked(async |context| {
        let table = context.table();
        let found = backlog(&table, &Status::BACKLOG)
            .try_filter(|message| std::future::ready(message.sequence_no.starts_with(&prefix)))
            .take(MOST)
            .map_ok(|message| CompletionCandidate::new(message.sequence_no).help(Some(message.send_status.into())));
        found.filter_map(|found| std::future::ready(found.ok())).collect().await
    })
}

/// Names of the latest executions that begin as typed.
pub fn executions(typed: &OsStr) -> Vec<CompletionCandidate> {
    let prefix = typed.to_string_lossy().into_owned();
    asked(async |context| {
        let Ok(arn) = state_machine_arn(&context).await else { return vec![] };
        let found = context.clients.sfn().latest(&arn, LATEST).await.ok().flatten().unwrap_or_default();
        let found = found.into_iter().filter(|execution| execution.name.starts_with(&prefix)).take(MOST);
        found.map(|one| CompletionCandidate::new(one.name).help(Some(one.status.into()))).collect()
    })
}

/// What is known where the words so far point at; nothing when that takes too long.
fn asked(look: impl AsyncFnOnce(Context) -> Vec<CompletionCandidate>) -> Vec<CompletionCandidate> {
    // The shell's request runs before the command's own runtime is made.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return vec![] };
    let found = async {
        let global = global();
        // A proposal starts no engine.
        if global.local && !matches!(local::health().await, Ok((_, Health::Running(_)))) {
            return vec![];
        }
        let ui = Ui::new(&global);
        let Ok(context) = Context::connect(&global, ui).await else { return vec![] };
        look(context).await
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, found).await.unwrap_or_default() })
}

/// The words that are typed so far, as far as they say where to look.
fn global() -> Global {
    #[derive(Parser)]
    #[command(ignore_errors = true, disable_help_flag = true)]
    struct Words {
        #[command(flatten)]
        global: Global,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _rest: Vec<String>,
    }
    // `disa -- disa failed list --local …`: the words stand behind the separator.
    let typed = std::env::args().skip_while(|word| word != "--").skip(1);
    let (mut options, mut words) = (vec!["disa".to_owned()], typed.skip(1).peekable());
    while let Some(word) = words.next() {
        let takes_value = ["--project", "--env", "--region", "--profile", "--endpoint-url"].contains(&word.as_str());
        if takes_value || word == "--local" || word.split_once('=').is_some_and(|(name, _)| name.starts_with("--")) {
            options.push(word);
            options.extend(words.next_if(|_| takes_value));
        }
    }
    let matches = Words::command().get_matches_from(&options);
    let words = options.into_iter().map(Into::into).collect();
    let layered = Files::read().and_then(|files| layer::<Words>(&matches, &files, words));
    layered.map_or_else(|_| Words::parse_from(["disa"]).global, |(words, _)| words.global)
}

/// Profiles of the AWS configuration files.
pub fn profiles(typed: &OsStr) -> Vec<CompletionCandidate> {
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".aws")).unwrap_or_default();
    let file = |variable: &str, name: &str| std::env::var_os(variable).map_or(home.join(name), PathBuf::from);
    let files = [file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    let text: String = files.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    let typed = typed.to_string_lossy().into_owned();
    profile_names(&text).into_iter().filter(|name| name.starts_with(&typed)).map(CompletionCandidate::new).collect()
}

/// `[default]`, `[profile mine]`, and in the credentials `[mine]`.
fn profile_names(text: &str) -> Vec<String> {
    let sections = text.lines().filter_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'));
    let names = sections.filter(|section| !section.starts_with("sso-session ") && !section.starts_with("services "));
    let mut names: Vec<String> =
        names.map(|section| section.strip_prefix("profile ").unwrap_or(section).trim().to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

/// Parameters of the stack, for `deploy --set`; not those that name artifacts.
pub fn parameters(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy().into_owned();
    let names = declared().iter().map(|parameter| &parameter.name).filter(|name| giver(name).is_none());
    let names = names.map(|name| format!("{name}="));
    names.filter(|name| name.starts_with(&typed)).map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_sections_of_both_files() {
        let text = "[default]\nregion = x\n[profile mine]\n[sso-session s]\n [profile  other ]\n[mine]\n# [no]\n";
        assert_eq!(profile_names(text), ["default", "mine", "other"]);
    }

    #[test]
    fn parameters_are_those_of_the_root_stack() {
        let found = parameters(OsStr::new("Retry"));
        let found: Vec<String> = found.iter().map(|c| c.get_value().to_string_lossy().into_owned()).collect();
        assert_eq!(found, ["RetrySchedule=", "RetryScheduleState=", "RetryBudget="]);
    }
}
