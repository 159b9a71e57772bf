//! Progress on a terminal; elsewhere a line when it begins and none while it runs.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(live: bool, what: &str, total: Option<u64>) -> Progress {
        let bar = match total {
            Some(total) => ProgressBar::new(total).with_style(counting()),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {elapsed:>3} {msg}")),
        };
        bar.set_draw_target(if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        bar.set_message(what.to_owned());
        if total.is_none() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Progress { bar }
    }

    pub fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    pub fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Writes a line without disturbing the bar.
    pub fn above(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A forecast is told when there is something to tell it from.
fn counting() -> ProgressStyle {
    style("{msg} {bar:24} {pos}/{len}{forecast}").with_key("forecast", |state: &ProgressState, out: &mut dyn Write| {
        if state.pos() > 0 {
            // Who reads the terminal is told by what is missing there.
            let _ = write!(out, " {:#} to go", HumanDuration(state.eta()));
        }
    })
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
