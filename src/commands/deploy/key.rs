//! The operator's own key.

use crate::aws::{Identity, kms::Key};
use crate::context::Context;
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::key_policy;

/// The operator's own key, if it will do; else the error says what to change about it.
pub async fn usable_key(context: &Context, identity: &Identity, id: &str) -> Result<Key> {
    let kms = context.clients.kms();
    let key = kms.key(id).await.doing(&format!("look at the key {id}"))?;
    let refuse = |why: String| Error::new(Kind::Access, format!("the key {id} will not do: {why}"));
    if key.state != "Enabled" {
        return Err(refuse(format!("it is {}", key.state)).hint("enable it: `aws kms enable-key`"));
    }
    if key.spec != "SYMMETRIC_DEFAULT" {
        return Err(refuse(format!("it is {}, and AWS services need a symmetric one", key.spec)));
    }
    if !key.customer_managed {
        return Err(refuse("AWS manages it, and its policy cannot let the log service in".to_owned()));
    }
    let region = &context.clients.region;
    if key.arn.split(':').nth(3) != Some(region) || key.arn.split(':').nth(4) != Some(identity.account.as_str()) {
        return Err(refuse(format!("it is {}, in another region or account", key.arn)));
    }
    let policy = kms.policy(&key.arn).await.doing(&format!("read the policy of the key {id}"))?;
    if !key_policy::delegates_to_account(&policy, &identity.account) {
        context.ui.warn(&format!(
            "the policy of the key {id} does not delegate to the account: it must name the functions' roles itself"
        ));
    }
    if !context.local && !key_policy::lets_logs_in(&policy, region) {
        let names = &context.names;
        let statement = key_policy::logs_statement(
            &identity.partition,
            region,
            &identity.account,
            &names.project,
            &names.environment,
        );
        let statement = serde_json::to_string_pretty(&statement).unwrap_or_default();
        return Err(refuse("its policy does not let CloudWatch Logs encrypt".to_owned())
            .hint(format!("add this statement to the key's policy:\n{statement}")));
    }
    Ok(key)
}
