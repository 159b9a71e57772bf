//! Options and parameters from files, beneath those of the command line and the environment. A flag goes before a
//! variable, a variable before `disa.toml`, that before the user's file, and that before the default.

mod file;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Parser};
use serde::{Serialize, Serializer};

use crate::cli::Global;
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::parameters;
use file::{File, Section};

/// The options that a file may give, as their flags are called.
pub const OPTIONS: [&str; 9] =
    ["local", "profile", "region", "endpoint-url", "project", "env", "output", "time", "color"];

/// The file that is looked for in the working directory and above it.
const PROJECT_FILE: &str = "disa.toml";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag(String),
    Variable(String),
    Line {
        file: String,
        line: usize,
    },
    Deployed,
    /// The artifacts of a deployment, or an option of `deploy`.
    Deployment,
    /// What suits the local engine.
    Local,
    Default,
    TemplateDefault,
    /// The deployed value, if it is deployed; else the template's default.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    pub origin: Origin,
}

/// A global option as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub name: String,
    pub value: Option<String>,
    pub origin: Origin,
}

/// What flags, variables and files come to, for the chosen environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub options: Vec<Choice>,
    /// Parameters of the stack that files give.
    pub parameters: BTreeMap<String, Value>,
}

/// The configuration files, the one that goes before the other first.
pub struct Files(Vec<File>);

impl Files {
    /// Reads `disa.toml` of the working directory or the nearest above it, and the user's file. DISA_CONFIG names
    /// another one than the user's; empty, there is none.
    pub fn read() -> Result<Files> {
        let mut files = vec![];
        let here = std::env::current_dir().doing("tell the working directory")?;
        let above = here.ancestors().enumerate().find(|(_, place)| place.join(PROJECT_FILE).is_file());
        if let Some((up, place)) = above {
            files.push(read_file(&place.join(PROJECT_FILE), &format!("{}{PROJECT_FILE}", "../".repeat(up)))?);
        }
        match std::env::var_os("DISA_CONFIG") {
            Some(given) if given.is_empty() => {}
            Some(given) => files.push(read_file(Path::new(&given), &given.to_string_lossy())?),
            None => {
                if let Some((path, name)) = users_file().filter(|(path, _)| path.is_file()) {
                    files.push(read_file(&path, &name)?);
                }
            }
        }
        Ok(Files(files))
    }

    /// The sections that hold in an environment, the one that goes before the others first.
    fn sections<'a>(&'a self, environment: &'a str) -> impl Iterator<Item = &'a Section> {
        self.0.iter().flat_map(move |file| file.environments.get(environment).into_iter().chain([&file.all]))
    }
}

/// `$XDG_CONFIG_HOME/disa/config.toml`, and what it is called to a person.
fn users_file() -> Option<(PathBuf, String)> {
    let path = directories::ProjectDirs::from("", "", "disa")?.config_dir().join("config.toml");
    let home = directories::BaseDirs::new()?.home_dir().to_owned();
    let name = match path.strip_prefix(&home) {
        Ok(below) => format!("~/{}", below.display()),
        Err(_) => path.display().to_string(),
    };
    Some((path, name))
}

fn read_file(path: &Path, name: &str) -> Result<File> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::new(Kind::Access, format!("cannot read {name}")).because(error))?;
    file::read(name, &text)
}

/// Puts what the files say beneath what was given, which `matches` has: an option of theirs becomes its default, so
/// that clap stays the one that judges values.
pub fn layer<P: Parser>(matches: &ArgMatches, files: &Files, words: Vec<OsString>) -> Result<(P, Settings)> {
    let (mut command, mut settings) = (P::command(), Settings::default());
    let environment = environment(matches, files);
    let mut origins = vec![];
    for argument in P::command().get_arguments().filter(|argument| argument.is_global_set()) {
        let (id, name) = (argument.get_id().to_string(), argument.get_long().unwrap_or_default().to_owned());
        let variable = || argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let value = files.sections(&environment).find_map(|section| section.options.get(&name));
        let origin = match (matches.value_source(&id), value) {
            (Some(ValueSource::CommandLine), _) => Origin::Flag(format!("--{name}")),
            (Some(ValueSource::EnvVariable), _) => Origin::Variable(variable()),
            (_, None) => Origin::Default,
            (_, Some(value)) => {
                permitted(&name, value)?;
                let text = value.text.clone();
                command = command.mut_arg(&id, |argument| argument.default_value(text));
                value.origin.clone()
            }
        };
        origins.push((id, name, origin));
    }
    // What was given has been judged before, and so has what the files say.
    let unforeseen = |error: clap::Error| Error::usage(error.to_string());
    let matches = command.try_get_matches_from(words).map_err(unforeseen)?;
    for (id, name, origin) in origins {
        // A switch has other spellings in a variable: `DISA_LOCAL=1`.
        let switch = matches.try_get_one::<bool>(&id).ok().flatten().map(bool::to_string);
        let written = || matches.get_raw(&id).and_then(|mut values| values.next_back());
        let value = switch.or_else(|| written().map(|value| value.to_string_lossy().into_owned()));
        settings.options.push(Choice { name, value, origin });
    }
    for (name, value) in files.sections(&environment).flat_map(|section| &section.parameters) {
        settings.parameters.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Ok((P::from_arg_matches(&matches).map_err(unforeseen)?, settings))
}

/// The environment that is chosen, before its section is looked at.
fn environment(matches: &ArgMatches, files: &Files) -> String {
    let chosen = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    match matches.value_source("env") {
        Some(ValueSource::CommandLine | ValueSource::EnvVariable) => chosen("env"),
        _ => {
            let said = files.0.iter().find_map(|file| file.all.options.get("env"));
            said.map_or_else(|| chosen("env"), |value| value.text.clone())
        }
    }
}

/// Whether clap takes the value for the option.
fn permitted(name: &str, value: &Value) -> Result<()> {
    #[derive(Debug, Parser)]
    #[command(disable_help_flag = true)]
    struct Options {
        #[command(flatten)]
        _global: Global,
    }
    let words = match name {
        "local" => return Ok(()),
        name => ["disa".to_owned(), format!("--{name}={}", value.text)],
    };
    let Err(error) = Options::try_parse_from(words) else { return Ok(()) };
    let said = error.to_string();
    let why = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let refused = Error::new(Kind::Access, format!("{}: {why}", value.origin));
    match error.get(clap::error::ContextKind::ValidValue) {
        Some(values) => Err(refused.hint(format!("possible values: {values}"))),
        None => Err(refused),
    }
}

impl Settings {
    /// The parameters of the stack that were given, each checked against the template: by flags, by a file named
    /// there, by the configuration files.
    pub fn chosen(&self, set: &[(String, String)], named: Option<&Path>) -> Result<BTreeMap<String, Value>> {
        let mut chosen = self.parameters.clone();
        if let Some(path) = named {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::usage(format!("cannot read {name}")).because(error))?;
            chosen.extend(file::parameters(&name, &text)?);
        }
        for (name, value) in &chosen {
            parameters::permit(name, &value.text)
                .map_err(|why| Error::new(Kind::Access, format!("{}: {why}", value.origin)).hint(LISTED))?;
        }
        let flag = |text: &String| Value { text: text.clone(), origin: Origin::Flag("--set".to_owned()) };
        chosen.extend(set.iter().map(|(name, text)| (name.clone(), flag(text))));
        Ok(chosen)
    }
}

const LISTED: &str = "`disa config` lists the parameters and their values";

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) | Origin::Variable(name) => write!(f, "{name}"),
            Origin::Line { file, line } => write!(f, "{file}:{line}"),
            Origin::Deployed => write!(f, "deployed"),
            Origin::Deployment => write!(f, "given by deploy"),
            Origin::Local => write!(f, "local engine"),
            Origin::Default => write!(f, "default"),
            Origin::TemplateDefault => write!(f, "template default"),
            Origin::Unknown => write!(f, "not known"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    const MINE: &str =
        "region = 'r-mine'\nprofile = 'mine'\nlocal = true\n[parameters]\nBatchSize = 1\nRampStart = 1\n";
    const PROJECT: &str = "region = 'r-project'\n[parameters]\nBatchSize = 2\n[environment.prod]\nlocal = false\n\
                           region = 'r-prod'\n[environment.prod.parameters]\nBatchSize = 3\n";

    fn run(project: &str, mine: &str, words: &[&str]) -> Result<(Cli, Settings)> {
        let words: Vec<OsString> = ["disa", "status"].iter().chain(words).map(Into::into).collect();
        let matches = Cli::command().try_get_matches_from(&words).expect("right words");
        let files = Files(vec![file::read("disa.toml", project)?, file::read("mine", mine)?]);
        layer(&matches, &files, words)
    }

    fn origin(settings: &Settings, name: &str) -> String {
        let choice = settings.options.iter().find(|choice| choice.name == name).expect("an option");
        format!("{} {}", choice.value.as_deref().unwrap_or("-"), choice.origin)
    }

    #[test]
    fn a_flag_goes_before_the_project_and_that_before_the_user() {
        let (cli, settings) = run(PROJECT, MINE, &["--profile", "flag"]).expect("settings");
        assert_eq!(origin(&settings, "profile"), "flag --profile");
        assert_eq!(origin(&settings, "region"), "r-project disa.toml:1");
        assert_eq!(origin(&settings, "local"), "true mine:3");
        assert_eq!(origin(&settings, "project"), "disa default");
        assert_eq!(origin(&settings, "endpoint-url"), "- default");
        assert!(cli.global.local);
        assert_eq!(cli.global.region.as_deref(), Some("r-project"));
        let texts = settings.chosen(&[("RampStart".to_owned(), "9".to_owned())], None).expect("parameters");
        assert_eq!((texts["BatchSize"].text.as_str(), texts["RampStart"].text.as_str()), ("2", "9"));
        assert_eq!(texts["RampStart"].origin.to_string(), "--set");
    }

    #[test]
    fn an_environment_has_its_own_values_however_it_is_chosen() {
        for (project, words) in
            [(PROJECT.to_owned(), ["--env", "prod"].as_slice()), (format!("env = 'prod'\n{PROJECT}"), &[])]
        {
            let (cli, settings) = run(&project, MINE, words).expect("settings");
            assert_eq!(cli.global.env, "prod");
            assert!(!cli.global.local);
            assert_eq!(cli.global.region.as_deref(), Some("r-prod"));
            assert_eq!(settings.parameters["BatchSize"].text, "3");
            assert_eq!(settings.parameters["RampStart"].text, "1");
        }
    }

    #[test]
    fn a_value_that_an_option_does_not_permit_is_told_with_its_place() {
        let cases = [
            ("output = 'tabel'", "disa.toml:1: invalid value 'tabel' for '--output <FORM>'", "table, json"),
            ("\nproject = 'Big'", "disa.toml:2: invalid value 'Big' for '--project <NAME>': 2 to 20", ""),
            ("env = 'production'", "disa.toml:1: invalid value 'production' for '--env <NAME>'", "devl, test, prod"),
        ];
        for (text, message, hint) in cases {
            let error = run(text, "", &[]).expect_err(text);
            assert_eq!(error.kind, Kind::Access);
            assert!(error.message.starts_with(message), "{error:?}");
            assert!(hint.is_empty() || error.hints.iter().any(|said| said.contains(hint)), "{error:?}");
        }
        // What a flag overrules is not looked at.
        assert!(run("output = 'tabel'", "", &["-o", "json"]).is_ok());
    }

    #[test]
    fn parameters_are_judged_where_they_are_used_and_name_their_place() {
        for (text, why) in
            [("BatchSize = 101", "must be from 1 to 100"), ("Batchsize = 1", "did you mean `BatchSize`?")]
        {
            let (_, settings) = run(&format!("[parameters]\n{text}"), "", &[]).expect("settings");
            let error = settings.chosen(&[], None).expect_err(text);
            assert!(error.message.starts_with("disa.toml:2: ") && error.message.contains(why), "{error:?}");
        }
    }
}
