//! Holding the breaker, either way.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use futures::TryStreamExt;
use outbox::EpochMs;
use outbox::hold::{Hold, LONGEST_MS, Position, Standing, Unwritable};
use outbox::names::Function;

use super::show::{Shown, shown};
use super::words::told;
use crate::aws::lambda::Answer;
use crate::commands::alarm::no_alarm;
use crate::commands::executions::state_machine_arn;
use crate::context::{Context, now_ms, pause};
use crate::error::{Doing, Error, Result};
use crate::outbox::input;
use crate::ui::text::iso;
use outbox::names::Alarm as Name;

/// So long another state of the alarm may be read than the one just written.
const SETTLES_IN: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
pub struct Options {
    /// How long, from 1s to 24h: a hold that is forgotten must end
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = limit)]
    lasting: i64,
    /// Why, for whoever looks at the breaker: stored with it, with who you are
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub async fn hold(context: &Context, breaker: Position, options: Options) -> Result<ExitCode> {
    let alarm = context.clients.alarm(&context.names.alarm());
    let found = alarm.read().await.doing("look at the alarm")?.ok_or_else(|| no_alarm(context, Name::Breaker))?;
    check_function(context).await?;
    let (begin, by) = (now_ms(), context.account().await?.caller);
    let reason = options.reason.as_deref().map(outbox::error::shorten).filter(|reason| !reason.is_empty());
    let hold = Hold { breaker, until: whole_second(begin + options.lasting), by, reason };
    let settings = found.settings.held(&hold).map_err(|why| unwritable(context, why))?;
    alarm.write(&found, &settings).await.doing("change the alarm")?;
    // The pipeline goes by the hold; the state is for everyone else. No reason in it: the local engine's own
    // answers do not bear every character.
    let said = format!("Held {breaker} by hand until {}", iso(hold.until));
    let set = alarm.set(breaker, &said).await.doing("set the alarm's state");
    set.map_err(|error| error.hint(format!("the hold is in force all the same: `{}`", context.again("breaker show"))))?;
    let mut shown = verified(context, &hold).await?;
    if let Standing::Held { hold: before, .. } = found.settings.standing() {
        shown.replaced = Some(before);
    }
    if breaker == Position::Open {
        shown.under_way = under_way(context, begin).await?;
    }
    context.ui.show(&shown)?;
    Ok(ExitCode::SUCCESS)
}

/// How the breaker stands, once the alarm shows the hold. Nothing but the last of two writers' holds stays: the
/// other one must know.
async fn verified(context: &Context, hold: &Hold) -> Result<Shown> {
    let begin = Instant::now();
    loop {
        let shown = shown(context).await?;
        let found = &shown.seen.alarm.hold;
        if found.as_ref() == Some(hold) {
            return Ok(shown);
        }
        if begin.elapsed() > SETTLES_IN {
            let other = found.as_ref().map_or("it is not held".to_owned(), |other| told(other, now_ms()));
            return Err(Error::failed("the hold did not last: somebody else changed the breaker at the same time")
                .because(other)
                .hint(format!("`{}`, and agree", context.again("breaker show"))));
        }
        pause(Duration::from_millis(200)).await;
    }
}

/// A deployed retry function that knows nothing of holds would send probes, and end no hold.
async fn check_function(context: &Context) -> Result<()> {
    let function = context.function(Function::Retry);
    let request = serde_json::json!({ "select": "ids", "ids": [], "dryRun": true });
    let redeploy = |error: Error| error.hint(format!("deploy it: `{}`", context.again("deploy")));
    match context.clients.lambda().invoke(&function, &request).await {
        Err(error) if error.is("ResourceNotFoundException") => {
            Err(redeploy(Error::failed(format!("there is no retry function `{function}` here: nothing ends a hold"))))
        }
        answer => match answer.doing("ask the retry function")? {
            Answer::Failed(why) => Err(Error::failed("the retry function failed: nothing ends a hold").because(why)),
            Answer::Done(answer) if answer.get("hold").is_none() => {
                Err(redeploy(Error::failed("the retry function that is deployed knows no holds")))
            }
            Answer::Done(_) => Ok(()),
        },
    }
}

/// Executions that began before, and may be past the breaker.
async fn under_way(context: &Context, before: EpochMs) -> Result<Vec<String>> {
    let (sfn, arn) = (context.clients.sfn(), state_machine_arn(context).await?);
    let running: Vec<_> =
        sfn.executions(&arn, Some("RUNNING")).try_collect().await.doing("list the executions that run")?;
    let begun = running.into_iter().filter(|execution| execution.started.is_none_or(|time| time <= before));
    Ok(begun.map(|execution| execution.name).collect())
}

pub fn unwritable(context: &Context, why: Unwritable) -> Error {
    let error = Error::failed("cannot change the alarm").because(why);
    match why {
        Unwritable::TooLong => error.hint("give a shorter `--reason`"),
        // CloudFormation writes an alarm only when its template or a parameter of it is another.
        Unwritable::Lost => error.hint(format!(
            "let the stack write it anew, with another threshold: `{} --set AlarmThreshold=301`",
            context.again("deploy")
        )),
    }
}

fn limit(text: &str) -> std::result::Result<i64, String> {
    let ms = i64::try_from(input::seconds(text)?).unwrap_or(i64::MAX).saturating_mul(1_000);
    match (1_000..=LONGEST_MS).contains(&ms) {
        true => Ok(ms),
        false => Err("a hold lasts from 1s to 24h".to_owned()),
    }
}

/// The end of its second: a time that people read has no parts of one.
fn whole_second(time: EpochMs) -> EpochMs {
    (time + 999) / 1_000 * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_has_a_limit() {
        assert_eq!([limit("1s"), limit("30m"), limit("24h")], [Ok(1_000), Ok(1_800_000), Ok(86_400_000)]);
        for bad in ["0", "0s", "25h", "86401", "soon"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_end_is_no_earlier_than_asked() {
        assert_eq!([whole_second(5_000), whole_second(5_001)], [5_000, 6_000]);
    }
}
