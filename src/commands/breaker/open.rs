use std::process::ExitCode;

use clap::Args;
use outbox::hold::Position;

use super::hold::{Options, hold};
use crate::context::Context;
use crate::error::Result;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  disa breaker open --for 30m --reason \"SNS maintenance\"\n  disa breaker open --for 2h\n\nNothing is sent, no probe either; messages wait in the backlog. What is past the breaker already goes on: the\nanswer says how many executions that may be. The first run of the retry function after the time ends the hold;\nthen a probe goes out, and when it is delivered the rest follows. A second `open` or `close` replaces the first.\n\nThe hold stands in the alarm: in its threshold and its description. A deploy that changes no parameter of the\nalarm leaves it alone; one that does ends it."
)]
pub struct Open {
    #[command(flatten)]
    options: Options,
}

impl Open {
    pub async fn run(self, context: &Context) -> Result<ExitCode> {
        hold(context, Position::Open, self.options).await
    }
}
