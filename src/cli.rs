//! The tree of commands and the options that all of them share.

use clap::{Args, Parser, Subcommand, ValueEnum};

use clap_complete::engine::ArgValueCompleter;

use crate::config::Settings;
use crate::{commands, complete};

/// An outbox for Amazon SNS that an operator can trust.
#[derive(Debug, Parser)]
#[command(
    name = "disa",
    version,
    max_term_width = 100,
    propagate_version = false,
    after_help = "Try it on this machine, without an account: disa demo"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Work on the AWS engine of this machine; started, and installed, when needed
    #[arg(long, global = true, env = "DISA_LOCAL", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub local: bool,
    /// Profile of the AWS configuration files
    #[arg(long, global = true, env = "DISA_PROFILE", hide_env_values = true, value_name = "NAME", add = ArgValueCompleter::new(complete::profiles))]
    pub profile: Option<String>,
    /// AWS region
    #[arg(long, global = true, env = "DISA_REGION", hide_env_values = true, value_name = "NAME")]
    pub region: Option<String>,
    /// Address of an AWS-compatible service
    #[arg(long, global = true, env = "DISA_ENDPOINT_URL", hide_env_values = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Project: the first part of every name
    #[arg(long, global = true, env = "DISA_PROJECT", hide_env_values = true, value_name = "NAME", default_value = "disa", value_parser = project)]
    pub project: String,
    /// Environment: the second part of every name
    #[arg(long, global = true, env = "DISA_ENV", hide_env_values = true, value_name = "NAME", default_value = "devl",
          value_parser = clap::builder::PossibleValuesParser::new(outbox::names::ENVIRONMENTS))]
    pub env: String,
    /// Form of the output
    #[arg(
        short,
        long,
        global = true,
        env = "DISA_OUTPUT",
        hide_env_values = true,
        value_name = "FORM",
        default_value = "table"
    )]
    pub output: Output,
    /// How times are shown to people
    #[arg(
        long,
        global = true,
        env = "DISA_TIME",
        hide_env_values = true,
        value_name = "HOW",
        default_value = "relative"
    )]
    pub time: Time,
    /// Say more: the request ids of errors
    #[arg(short, long, global = true, env = "DISA_VERBOSE", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub verbose: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, env = "DISA_QUIET", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub quiet: bool,
    /// When to use colour; NO_COLOR is obeyed
    #[arg(
        long,
        global = true,
        env = "DISA_COLOR",
        hide_env_values = true,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: Color,
    /// What the configuration files say, and where each option has its value from.
    #[arg(skip)]
    pub settings: Settings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// One document
    Json,
    /// One document a line
    Jsonl,
    /// Comma-separated values, for what comes in rows
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Time {
    /// As seen from now: `3m 20s ago`
    Relative,
    /// ISO 8601, in UTC
    Iso,
    /// Date and time of this machine's time zone
    Local,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create or update the stack, with everything it needs
    Deploy(commands::deploy::Deploy),
    /// Show what a deployment would change
    Plan(commands::plan::PlanCommand),
    /// Take back the deployment that runs
    Cancel(commands::cancel::Cancel),
    /// Explain how the last deployment ended: the first cause of a failure, and what to do
    Diagnose(commands::diagnose::Diagnose),
    /// Show every option and parameter, with its value and where it comes from
    Config(commands::config::Config),
    /// Print the stack's outputs, or one of them
    Outputs(commands::outputs::Outputs),
    /// Write the templates and a parameter file, for deploying with plain `aws cloudformation`
    Template(commands::template::Template),
    /// Put a message into the outbox
    Send(commands::send::Send),
    /// Show a message and what became of it
    Show(commands::show::Show),
    /// Tell what became of a message, from its writing to its delivery
    Trace(commands::trace::Trace),
    /// List messages, of any status
    List(commands::list::List),
    /// Failed messages, which wait to be tried again
    #[command(subcommand)]
    Failed(commands::failed::Failed),
    /// Dead messages, which are not tried again
    #[command(subcommand)]
    Dead(commands::dead::Dead),
    /// Sending again
    #[command(subcommand)]
    Retry(commands::retry::Retry),
    /// How the outbox is: stack, backlog, breaker, schedule, executions, dead letters
    Status(commands::status::Status),
    /// Executions of the state machine: what ran, what happened in them
    #[command(subcommand)]
    Executions(commands::executions::Executions),
    /// The breaker: how it stands, and holding it open or closed for a while
    #[command(subcommand)]
    Breaker(commands::breaker::Breaker),
    /// The alarms: the breaker, dead and old messages, dead letters
    #[command(subcommand)]
    Alarm(commands::alarm::Alarm),
    /// What the functions wrote, in one order
    Logs(commands::logs::Logs),
    /// Find what no index holds, and take it into the backlog
    Reconcile(commands::reconcile::Reconcile),
    /// Look for what stands in the way of a deployment, or of what is deployed
    Doctor(commands::doctor::Doctor),
    /// Compare what is there with what was deployed
    Drift(commands::drift::Drift),
    /// Prove the deployed pipeline: deliver, break, recover
    Drill(commands::drill::Drill),
    /// Start the local engine, deploy, and run the drill
    Demo(commands::demo::Demo),
    /// The AWS engine of this machine
    #[command(subcommand)]
    Local(commands::local::Local),
    /// Remove artifacts that no stack and none of the last deployments uses
    Gc(commands::gc::Gc),
    /// Delete the stack; the messages stay
    Destroy(commands::destroy::Destroy),
    /// Print a script that completes commands, options, ids and profiles in a shell
    Completions(commands::help::Completions),
    /// Write manual pages
    Man(commands::help::Man),
    /// Print the reference of all commands as Markdown
    Reference(commands::help::Reference),
}

impl Command {
    /// Whether the answer comes in rows, so that it can be comma-separated.
    pub fn has_rows(&self) -> bool {
        match self {
            Command::Doctor(_) | Command::Drift(_) | Command::List(_) | Command::Logs(_) | Command::Trace(_) => true,
            Command::Config(_) | Command::Outputs(_) => true,
            Command::Failed(command) => command.has_rows(),
            Command::Dead(command) => command.has_rows(),
            Command::Executions(command) => command.has_rows(),
            Command::Alarm(command) => command.has_rows(),
            _ => false,
        }
    }
}

fn project(text: &str) -> Result<String, String> {
    let letters = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if letters && first && (2..=20).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("2 to 20 lower-case letters, digits and hyphens, a letter first".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_tree_is_sound() {
        super::Cli::command().debug_assert();
    }
}
