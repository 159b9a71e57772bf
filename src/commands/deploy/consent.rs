//! Asking before something is done that is not undone so easily.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stack::plan::{Action, Plan, Risk};

/// Goes on with a yes: from the command line, or from whoever sits there.
pub fn agree(context: &Context, yes: bool, what: &str, question: &str) -> Result<()> {
    context.ui.note(what);
    if yes {
        return Ok(());
    }
    if !context.ui.can_ask() {
        return Err(Error::usage(format!("{what} Somebody must agree, and there is nobody to ask"))
            .hint("agree on the command line: `--yes`"));
    }
    match context.ui.confirm(question) {
        true => Ok(()),
        false => Err(Error::failed("nothing was changed")),
    }
}

/// Has what a plan replaces or removes agreed to: what holds data by its name, the rest by a yes.
pub fn to_plan(context: &Context, plan: &Plan, allowed: &[String], yes: bool) -> Result<()> {
    let consent = plan.consent(allowed);
    if let Some(name) = consent.needless.first() {
        return Err(Error::usage(format!("`--allow-replacement {name}`: nothing of this name is replaced or removed"))
            .hint(format!("what is: `{}`", context.again("plan"))));
    }
    if !consent.missing.is_empty() {
        let mut error = Error::usage("what holds data would be lost; nothing was changed");
        for risk in &consent.missing {
            error = error.because(said(risk));
        }
        let names: Vec<String> =
            consent.missing.iter().map(|risk| format!("--allow-replacement {}", risk.resource)).collect();
        return Err(
            error.hint(format!("if that is meant: `{}`", context.again(&format!("deploy {}", names.join(" ")))))
        );
    }
    if consent.asked.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = consent.asked.iter().map(said).collect();
    agree(context, yes, &format!("This deployment takes away what is there: {}.", told.join("; ")), "Deploy it?")
}

fn said(risk: &Risk) -> String {
    let happens = match risk.action {
        Action::Remove => "is removed",
        Action::MayReplace => "may be replaced",
        _ => "is replaced",
    };
    format!("{} {happens}", risk.resource)
}
