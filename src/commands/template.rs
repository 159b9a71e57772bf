use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use outbox::names::{Function, Names};
use serde::Serialize;
use serde_json::json;

use super::chosen::Chosen;
use super::deploy::{prefix, template_url};
use crate::cli::Global;
use crate::error::{Doing, Error, Result};
use crate::stack::bundle::{self, Bundle};
use crate::stack::{functions, parameters};
use crate::ui::text::count;
use crate::ui::{Ui, View};

/// Of the parameters, beside the folder that goes into the bucket.
const PARAMETERS: &str = "parameters.json";

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa template\n  disa template --with-code --bucket my-artifacts --out build/stack\n  disa template --env prod --bucket my-artifacts --parameters prod.toml\n\nThe answer says how to deploy what was written. Nothing is asked of AWS.\nWithout --with-code the zips of the functions are yours to put under the keys that the parameter file names."
)]
pub struct Template {
    /// Where they are written to; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "disa-template")]
    out: PathBuf,
    /// Bucket that they are to lie in, in the region of the stack
    #[arg(long, value_name = "NAME", default_value = "disa-artifacts", value_parser = bucket)]
    bucket: String,
    /// Where they are to lie in the bucket
    #[arg(long, value_name = "PREFIX", default_value = "0066-disa", value_parser = prefix)]
    prefix: String,
    /// With the zips of the functions
    #[arg(long)]
    with_code: bool,
    /// Build the functions for another target, as `aarch64-unknown-linux-gnu`
    #[arg(long, value_name = "TRIPLE", requires = "with_code")]
    target: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    stack: String,
    directory: PathBuf,
    /// The objects, by their keys in the bucket and their paths in the directory.
    keys: Vec<String>,
    template_key: String,
    template_url: String,
    parameter_file: PathBuf,
    #[serde(skip)]
    commands: Vec<String>,
}

impl Template {
    pub async fn run(self, global: &Global, ui: &Ui) -> Result<ExitCode> {
        let values = self.chosen.texts(&global.settings)?;
        let names = Names { project: global.project.clone(), environment: global.env.clone() };
        let code = match self.with_code {
            true => {
                let build = functions::Build { quick: global.local, target: self.target.as_deref() };
                functions::code(build, ui).await?
            }
            false => BTreeMap::new(),
        };
        let bundle = bundle::bundle(&self.prefix, &code);
        for artifact in &bundle.artifacts {
            write(&self.out.join(&artifact.key), &artifact.bytes)?;
        }
        let parameter_file = self.out.join(PARAMETERS);
        let parameters = serde_json::to_vec_pretty(&self.parameters(&names, &bundle, values))
            .map_err(|error| Error::failed("cannot write the parameters").because(error))?;
        write(&parameter_file, &parameters)?;
        ui.show(&self.written(global, &names, &bundle, parameter_file))?;
        Ok(ExitCode::SUCCESS)
    }

    /// In the form that `aws cloudformation create-stack --parameters` takes.
    fn parameters(&self, names: &Names, bundle: &Bundle, values: BTreeMap<String, String>) -> serde_json::Value {
        let mut all = BTreeMap::new();
        for function in Function::ALL {
            let key = format!("{}/code/rust/{}.zip", self.prefix, function.binary());
            all.insert(bundle::code_parameter(function).to_owned(), key);
        }
        all.extend(bundle.parameters.clone());
        all.insert("ProjectName".to_owned(), names.project.clone());
        all.insert("Environment".to_owned(), names.environment.clone());
        all.insert("CodeRepositoryBucket".to_owned(), self.bucket.clone());
        all.extend(values);
        let entry = |(name, value)| json!({ "ParameterKey": name, "ParameterValue": value });
        all.into_iter().map(entry).collect()
    }

    fn written(self, global: &Global, names: &Names, bundle: &Bundle, parameter_file: PathBuf) -> Written {
        let (directory, bucket, prefix) = (self.out.display(), &self.bucket, &self.prefix);
        let template_url = template_url(global.region.as_deref().unwrap_or("REGION"), bucket, &bundle.root_key);
        let commands = [
            format!("aws s3 sync {directory}/{prefix} s3://{bucket}/{prefix}"),
            format!("aws cloudformation create-stack --stack-name {}", names.stack()),
            format!("  --template-url {template_url}"),
            format!("  --parameters file://{}", parameter_file.display()),
            "  --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND".to_owned(),
            format!("  --tags Key=ProjectName,Value={} Key=Environment,Value={}", names.project, names.environment),
        ];
        Written {
            stack: names.stack(),
            keys: bundle.artifacts.iter().map(|artifact| artifact.key.clone()).collect(),
            template_key: bundle.root_key.clone(),
            template_url,
            commands: commands.to_vec(),
            parameter_file,
            directory: self.out,
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let doing = format!("write {}", path.display());
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).doing(&doing)?;
    }
    std::fs::write(path, bytes).doing(&doing)
}

/// A name that the template takes for its bucket.
fn bucket(text: &str) -> std::result::Result<String, String> {
    let rule = parameters::find("CodeRepositoryBucket").map_or(Ok(()), |parameter| parameter.check(text));
    rule.map(|()| text.to_owned()).map_err(|rule| format!("it must be {rule}"))
}

impl View for Written {
    fn text(&self, _: &Ui) -> String {
        let files = count(self.keys.len() as u64 + 1, "file");
        let (sync, create) = self.commands.split_at(1);
        format!(
            "Wrote {files} to {}. To deploy them:\n\n{}\n{}",
            self.directory.display(),
            sync.join(""),
            create.join(" \\\n")
        )
    }
}
