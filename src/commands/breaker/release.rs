use std::process::ExitCode;

use clap::Args;
use outbox::hold::{Standing, Unwritable};

use super::hold::unwritable;
use super::show::shown;
use crate::commands::alarm::no_alarm;
use crate::context::Context;
use crate::error::{Doing, Result};
use outbox::names::Alarm as Name;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa breaker release\n\nThe alarm is as it was before, and judges by what is published. It keeps its state until something is: after a\nbreaker that was held open a probe goes out, with the next run of the schedule or `disa retry now`."
)]
pub struct Release {}

impl Release {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        let alarm = context.clients.alarm(&context.names.alarm());
        let found = alarm.read().await.doing("look at the alarm")?.ok_or_else(|| no_alarm(context, Name::Breaker))?;
        let released = match found.settings.standing() {
            Standing::Held { hold, original } => {
                alarm.write(&found, &original).await.doing("change the alarm")?;
                Some(hold)
            }
            Standing::Lost => return Err(unwritable(context, Unwritable::Lost)),
            Standing::Free => {
                context.ui.note("The breaker is not held: there is nothing to release");
                None
            }
        };
        let mut shown = shown(context).await?;
        shown.released = released;
        context.ui.show(&shown)?;
        Ok(ExitCode::SUCCESS)
    }
}
