//! One configuration file: options, parameters of the stack, and the same again for single environments.

use std::collections::BTreeMap;

use outbox::names::ENVIRONMENTS;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{OPTIONS, Origin, Value};
use crate::error::{Error, Kind, Result};
use crate::stack::parameters::nearest;

/// The values that a file gives in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    pub options: BTreeMap<String, Value>,
    pub parameters: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    pub all: Section,
    /// What is set for one environment only; it goes before what is set for all.
    pub environments: BTreeMap<String, Section>,
}

/// Reads a configuration file; `name` is what the reader is told it is called. Values are taken as they stand:
/// whether an option or a parameter permits them is for others to say.
pub fn read(name: &str, text: &str) -> Result<File> {
    let reader = Reader { name, text };
    let table = reader.table()?;
    let mut file = File::default();
    for (key, value) in &table {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("environment", DeValue::Table(environments)) => {
                for (environment, section) in environments {
                    let name = environment.get_ref().as_ref();
                    if !ENVIRONMENTS.contains(&name) {
                        return Err(reader.unknown("environment", environment, ENVIRONMENTS.into_iter()));
                    }
                    let DeValue::Table(table) = section.get_ref() else {
                        return Err(reader.wrong_type(name, "a table", section));
                    };
                    file.environments.insert(name.to_owned(), reader.section(table, false)?);
                }
            }
            ("environment", _) => return Err(reader.wrong_type("environment", "a table for each environment", value)),
            _ => reader.entry(&mut file.all, key, value, true)?,
        }
    }
    Ok(file)
}

/// Reads a file with nothing but parameters of the stack.
pub fn parameters(name: &str, text: &str) -> Result<BTreeMap<String, Value>> {
    let reader = Reader { name, text };
    reader.parameters(&reader.table()?)
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn table(self) -> Result<DeTable<'a>> {
        let parsed = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(1, |span| line(self.text, span.start));
            Error::new(Kind::Access, format!("cannot read {}:{at}", self.name)).because(error.message())
        })?;
        Ok(parsed.into_inner())
    }

    fn section(self, table: &DeTable, top: bool) -> Result<Section> {
        let mut section = Section::default();
        for (key, value) in table {
            self.entry(&mut section, key, value, top)?;
        }
        Ok(section)
    }

    /// One option, or the table of the parameters. A section of an environment does not choose the environment.
    fn entry(self, section: &mut Section, key: &Key, value: &Spanned<DeValue>, top: bool) -> Result<()> {
        let name = key.get_ref().as_ref();
        if name == "parameters" {
            let DeValue::Table(table) = value.get_ref() else { return Err(self.wrong_type(name, "a table", value)) };
            section.parameters = self.parameters(table)?;
            return Ok(());
        }
        let known = OPTIONS.into_iter().filter(|option| top || *option != "env");
        if !known.clone().any(|option| option == name) {
            let tables = ["parameters", "environment"].into_iter().filter(|table| top || *table == "parameters");
            return Err(self.unknown("option", key, known.chain(tables)));
        }
        let text = match value.get_ref() {
            DeValue::Boolean(switch) if name == "local" => switch.to_string(),
            DeValue::String(text) if name != "local" => text.to_string(),
            _ if name == "local" => return Err(self.wrong_type(name, "true or false", value)),
            _ => return Err(self.wrong_type(name, "a string", value)),
        };
        section.options.insert(name.to_owned(), self.value(text, key));
        Ok(())
    }

    fn parameters(self, table: &DeTable) -> Result<BTreeMap<String, Value>> {
        let mut parameters = BTreeMap::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
                DeValue::Float(number) => number.as_str().to_owned(),
                _ => return Err(self.wrong_type(name, "a string or a decimal number", value)),
            };
            parameters.insert(name.to_owned(), self.value(text, key));
        }
        Ok(parameters)
    }

    fn value(self, text: String, key: &Key) -> Value {
        Value { text, origin: Origin::Line { file: self.name.to_owned(), line: self.line(key) } }
    }

    fn line<T>(self, place: &Spanned<T>) -> usize {
        line(self.text, place.span().start)
    }

    fn unknown<'b>(self, what: &str, key: &Key, known: impl Iterator<Item = &'b str> + Clone) -> Error {
        let name = key.get_ref();
        let error = Error::new(Kind::Access, format!("{}:{}: there is no {what} `{name}`", self.name, self.line(key)));
        match nearest(name, known.clone()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("there are: {}", known.collect::<Vec<_>>().join(", "))),
        }
    }

    fn wrong_type(self, name: &str, wanted: &str, value: &Spanned<DeValue>) -> Error {
        Error::new(Kind::Access, format!("{}:{}: `{name}` must be {wanted}", self.name, self.line(value)))
    }
}

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;

/// The line of a place in a text, from 1 on.
fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, line: usize) -> Value {
        Value { text: text.to_owned(), origin: Origin::Line { file: "f".to_owned(), line } }
    }

    #[test]
    fn options_parameters_and_environments_are_read_with_their_lines() {
        let text = "local = false\nendpoint-url = 'http://x'\n\n[parameters]\nBatchSize = 7\nMetricName = \"m\"\n\
                    [environment.prod]\nprofile = \"p\"\n[environment.prod.parameters]\nRetentionSeconds = 60\n";
        let file = read("f", text).expect("a file");
        assert_eq!(file.all.options["local"], value("false", 1));
        assert_eq!(file.all.options["endpoint-url"], value("http://x", 2));
        assert_eq!(file.all.parameters["BatchSize"], value("7", 5));
        assert_eq!(file.all.parameters["MetricName"], value("m", 6));
        assert_eq!(file.environments["prod"].options["profile"], value("p", 8));
        assert_eq!(file.environments["prod"].parameters["RetentionSeconds"], value("60", 10));
        assert_eq!(read("f", "# nothing\n").expect("a file"), File::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_nearest_right_name() {
        let cases = [
            ("\nregoin = 'x'", "f:2: there is no option `regoin`", "did you mean `region`?"),
            ("verbose = true", "f:1: there is no option `verbose`", "there are: local, profile"),
            ("[parameter]", "f:1: there is no option `parameter`", "did you mean `parameters`?"),
            ("[environment.production]", "f:1: there is no environment `production`", "did you mean `prod`?"),
            ("[environment.prod]\nenv = 'test'", "f:2: there is no option `env`", "there are"),
            ("region = 1", "f:1: `region` must be a string", ""),
            ("local = 'yes'", "f:1: `local` must be true or false", ""),
            ("parameters = 1", "f:1: `parameters` must be a table", ""),
            ("environment = 'prod'", "f:1: `environment` must be a table for each environment", ""),
            ("[parameters]\nBatchSize = true", "f:2: `BatchSize` must be a string or a decimal number", ""),
            ("[parameters]\nBatchSize = 0x10", "f:2: `BatchSize` must be a string or a decimal number", ""),
            ("\n\nregion = ", "cannot read f:3", ""),
            ("region = 'a'\nregion = 'b'", "cannot read f:2", ""),
        ];
        for (text, message, hint) in cases {
            let error = read("f", text).expect_err(text);
            assert_eq!((error.kind, error.message.as_str()), (Kind::Access, message), "{error:?}");
            assert!(hint.is_empty() || error.hints.iter().any(|said| said.contains(hint)), "{error:?}");
        }
    }

    #[test]
    fn a_file_of_parameters_has_nothing_else() {
        assert_eq!(parameters("f", "BatchSize = 7").expect("parameters")["BatchSize"], value("7", 1));
        assert!(parameters("f", "[parameters]\nBatchSize = 7").is_err());
    }
}
