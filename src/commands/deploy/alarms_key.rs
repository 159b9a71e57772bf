//! The key of the topic that the alarms tell.

use crate::aws::Identity;
use crate::context::Context;
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::key_policy;

/// Mails about alarms would stay away silently if the key of their topic did not let CloudWatch in.
pub async fn check_alarms_key(context: &Context, identity: &Identity, arn: &str) -> Result<()> {
    if context.local {
        return Ok(());
    }
    let policy = context.clients.kms().policy(arn).await.doing(&format!("read the policy of the key {arn}"))?;
    if key_policy::lets_alarms_in(&policy) {
        return Ok(());
    }
    let (names, region) = (&context.names, &context.clients.region);
    let statement = key_policy::alarms_statement(
        &identity.partition,
        region,
        &identity.account,
        &names.project,
        &names.environment,
    );
    let statement = serde_json::to_string_pretty(&statement).unwrap_or_default();
    Err(Error::new(Kind::Access, format!("the policy of the key {arn} does not let the alarms tell the AlarmEmail"))
        .hint(format!("add this statement to the key's policy:\n{statement}")))
}
