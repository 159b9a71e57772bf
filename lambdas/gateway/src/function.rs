//! What every function does at its start.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use outbox::policy::Policy;

use crate::config::{behavior, http_client};

/// JSON lines on standard output, which Lambda collects. Ids, attempts and executions, never a message text.
pub fn init_logs() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .init();
}

/// The configuration of the SDK clients: timeouts that a function's own timeout leaves room for, and the
/// standard retry mode. One hung call must not hold a whole batch up.
pub async fn sdk_config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(4))
        .operation_timeout(Duration::from_secs(10))
        .build();
    aws_config::defaults(behavior())
        .http_client(http_client())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .load()
        .await
}

/// A variable that the stack must have set.
pub fn variable(name: &str) -> Result<String, lambda_runtime::Error> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("the environment variable {name} is not set").into())
}

pub fn policy() -> Result<Policy, lambda_runtime::Error> {
    Policy::from_env(|name| std::env::var(name).ok()).map_err(Into::into)
}

/// Milliseconds since the epoch.
pub fn now() -> outbox::EpochMs {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// How long this invocation may still run, less a reserve for what comes after.
pub fn time_left(context: &lambda_runtime::Context, reserve: Duration) -> Duration {
    context.deadline().duration_since(std::time::SystemTime::now()).unwrap_or_default().saturating_sub(reserve)
}
