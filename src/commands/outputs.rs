use std::process::ExitCode;

use clap::Args;

use super::status::stack;
use crate::aws::cloudformation::Output;
use crate::cli::Output as Form;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::stack::parameters::nearest;
use crate::ui::listing::{Cell, Column, Columns, Listing, Row};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa outputs\n  disa outputs TopicArn\n  disa outputs -o csv > outputs.csv\n\nOne output is printed as it is, for scripts: topic=$(disa outputs TopicArn)"
)]
pub struct Outputs {
    /// Print the value of this one
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Outputs {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let mut outputs = stack(context).await?.outputs;
        if let Some(name) = &self.name {
            let Some(at) = outputs.iter().position(|output| &output.name == name) else {
                return Err(unknown(name, &outputs));
            };
            outputs = vec![outputs.swap_remove(at)];
            if context.ui.output == Form::Table {
                context.ui.print(&outputs[0].value)?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        outputs.sort_by(|a, b| a.name.cmp(&b.name));
        let mut listing = Listing::new(&context.ui, &Columns::default())?;
        outputs.into_iter().try_for_each(|output| listing.push(output))?;
        listing.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn unknown(name: &str, outputs: &[Output]) -> Error {
    let names = || outputs.iter().map(|output| output.name.as_str());
    let error = Error::usage(format!("the stack has no output `{name}`"));
    let error = match nearest(name, names()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    };
    error.hint(format!("there are: {}", names().collect::<Vec<_>>().join(", ")))
}

impl Row for Output {
    const NOUN: &'static str = "output";
    const COLUMNS: &'static [Column] = &[Column::usual("name"), Column::usual("value")];

    fn cell(&self, column: &str) -> Cell {
        Cell::Text(if column == "name" { self.name.clone() } else { self.value.clone() })
    }
}
