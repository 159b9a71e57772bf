//! The columns of a list, and how they fit a terminal.

use crate::error::{Error, Result};

/// Between two columns.
pub const GAP: &str = "  ";
/// A last column with a long text is cut, but not shorter than this while others can give way.
const SHORTEST: usize = 20;
/// No column is made narrower to make room for others.
const NARROWEST: usize = 10;

/// One column that a list can have.
#[derive(Debug)]
pub struct Column {
    /// As `--columns` takes it, and as the head of the CSV.
    pub name: &'static str,
    when: When,
    least: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    Room,
    Asked,
}

impl Column {
    /// Shown unless told otherwise.
    pub const fn usual(name: &'static str) -> Column {
        Column { name, when: When::Always, least: 0 }
    }

    /// The same, but not where the terminal is too narrow for it.
    pub const fn roomy(name: &'static str) -> Column {
        Column { name, when: When::Room, least: 0 }
    }

    /// Shown by `--wide`, in CSV, and by its name.
    pub const fn asked(name: &'static str) -> Column {
        Column { name, when: When::Asked, least: 0 }
    }

    /// At least so wide: for a list that is written before all of its rows are known.
    pub const fn at_least(self, least: usize) -> Column {
        Column { least, ..self }
    }
}

/// Which columns a list shows.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Columns {
    /// Which columns a table or CSV has, in this order
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// All columns, and nothing cut off
    #[arg(short, long)]
    pub wide: bool,
}

impl Columns {
    /// Those that are meant; with `all` also those that must be asked for.
    pub fn of(&self, known: &'static [Column], all: bool) -> Result<Vec<&'static Column>> {
        if self.columns.is_empty() {
            return Ok(known.iter().filter(|column| column.when != When::Asked || all || self.wide).collect());
        }
        let find = |name: &String| {
            known.iter().find(|column| column.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(|column| column.name).collect();
                Error::usage(format!("there is no column `{name}`")).hint(format!("there are: {}", names.join(", ")))
            })
        };
        self.columns.iter().map(find).collect()
    }

    /// Whether columns may be left out: nobody named them.
    pub fn may_go(&self) -> bool {
        self.columns.is_empty()
    }
}

/// The columns as they are written.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    pub widths: Vec<usize>,
    /// Cells are cut to these widths.
    pub narrowed: bool,
}

impl Layout {
    /// Each column as wide as its widest cell.
    pub fn natural(columns: &[&Column], widest: Vec<usize>) -> Layout {
        let least = |(column, widest): (&&Column, usize)| widest.max(column.name.len()).max(column.least);
        Layout { widths: columns.iter().zip(widest).map(least).collect(), narrowed: false }
    }

    /// Fits a terminal: columns that are not needed go, the first of them first; then the widest give way.
    pub fn fit(mut self, columns: &mut Vec<&'static Column>, room: usize, may_go: bool) -> Layout {
        while may_go && self.needs() > room {
            let Some(at) = columns.iter().position(|column| column.when == When::Room) else { break };
            columns.remove(at);
            self.widths.remove(at);
        }
        while self.needs() > room {
            let before = self.widths.len().saturating_sub(1);
            let Some(widest) = self.widths[..before].iter_mut().max().filter(|width| **width > NARROWEST) else {
                break;
            };
            *widest -= 1;
            self.narrowed = true;
        }
        self
    }

    fn needs(&self) -> usize {
        match self.widths.split_last() {
            None => 0,
            Some((last, before)) => before.iter().map(|width| width + GAP.len()).sum::<usize>() + (*last).min(SHORTEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static KNOWN: &[Column] = &[
        Column::usual("id"),
        Column::roomy("created"),
        Column::roomy("due"),
        Column::asked("sns"),
        Column::usual("error"),
    ];

    fn fitted(columns: Columns, widest: &[usize], room: usize) -> (Vec<&'static str>, Layout) {
        let mut shown = columns.of(KNOWN, false).expect("columns");
        let layout = Layout::natural(&shown, widest.to_vec()).fit(&mut shown, room, columns.may_go());
        (shown.iter().map(|column| column.name).collect(), layout)
    }

    #[test]
    fn what_is_needed_least_gives_way_first() {
        let usual = Columns::default;
        let layout = |widths: &[usize], narrowed| Layout { widths: widths.to_vec(), narrowed };
        let all = vec!["id", "created", "due", "error"];
        assert_eq!(fitted(usual(), &[26, 8, 8, 90], 80), (all.clone(), layout(&[26, 8, 8, 90], false)));
        assert_eq!(fitted(usual(), &[26, 20, 8, 90], 70), (vec!["id", "due", "error"], layout(&[26, 8, 90], false)));
        assert_eq!(fitted(usual(), &[26, 20, 20, 90], 60), (vec!["id", "error"], layout(&[26, 90], false)));
        assert_eq!(fitted(usual(), &[200, 20, 20, 90], 60), (vec!["id", "error"], layout(&[38, 90], true)));
        // A last column that is short needs no more than it has.
        assert_eq!(fitted(usual(), &[26, 20, 20, 5], 79), (all.clone(), layout(&[26, 20, 20, 5], false)));
        // Who names columns gets them.
        let named = Columns { columns: all.iter().map(|&name| name.to_owned()).collect(), wide: false };
        assert_eq!(fitted(named, &[26, 20, 20, 90], 60), (all, layout(&[12, 11, 11, 90], true)));
    }

    #[test]
    fn a_terminal_of_any_width_is_no_reason_to_fail() {
        for room in 0..100 {
            fitted(Columns::default(), &[200, 8, 8, 90], room);
        }
        assert_eq!(Layout::natural(&[], vec![]).fit(&mut vec![], 0, true), Layout { widths: vec![], narrowed: false });
    }
}
