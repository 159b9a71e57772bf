use std::process::ExitCode;

use clap::Args;
use outbox::hold::Position;

use super::hold::{Options, hold};
use crate::context::Context;
use crate::error::Result;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa breaker close --for 10m\n  disa breaker close --for 10m --reason \"the topic is back\"\n\nAll is sent, whatever becomes of it: what fails waits for its next attempt. The backlog drains at a rate that\nramps up; `disa retry now` does not wait for that. The first run of the retry function after the time ends the\nhold, and the alarm judges again. A second `open` or `close` replaces the first.\n\nThe hold stands in the alarm: in its threshold and its description. A deploy that changes no parameter of the\nalarm leaves it alone; one that does ends it."
)]
pub struct Close {
    #[command(flatten)]
    options: Options,
}

impl Close {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        hold(context, Position::Closed, self.options).await
    }
}
