//! Parameters of the stack that are chosen on the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use crate::complete;
use crate::config::{Settings, Value};
use crate::error::Result;
use crate::stack::parameters;

#[derive(Args, Debug)]
pub struct Chosen {
    /// Set a parameter of the stack; what is not set keeps its deployed value
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parameters::assignment, add = ArgValueCompleter::new(complete::parameters))]
    set: Vec<(String, String)>,
    /// Set the parameters that stand in this file, in TOML: `Name = value`
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
}

impl Chosen {
    /// With what the configuration files say; everything is checked against the template.
    pub fn values(&self, settings: &Settings) -> Result<BTreeMap<String, Value>> {
        settings.chosen(&self.set, self.parameters.as_deref())
    }

    pub fn texts(&self, settings: &Settings) -> Result<BTreeMap<String, String>> {
        Ok(self.values(settings)?.into_iter().map(|(name, value)| (name, value.text)).collect())
    }
}
