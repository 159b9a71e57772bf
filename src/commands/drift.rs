use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use outbox::names::Function;

use super::status::stack;
use crate::aws::cloudformation::{Detection, Stack};
use crate::cli::Output;
use crate::context::{Context, pause};
use crate::error::{Doing, Error, FINDING, Kind, Result};
use crate::stack::drift::{self, AlarmNumbers, Change, Drift as Difference};
use crate::stack::site::Site;
use crate::stack::tree::Branch;
use crate::stack::variables;
use crate::ui::Tone;
use crate::ui::listing::{Cell, Column, Columns, Listing, Row};

/// Detections under way at once.
const DETECTIONS: usize = 4;
/// A detection takes minutes at most (CloudFormation API reference, `DetectStackDrift`).
const LIMIT: Duration = Duration::from_secs(600);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa drift\n  disa drift --exit-code\n  disa drift -o csv > drift.csv\n\nCloudFormation compares the root and every nested stack with what is there, which takes a minute or two.\nDisa compares the functions' variables and the alarm itself. A deployment does not undo what was changed\nby hand, unless it changes the same resource."
)]
pub struct Drift {
    /// Exit with 3 if there is a difference
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    columns: Columns,
}

impl Drift {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let mut listing = Listing::new(&context.ui, &self.columns)?;
        let found = stack(context).await?;
        let (detected, own) = tokio::try_join!(detect(context, &found), compare(context, &found))?;
        let all = drift::merge(detected, own);
        let drifted = !all.is_empty();
        if !drifted && context.ui.output == Output::Table {
            context.ui.print("No drift: what is there is what was deployed.")?;
            return Ok(ExitCode::SUCCESS);
        }
        all.into_iter().try_for_each(|one| listing.push(one))?;
        listing.finish()?;
        Ok(if drifted && self.exit_code { ExitCode::from(FINDING) } else { ExitCode::SUCCESS })
    }
}

/// What CloudFormation finds in the root and in every nested stack.
async fn detect(context: &Context, found: &Stack) -> Result<Vec<Difference>> {
    let cloudformation = context.clients.cloudformation();
    let tree = cloudformation.tree(&context.names.stack(), &found.id).await.doing("list the stack's resources")?;
    let progress = &context.ui.progress("looking for drift", Some(tree.len() as u64));
    let detected = stream::iter(&tree).map(|branch| async move {
        let detected = detect_one(context, branch).await;
        progress.advance(1);
        detected
    });
    Ok(detected.buffered(DETECTIONS).try_collect::<Vec<_>>().await?.concat())
}

async fn detect_one(context: &Context, branch: &Branch) -> Result<Vec<Difference>> {
    let cloudformation = context.clients.cloudformation();
    let doing = format!("look for drift in {}", branch.name);
    let id = cloudformation.detect_drift(&branch.id).await.doing(&doing)?;
    let begin = Instant::now();
    let mut wait = Duration::from_millis(if context.local { 100 } else { 1_000 });
    loop {
        match cloudformation.detection(&id).await {
            Ok(Detection::Done) => break,
            Ok(Detection::Partial(reason)) => {
                context.ui.warn(&format!("{}: {reason}", branch.name));
                break;
            }
            Ok(Detection::Working) => {}
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(Error::service(format!("cannot {doing}"), &error)),
        }
        if begin.elapsed() > LIMIT {
            return Err(Error::new(Kind::TimedOut, format!("the detection in {} goes on in AWS", branch.name))
                .hint(format!("look again later: `{}`", context.again("drift"))));
        }
        pause(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    cloudformation.drifts(&branch.id, &branch.name).await.doing(&doing)
}

/// What Disa finds itself: the variables and the alarm, of which CloudFormation may know nothing.
async fn compare(context: &Context, found: &Stack) -> Result<Vec<Difference>> {
    let identity = context.account().await?;
    let site = Site {
        names: context.names.clone(),
        partition: identity.partition,
        region: context.clients.region.clone(),
        account: identity.account,
    };
    let lambda = context.clients.lambda();
    let expected = variables::expected(&site, &found.parameters);
    let mut all = vec![];
    for (function, branch) in [
        (Function::InitProcess, "InitProcessFunctionStack"),
        (Function::Process, "ProcessFunctionStack"),
        (Function::Retry, "RetryFunctionStack"),
    ] {
        let settings = lambda.settings(&site.names.function(function)).await;
        if let Some(settings) = settings.doing("look at a function's variables")? {
            all.extend(variables::changed(branch, &expected, &settings.variables));
        }
    }
    let alarm = context.clients.cloudwatch().watched(&site.names.alarm()).await.doing("look at the alarm")?;
    if let Some((_, watch)) = alarm {
        let numbers = AlarmNumbers {
            threshold: watch.threshold,
            period_seconds: watch.period_seconds,
            evaluation_periods: watch.evaluation_periods,
        };
        all.extend(drift::alarm(&found.parameters, numbers));
    }
    Ok(all)
}

impl Row for Difference {
    const NOUN: &'static str = "difference";
    const COLUMNS: &'static [Column] = &[
        Column::usual("stack"),
        Column::usual("resource"),
        Column::asked("type"),
        Column::usual("change"),
        Column::usual("property"),
        Column::usual("expected"),
        Column::usual("actual"),
    ];

    fn cell(&self, column: &str) -> Cell {
        let text = |text: Option<&String>| text.map_or(Cell::Empty, |text| Cell::Text(text.clone()));
        match column {
            "stack" => Cell::Text(self.stack.clone()),
            "resource" => Cell::Text(self.resource.clone()),
            "type" => Cell::Text(self.kind.clone()),
            "change" => {
                let tone = if self.change == Change::Deleted { Tone::Bad } else { Tone::Warning };
                Cell::Toned(tone, self.change.as_str().to_owned())
            }
            "property" => Cell::Text(self.property.clone()),
            "expected" => text(self.expected.as_ref()),
            _ => text(self.actual.as_ref()),
        }
    }
}
