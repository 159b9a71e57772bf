use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::chosen::Chosen;
use crate::cli::Global;
use crate::config::{Choice, Origin, Value};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::local::{self, Health};
use crate::stack::parameters::{LOCAL_PERIOD, declared, giver};
use crate::ui::Ui;
use crate::ui::listing::{Cell, Column, Columns, Listing, Row};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa config\n  disa config --env prod --offline\n  disa config --set BatchSize=50 -o csv\n\nOptions and parameters may stand in disa.toml, in the working directory or above it, and in\n~/.config/disa/config.toml; DISA_CONFIG names another file than the latter. They look like this:\n\n  region = \"eu-west-1\"\n  [parameters]\n  RetentionSeconds = 604800\n  [environment.prod]\n  profile = \"orders-prod\"\n  [environment.prod.parameters]\n  LogRetentionInDays = 365\n\nA flag goes before a variable, that before disa.toml, that before the other file, that before the default;\nin one file an environment's own section goes before the rest. What nobody gives keeps its deployed value."
)]
pub struct Config {
    /// Ask AWS nothing; what is deployed is not known then
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    columns: Columns,
}

/// An option of the command, or a parameter of the stack.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Setting {
    kind: &'static str,
    name: String,
    /// `null` where there is none, and where it is not known.
    value: Option<String>,
    origin: Origin,
    /// As it is deployed; `null` where that is not known.
    deployed: Option<String>,
    /// The template's own.
    default: Option<String>,
}

/// What is known of the deployed parameters.
enum Deployed {
    Values(BTreeMap<String, String>),
    NoStack,
    Unknown,
}

impl Config {
    /// Starts no engine: a look changes nothing.
    pub async fn run(self, global: &Global, ui: Ui) -> Result<ExitCode> {
        let chosen = self.chosen.values(&global.settings)?;
        let deployed = if self.offline { Deployed::Unknown } else { deployed(global, ui).await };
        let mut listing = Listing::new(&ui, &self.columns)?;
        let options = global.settings.options.iter().map(option);
        let parameters = parameters(&chosen, &deployed, global.local);
        options.chain(parameters).try_for_each(|setting| listing.push(setting))?;
        listing.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What cannot be asked is not known, and why is told.
async fn deployed(global: &Global, ui: Ui) -> Deployed {
    let ask = async {
        if global.local && !matches!(local::health().await?.1, Health::Running(_)) {
            return Err(Error::failed("the local engine does not run"));
        }
        let context = Context::connect(global, ui).await?;
        let name = context.names.stack();
        context.clients.cloudformation().stack(&name).await.doing(&format!("look at the stack {name}"))
    };
    match ask.await {
        Ok(Some(stack)) if stack.status != "DELETE_COMPLETE" => Deployed::Values(stack.parameters),
        Ok(_) => Deployed::NoStack,
        Err(error) => {
            let why = error.causes.last().unwrap_or(&error.message);
            ui.warn(&format!("what is deployed is not known: {why}"));
            Deployed::Unknown
        }
    }
}

fn option(choice: &Choice) -> Setting {
    let Choice { name, value, origin } = choice.clone();
    Setting { kind: "option", name, value, origin, deployed: None, default: None }
}

fn parameters(chosen: &BTreeMap<String, Value>, deployed: &Deployed, local: bool) -> Vec<Setting> {
    let setting = |parameter: &crate::stack::parameters::Parameter| {
        let name = &parameter.name;
        let there = if let Deployed::Values(values) = deployed { values.get(name).cloned() } else { None };
        let (value, origin) = match (chosen.get(name), deployed, &there) {
            (Some(value), _, _) => (Some(value.text.clone()), value.origin.clone()),
            (_, _, Some(value)) => (Some(value.clone()), Origin::Deployed),
            (_, Deployed::Unknown, _) => (None, Origin::Unknown),
            _ if giver(name).is_some() => (None, Origin::Deployment),
            (_, Deployed::NoStack, _) if local && name == LOCAL_PERIOD.0 => {
                (Some(LOCAL_PERIOD.1.to_owned()), Origin::Local)
            }
            _ => (parameter.default.clone(), Origin::TemplateDefault),
        };
        let default = parameter.default.clone();
        Setting { kind: "parameter", name: name.clone(), value, origin, deployed: there, default }
    };
    declared().iter().map(setting).collect()
}

impl Row for Setting {
    const NOUN: &'static str = "setting";
    const COLUMNS: &'static [Column] = &[
        Column::asked("kind"),
        Column::usual("name"),
        Column::usual("origin"),
        Column::usual("value"),
        Column::asked("deployed"),
        Column::asked("default"),
    ];

    fn cell(&self, column: &str) -> Cell {
        let text = |text: &Option<String>| text.clone().map_or(Cell::Empty, Cell::Text);
        match column {
            "kind" => Cell::Text(self.kind.to_owned()),
            "name" => Cell::Text(self.name.clone()),
            "value" => text(&self.value),
            "origin" => Cell::Text(self.origin.to_string()),
            "deployed" => text(&self.deployed),
            _ => text(&self.default),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(deployed: &Deployed, local: bool, name: &str) -> (Option<String>, String) {
        let text = "50".to_owned();
        let given = Value { text, origin: Origin::Line { file: "disa.toml".to_owned(), line: 3 } };
        let all = parameters(&BTreeMap::from([("BatchSize".to_owned(), given)]), deployed, local);
        let found = all.into_iter().find(|setting| setting.name == name).expect("a parameter");
        (found.value, found.origin.to_string())
    }

    #[test]
    fn what_is_given_goes_before_what_is_deployed_and_that_before_the_default() {
        let some = |value: &str, origin: &str| (Some(value.to_owned()), origin.to_owned());
        let none = |origin: &str| (None, origin.to_owned());
        let values = Deployed::Values(BTreeMap::from([("RampStart".to_owned(), "7".to_owned())]));
        for deployed in [&values, &Deployed::NoStack, &Deployed::Unknown] {
            assert_eq!(origin(deployed, false, "BatchSize"), some("50", "disa.toml:3"));
        }
        assert_eq!(origin(&values, false, "RampStart"), some("7", "deployed"));
        assert_eq!(origin(&values, false, "RetryBudget"), some("5000", "template default"));
        assert_eq!(origin(&Deployed::Unknown, false, "RampStart"), none("not known"));
        assert_eq!(origin(&Deployed::NoStack, false, "ProcessCodeKey"), none("given by deploy"));
        assert_eq!(origin(&Deployed::NoStack, true, "AlarmPeriodInSeconds"), some("10", "local engine"));
        assert_eq!(origin(&values, true, "AlarmPeriodInSeconds"), some("60", "template default"));
    }
}
