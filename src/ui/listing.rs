//! Lists: rows that are written as they come, in constant memory, in each form of output.

use console::{measure_text_width, pad_str, truncate_str};
use outbox::EpochMs;
use serde::Serialize;

use super::columns::{GAP, Layout};
use super::{SCHEMA_VERSION, Tone, Ui, text};
use crate::cli::Output;
use crate::error::{Error, Result};

pub use super::columns::{Column, Columns};

/// So many rows are looked at for the widths of the columns, before the first is written.
const MEASURED: usize = 100;

/// What stands in a row under a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Empty,
    Text(String),
    Toned(Tone, String),
    Number(i64),
    Time(EpochMs),
    /// A duration, in milliseconds.
    Span(i64),
}

/// A thing that comes in lists; its JSON has all of it.
pub trait Row: Serialize {
    /// One of them: `message`.
    const NOUN: &'static str;
    const COLUMNS: &'static [Column];
    fn cell(&self, column: &str) -> Cell;
}

/// A list on its way out.
pub struct Listing<'a, R: Row> {
    ui: &'a Ui,
    columns: Vec<&'static Column>,
    /// Whether the lines are cut to the terminal, and columns may be left out for that.
    cut: bool,
    may_go: bool,
    count: u64,
    form: Form<R>,
}

enum Form<R> {
    /// The rows that are being measured.
    Measuring(Vec<R>),
    Rows(Layout),
    Json,
    Jsonl,
    Csv,
}

impl<'a, R: Row> Listing<'a, R> {
    pub fn new(ui: &'a Ui, chosen: &Columns) -> Result<Listing<'a, R>> {
        let columns = chosen.of(R::COLUMNS, ui.output == Output::Csv)?;
        let form = match ui.output {
            Output::Table => Form::Measuring(vec![]),
            Output::Json => Form::Json,
            Output::Jsonl => Form::Jsonl,
            Output::Csv => Form::Csv,
        };
        let cut = !chosen.wide && ui.out_is_terminal();
        Ok(Listing { ui, columns, cut, may_go: chosen.may_go(), count: 0, form })
    }

    pub fn push(&mut self, row: R) -> Result<()> {
        self.count += 1;
        match &mut self.form {
            Form::Measuring(rows) => {
                rows.push(row);
                if rows.len() >= MEASURED { self.measured() } else { Ok(()) }
            }
            Form::Rows(_) => self.line(&row),
            Form::Json => {
                let before = if self.count == 1 { self.json_head() } else { ",\n    ".to_owned() };
                self.ui.write(&format!("{before}{}", json(&row)?))
            }
            Form::Jsonl => self.ui.print(&json(&row)?),
            Form::Csv => {
                if self.count == 1 {
                    self.ui.write(&record(self.columns.iter().map(|column| column.name.to_owned()))?)?;
                }
                self.ui.write(&record(self.columns.iter().map(|column| plain(&row.cell(column.name))))?)
            }
        }
    }

    /// Writes what is held back: for a list that goes on, and whose reader waits.
    pub fn flush(&mut self) -> Result<()> {
        match &self.form {
            Form::Measuring(rows) if !rows.is_empty() => self.measured(),
            _ => Ok(()),
        }
    }

    /// Ends the list; answers how many rows it had.
    pub fn finish(mut self) -> Result<u64> {
        match &self.form {
            Form::Measuring(rows) if rows.is_empty() => self.ui.print(&format!("No such {}s.", R::NOUN))?,
            Form::Measuring(_) | Form::Rows(_) => {
                self.measured()?;
                self.ui.print(&text::count(self.count, R::NOUN))?;
            }
            Form::Json if self.count == 0 => self.ui.print(&format!("{}]\n}}", self.json_head().trim_end()))?,
            Form::Json => self.ui.print("\n  ]\n}")?,
            Form::Csv if self.count == 0 => {
                self.ui.write(&record(self.columns.iter().map(|column| column.name.to_owned()))?)?;
            }
            Form::Jsonl | Form::Csv => {}
        }
        Ok(self.count)
    }

    fn json_head(&self) -> String {
        format!("{{\n  \"schemaVersion\": {SCHEMA_VERSION},\n  \"items\": [\n    ")
    }

    /// Fixes the widths, and writes the head and what was measured.
    fn measured(&mut self) -> Result<()> {
        let Form::Measuring(rows) = &mut self.form else { return Ok(()) };
        let rows = std::mem::take(rows);
        let widest = |column: &&Column| {
            rows.iter().map(|row| measure_text_width(&self.text(&row.cell(column.name)))).max().unwrap_or(0)
        };
        let widest: Vec<usize> = self.columns.iter().map(widest).collect();
        let mut layout = Layout::natural(&self.columns, widest);
        if self.cut {
            layout = layout.fit(&mut self.columns, self.ui.width(), self.may_go);
        }
        self.form = Form::Rows(layout);
        let heads: Vec<String> = self.columns.iter().map(|column| column.name.to_uppercase()).collect();
        self.cells(heads)?;
        rows.iter().try_for_each(|row| self.line(row))
    }

    fn line(&self, row: &R) -> Result<()> {
        self.cells(self.columns.iter().map(|column| self.text(&row.cell(column.name))).collect())
    }

    fn cells(&self, cells: Vec<String>) -> Result<()> {
        let Form::Rows(Layout { widths, narrowed }) = &self.form else { return Ok(()) };
        let last = cells.len().saturating_sub(1);
        let padded = cells.into_iter().zip(widths).enumerate().map(|(at, (cell, width))| match at == last {
            true => cell,
            false => {
                let cell = if *narrowed { truncate_str(&cell, *width, "…").into_owned() } else { cell };
                pad_str(&cell, *width, console::Alignment::Left, None).into_owned()
            }
        });
        let mut line = padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned();
        if self.cut {
            line = truncate_str(&line, self.ui.width(), "…").into_owned();
        }
        self.ui.print(&line)
    }

    fn text(&self, cell: &Cell) -> String {
        match cell {
            Cell::Empty => String::new(),
            Cell::Text(text) => one_line(text),
            Cell::Toned(tone, text) => self.ui.paint(*tone, &one_line(text)),
            Cell::Number(number) => number.to_string(),
            Cell::Time(time) => self.ui.time(*time),
            Cell::Span(ms) => text::duration(*ms),
        }
    }
}

/// A cell for machines.
fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) | Cell::Toned(_, text) => text.clone(),
        Cell::Number(number) | Cell::Span(number) => number.to_string(),
        Cell::Time(time) => text::iso(*time),
    }
}

/// What came from elsewhere must not break the table, nor command the terminal.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn json<R: Serialize>(row: &R) -> Result<String> {
    serde_json::to_string(row).map_err(|error| Error::failed("cannot write the JSON document").because(error))
}

/// One line of comma-separated values, quoted where that is needed (RFC 4180).
fn record(fields: impl Iterator<Item = String>) -> Result<String> {
    let unwritable = |why: String| Error::failed("cannot write the comma-separated values").because(why);
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(fields.collect::<Vec<_>>()).map_err(|error| unwritable(error.to_string()))?;
    let bytes = writer.into_inner().map_err(|error| unwritable(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
