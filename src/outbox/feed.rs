//! Many messages in one file: JSON lines or comma-separated values, read one by one in constant memory, each with
//! the number of its line.

use std::io::{BufRead, Read};

use clap::ValueEnum;
use outbox::message::{Attribute, Message};

use super::line::{Line, derived_id};

/// The longest line, or record of comma-separated values, in bytes: a message of 256 KiB whose every byte is
/// escaped as JSON does it (`\u0001`) has 1.5 MiB.
pub const MAX_LINE_BYTES: usize = 2 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values, with a header
    Csv,
}

impl Format {
    /// By a file's name: JSON lines unless it ends in `.csv` or `.csv.gz`.
    pub fn of(name: &str) -> Format {
        let name = name.to_ascii_lowercase();
        if name.ends_with(".csv") || name.ends_with(".csv.gz") { Format::Csv } else { Format::Jsonl }
    }
}

/// A message that may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins, from 1.
    pub line: u64,
    pub id: String,
    pub message: Message,
}

#[derive(Debug)]
pub enum Trouble {
    /// A line that cannot be sent, and why.
    Bad(u64, String),
    /// The file cannot be read on.
    Unreadable(std::io::Error),
}

/// The messages of a file, in their order. After a bad line it goes on with the next, where it can be told
/// where that begins.
pub struct Feed<R> {
    lines: Lines<R>,
    skip: u64,
    format: Format,
    columns: Option<Vec<Column>>,
    over: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Id,
    Message,
    Subject,
    Text(String),
    Number(String),
}

impl<R: BufRead> Feed<R> {
    /// The first `skip` lines are not looked at.
    pub fn new(reader: R, format: Format, skip: u64) -> Feed<R> {
        Feed { lines: Lines { reader, number: 0 }, skip, format, columns: None, over: false }
    }

    fn entry(&mut self) -> Result<Option<Entry>, Trouble> {
        loop {
            let Some((line, bytes)) = self.lines.next()? else { return Ok(None) };
            let blank = match self.format {
                Format::Jsonl => bytes.iter().all(u8::is_ascii_whitespace),
                // Spaces are a cell.
                Format::Csv => matches!(bytes.as_slice(), b"\n" | b"\r\n"),
            };
            if blank {
                continue;
            }
            let found = match self.format {
                Format::Jsonl if line <= self.skip => None,
                Format::Jsonl => Some(utf8(line, &bytes).and_then(Line::parse)),
                Format::Csv => self.record(line, bytes)?,
            };
            let Some(found) = found else { continue };
            let checked = found.and_then(|Line { id, message }| {
                let id = id.unwrap_or_else(|| derived_id(line, &message));
                message.check(&id).map_err(|invalid| invalid.to_string())?;
                Ok(Entry { line, id, message })
            });
            return checked.map(Some).map_err(|reason| Trouble::Bad(line, reason));
        }
    }

    /// A record may have several lines; the first is the header. `None` where there is nothing to send.
    fn record(&mut self, line: u64, mut bytes: Vec<u8>) -> Result<Option<Result<Line, String>>, Trouble> {
        // A quote within quotes is doubled: the record ends where their number is even.
        let quotes = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'"').count();
        let mut open = quotes(&bytes) % 2 == 1;
        while open {
            let (Some((_, more)), true) = (self.lines.next()?, bytes.len() <= MAX_LINE_BYTES) else {
                self.over = true;
                return Err(Trouble::Bad(line, "a quote is not closed, here or before".to_owned()));
            };
            open ^= quotes(&more) % 2 == 1;
            bytes.extend(more);
        }
        if let Some(columns) = &self.columns {
            return Ok(Some(line).filter(|line| *line > self.skip).map(|_| row(columns, &fields(line, &bytes)?)));
        }
        match fields(line, &bytes).and_then(|names| header(&names)) {
            Ok(columns) => self.columns = Some(columns),
            Err(reason) => {
                self.over = true;
                return Err(Trouble::Bad(line, reason));
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Feed<R> {
    type Item = Result<Entry, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let entry = self.entry();
        self.over |= matches!(entry, Err(Trouble::Unreadable(_)));
        entry.transpose()
    }
}

/// Lines with their numbers, none of them longer than permitted.
struct Lines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Trouble> {
        let mut bytes = vec![];
        let limit = MAX_LINE_BYTES as u64 + 1;
        let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes).map_err(Trouble::Unreadable)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if bytes.last() != Some(&b'\n') && bytes.len() > MAX_LINE_BYTES {
            self.reader.skip_until(b'\n').map_err(Trouble::Unreadable)?;
            return Err(Trouble::Bad(self.number, "the line is longer than 2 MiB".to_owned()));
        }
        Ok(Some((self.number, bytes)))
    }
}

/// A file may begin with a byte order mark.
fn utf8(line: u64, bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("this is not UTF-8: {error}"))?;
    Ok(if line == 1 { text.trim_start_matches('\u{feff}') } else { text })
}

/// The fields of one record (RFC 4180).
fn fields(line: u64, bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = utf8(line, bytes)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records();
    match (records.next(), records.next()) {
        (Some(Ok(record)), None) => Ok(record.iter().map(str::to_owned).collect()),
        _ => Err("a quote stands where none may stand".to_owned()),
    }
}

fn header(names: &[String]) -> Result<Vec<Column>, String> {
    let columns = names.iter().map(|name| column(name.trim())).collect::<Result<Vec<_>, _>>()?;
    let twice = columns.iter().enumerate().find(|(at, column)| columns[..*at].iter().any(|other| other.is(column)));
    match twice {
        Some((at, _)) => Err(format!("the column `{}` is there twice", names[at].trim())),
        None if !columns.contains(&Column::Message) => Err("the header has no column `message`".to_owned()),
        None => Ok(columns),
    }
}

fn column(name: &str) -> Result<Column, String> {
    let unknown = || {
        let known = "there are `id`, `message`, `subject`, `attribute:NAME` and `attribute:NAME:Number`";
        Err(format!("the column `{}` is unknown; {known}", outbox::error::shorten(name)))
    };
    match name {
        "id" | "sequenceNo" => Ok(Column::Id),
        "message" => Ok(Column::Message),
        "subject" => Ok(Column::Subject),
        _ => match name.strip_prefix("attribute:").map(|name| name.rsplit_once(':').unwrap_or((name, "String"))) {
            Some((name, "String")) => Ok(Column::Text(name.to_owned())),
            Some((name, "Number")) => Ok(Column::Number(name.to_owned())),
            _ => unknown(),
        },
    }
}

impl Column {
    /// Whether both set the same.
    fn is(&self, other: &Column) -> bool {
        match (self, other) {
            (Column::Text(a) | Column::Number(a), Column::Text(b) | Column::Number(b)) => a == b,
            (a, b) => a == b,
        }
    }
}

/// An empty cell sets nothing.
fn row(columns: &[Column], cells: &[String]) -> Result<Line, String> {
    if cells.len() != columns.len() {
        return Err(format!("the number of cells is {}, and of columns {}", cells.len(), columns.len()));
    }
    let mut line =
        Line { id: None, message: Message { body: String::new(), subject: None, attributes: Default::default() } };
    for (column, cell) in columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
        let cell = cell.clone();
        match column {
            Column::Id => line.id = Some(cell),
            Column::Message => line.message.body = cell,
            Column::Subject => line.message.subject = Some(cell),
            Column::Text(name) => {
                line.message.attributes.insert(name.clone(), Attribute::String(cell));
            }
            Column::Number(name) => {
                line.message.attributes.insert(name.clone(), Attribute::Number(cell));
            }
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `line:id:body` of each message, `line: reason` of each bad line.
    fn read(text: impl AsRef<[u8]>, format: Format, skip: u64) -> Vec<String> {
        let feed = Feed::new(text.as_ref(), format, skip);
        feed.map(|entry| match entry {
            Ok(entry) => format!("{}:{}:{}", entry.line, entry.id, entry.message.body),
            Err(Trouble::Bad(line, reason)) => format!("{line}: {reason}"),
            Err(Trouble::Unreadable(error)) => panic!("{error}"),
        })
        .collect()
    }

    fn jsonl(text: impl AsRef<[u8]>) -> Vec<String> {
        read(text, Format::Jsonl, 0)
    }

    fn csv(text: impl AsRef<[u8]>) -> Vec<String> {
        read(text, Format::Csv, 0)
    }

    #[test]
    fn json_lines_have_numbers_whatever_stands_between_them() {
        let text = "\u{feff}{\"id\":\"a\",\"message\":\"x\"}\r\n\n  \n{\"id\":\"b\",\"message\":\"y\\nz\"}";
        assert_eq!(jsonl(text), ["1:a:x", "4:b:y\nz"]);
        assert_eq!(jsonl(""), [] as [&str; 0]);
        let derived = jsonl("{\"message\":\"x\"}\n{\"message\":\"x\"}\n");
        assert!(derived[0].starts_with("1:l1-") && derived[1].starts_with("2:l2-"), "{derived:?}");
    }

    #[test]
    fn bad_lines_are_told_and_the_rest_is_read_on() {
        let long = "x".repeat(MAX_LINE_BYTES + 1);
        let large = "y".repeat(outbox::message::MAX_BYTES);
        let text = format!(
            "nonsense\n{{\"message\":\"\"}}\n{long}\n{{\"id\":\"a\",\"message\":\"x\"}}\n{{\"message\":\"{large}\"}}\n{{\"message\":\"x\",\"subject\":\"ä\"}}\n"
        );
        let found = jsonl(text);
        let expected = ["1: this is no JSON object", "2: the message is empty", "3: the line is longer than 2 MiB"];
        assert_eq!(found[..3], expected);
        assert_eq!(found[3], "4:a:x");
        assert!(found[4].contains("256 KiB") && found[5].contains("the subject must be") && found.len() == 6);
        assert!(jsonl(b"{\"message\":\"\xff\"}")[0].starts_with("1: this is not UTF-8"));
    }

    #[test]
    fn a_line_as_long_as_permitted_is_read() {
        let blank = " ".repeat(MAX_LINE_BYTES - r#"{"id":"a","message":"x"}"#.len());
        assert_eq!(jsonl(format!("{blank}{{\"id\":\"a\",\"message\":\"x\"}}\n")), ["1:a:x"]);
        assert_eq!(jsonl(format!("{blank} {{\"id\":\"a\",\"message\":\"x\"}}")), ["1: the line is longer than 2 MiB"]);
    }

    #[test]
    fn comma_separated_values_have_the_line_of_their_first_character() {
        let text = "\u{feff}id,message\r\na,\"two\nlines, \"\"quoted\"\"\"\r\n\r\nb,x\r\n";
        assert_eq!(csv(text), ["2:a:two\nlines, \"quoted\"", "5:b:x"]);
        assert_eq!(csv("message,id\nx,a"), ["2:a:x"]);
        assert_eq!(csv(""), [] as [&str; 0]);
        assert_eq!(csv("message\n"), [] as [&str; 0]);
    }

    #[test]
    fn columns_are_what_a_message_has() {
        let text = "id,message,subject,attribute:kind,attribute:price:Number\na,x,,new,1.5\nb,y,Orders,,\n";
        let found: Vec<Entry> = Feed::new(text.as_bytes(), Format::Csv, 0).map(|entry| entry.expect("good")).collect();
        let attributes = &found[0].message.attributes;
        assert_eq!(attributes["kind"], Attribute::String("new".into()));
        assert_eq!(attributes["price"], Attribute::Number("1.5".into()));
        assert_eq!((found[0].message.subject.as_deref(), found[1].message.subject.as_deref()), (None, Some("Orders")));
        assert!(found[1].message.attributes.is_empty());
    }

    #[test]
    fn bad_comma_separated_values_are_told() {
        let cases = [
            ("id,text\na,b\n", "1: the column `text` is unknown"),
            ("id,subject\na,b\n", "1: the header has no column `message`"),
            ("message,message\na,b\n", "1: the column `message` is there twice"),
            ("message,attribute:a,attribute:a:Number\na,b,1\n", "1: the column `attribute:a:Number` is there twice"),
            ("message,attribute:a:Binary\na,b\n", "1: the column `attribute:a:Binary` is unknown"),
            ("message,id\na\n", "2: the number of cells is 1, and of columns 2"),
            ("message,id\n,a\n", "2: the message is empty"),
            ("message,attribute:n:Number\na,ten\n", "2: the value of the attribute `n`"),
            ("message\na\n\"b\nc\n", "3: a quote is not closed"),
            ("message\na\"b\nc\"d\n", "2: a quote stands where none may"),
        ];
        for (text, expected) in cases {
            let found = csv(text);
            assert!(found.iter().any(|line| line.starts_with(expected)), "{text}: {found:?}");
        }
        let open = format!("message\n\"{}", "x\n".repeat(MAX_LINE_BYTES));
        assert_eq!(csv(open), ["2: a quote is not closed, here or before"]);
    }

    #[test]
    fn skipped_lines_are_not_looked_at_but_the_header() {
        assert_eq!(read("nonsense\n\n{\"id\":\"a\",\"message\":\"x\"}\n", Format::Jsonl, 2), ["3:a:x"]);
        assert_eq!(read("id,message\na,\"x\ny\"\nb,y\n", Format::Csv, 2), ["4:b:y"]);
        assert_eq!(read("id,message\na,x\n", Format::Csv, 9), [] as [&str; 0]);
    }

    #[test]
    fn the_form_is_in_the_name() {
        for (name, format) in
            [("a.csv", Format::Csv), ("a.CSV.gz", Format::Csv), ("a.gz", Format::Jsonl), ("-", Format::Jsonl)]
        {
            assert_eq!(Format::of(name), format, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_as_comma_separated_values_is_read_back(
            rows in proptest::collection::vec(("[a-z]{1,5}", "[ -~\n\r\"äö]{1,20}"), 1..8),
        ) {
            let mut writer = csv::Writer::from_writer(vec![]);
            writer.write_record(["id", "message"]).expect("written");
            rows.iter().for_each(|(id, body)| writer.write_record([id, body]).expect("written"));
            let text = writer.into_inner().expect("written");
            let read: Vec<(String, String)> = Feed::new(text.as_slice(), Format::Csv, 0)
                .map(|entry| entry.map(|entry| (entry.id, entry.message.body)).expect("good"))
                .collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn no_file_is_too_odd_to_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for format in [Format::Jsonl, Format::Csv] {
                prop_assert!(Feed::new(bytes.as_slice(), format, 0).count() <= bytes.len());
            }
        }
    }
}
