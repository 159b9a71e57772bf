//! The only code that writes to the terminal. Results go to standard output, everything else to standard
//! error; colour and progress only where a person looks at them, and nothing says anything by colour alone.

mod columns;
pub mod listing;
mod progress;
pub mod table;
pub mod text;
pub mod tree;
pub mod watch;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use outbox::EpochMs;
use serde::Serialize;

use crate::cli::{Color, Global, Output, Time};
use crate::error::{Error, Kind, Result};

pub use progress::Progress;

/// The version of the JSON documents; grows when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Clone, Copy, Debug)]
pub struct Ui {
    pub output: Output,
    time: Time,
    verbose: bool,
    quiet: bool,
    color_out: bool,
    color_err: bool,
    /// Whether a person sees standard error.
    live: bool,
}

/// What a word means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Strong,
    Good,
    Warning,
    Bad,
    Faint,
}

/// A result: a document for machines, and a text for people.
pub trait View: Serialize {
    fn text(&self, ui: &Ui) -> String;
}

impl Ui {
    pub fn new(global: &Global) -> Ui {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = |terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain && !dumb,
        };
        let live = std::io::stderr().is_terminal();
        Ui {
            output: global.output,
            time: global.time,
            verbose: global.verbose,
            quiet: global.quiet,
            color_out: color(std::io::stdout().is_terminal()),
            color_err: color(live),
            live: live && !dumb,
        }
    }

    /// Prints the result of a command.
    pub fn show<V: View>(&self, view: &V) -> Result<()> {
        match self.output {
            Output::Table => self.print(&self.wrapped(view.text(self).trim_end())),
            Output::Json => self.json(&Document { schema_version: SCHEMA_VERSION, view }, true),
            // Comma-separated values are refused before anything without rows begins.
            Output::Jsonl | Output::Csv => self.json(&Document { schema_version: SCHEMA_VERSION, view }, false),
        }
    }

    /// A time in the way that the reader asked for.
    pub fn time(&self, time: EpochMs) -> String {
        match self.time {
            Time::Relative => text::relative(time, crate::context::now_ms()),
            Time::Iso => text::iso(time),
            Time::Local => text::local(time),
        }
    }

    /// The same where there is room for more: with the time itself if it is seen from now.
    pub fn full_time(&self, time: EpochMs) -> String {
        match self.time {
            Time::Relative => format!("{} ({})", text::iso(time), self.time(time)),
            Time::Iso | Time::Local => self.time(time),
        }
    }

    fn json<S: Serialize>(&self, value: &S, pretty: bool) -> Result<()> {
        let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        self.print(&text.map_err(|error| Error::failed("cannot write the JSON document").because(error))?)
    }

    pub fn print(&self, text: &str) -> Result<()> {
        self.write(&format!("{text}\n"))
    }

    /// Writes to standard output just what is given.
    fn write(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Error::new(Kind::BrokenPipe, "the reader of the output went away"),
            _ => Error::failed("cannot write to standard output").because(error),
        })
    }

    /// Something that a person wants to know and no script: a step done, a fact found.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.err(text);
        }
    }

    pub fn warn(&self, text: &str) {
        self.err(&format!("{} {text}", paint(self.color_err, Tone::Warning, "warning:")));
    }

    /// Whether questions can be asked: a person is there, and no machine reads the answer.
    pub fn can_ask(&self) -> bool {
        self.live && self.output == Output::Table && std::io::stdin().is_terminal()
    }

    /// Whether a person sees and steers standard output, so that it can be a view of its own.
    pub fn can_fill_screen(&self) -> bool {
        self.output == Output::Table && self.out_is_terminal() && std::io::stdin().is_terminal() && self.live
    }

    /// The same without colour: for a text inside a view.
    pub fn plain(&self) -> Ui {
        Ui { color_out: false, color_err: false, ..*self }
    }

    /// The same for a text that goes to standard error.
    pub fn of_err(&self) -> Ui {
        Ui { color_out: self.color_err, ..*self }
    }

    /// Asks for a text; `None` when the person gives up.
    pub fn ask(&self, question: &str) -> Option<String> {
        dialoguer::Input::<String>::new().with_prompt(question).allow_empty(true).interact_text().ok()
    }

    /// Asks a question; anything but a yes is a no.
    pub fn confirm(&self, question: &str) -> bool {
        dialoguer::Confirm::new().with_prompt(question).default(false).interact().unwrap_or(false)
    }

    /// A bar or a spinner, on a terminal; plain lines elsewhere.
    pub fn progress(&self, what: &str, total: Option<u64>) -> Progress {
        Progress::new(self.live && !self.quiet, what, total)
    }

    /// Whether a person sees standard output.
    fn out_is_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// A text as standard output takes it: lines that a terminal would break in the middle of a word are broken between words.
    fn wrapped(&self, text: &str) -> String {
        let text = text::harmless(text, self.color_out);
        if self.out_is_terminal() { text::wrapped(&text, self.width()) } else { text }
    }

    /// Columns of the terminal; 80 where none says how many.
    fn width(&self) -> usize {
        console::Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns))
    }

    /// A text that is redrawn on standard error: what does not fit the terminal is cut off.
    pub fn fitted(&self, text: &str) -> String {
        let (rows, columns) = console::Term::stderr().size_checked().unwrap_or((24, 80));
        text::fitted(text, usize::from(columns), usize::from(rows))
    }

    /// Whether progress lines are redrawn rather than written one after the other.
    pub fn is_live(&self) -> bool {
        self.live && !self.quiet
    }

    pub fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.color_out, tone, text)
    }

    pub fn paint_err(&self, tone: Tone, text: &str) -> String {
        paint(self.color_err, tone, text)
    }

    fn faint_err(&self, text: &str) -> String {
        paint(self.color_err, Tone::Faint, text)
    }

    /// Reports an error and gives its exit code.
    pub fn error(&self, error: &Error) -> ExitCode {
        if error.kind != Kind::BrokenPipe {
            self.err(&format!("{} {}", paint(self.color_err, Tone::Bad, "error:"), error.message));
            for cause in &error.causes {
                self.err(&format!("  because {cause}"));
            }
            for hint in &error.hints {
                self.err(&format!("  {} {hint}", paint(self.color_err, Tone::Strong, "try:")));
            }
            if let Some(id) = error.request_id.as_ref().filter(|_| self.verbose) {
                self.err(&self.faint_err(&format!("  request id {id}")));
            }
        }
        ExitCode::from(error.kind as u8)
    }

    fn err(&self, text: &str) {
        let width = console::Term::stderr().size_checked().map(|(_, columns)| usize::from(columns));
        let text = text::harmless(text, self.color_err);
        let text = width.map_or_else(|| text.clone(), |width| text::wrapped(&text, width));
        // Nobody can be told that standard error is gone.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Answers what clap found: help and version are results, everything else is misuse.
pub fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a, V: Serialize> {
    schema_version: u32,
    #[serde(flatten)]
    view: &'a V,
}

fn paint(color: bool, tone: Tone, text: &str) -> String {
    let style = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Strong => Style::new().bold(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Warning => AnsiColor::Yellow.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Faint => Style::new().dimmed(),
    };
    if color { format!("{style}{text}{style:#}") } else { text.to_owned() }
}
