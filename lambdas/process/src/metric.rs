//! What is measured of one batch: the status codes of its publishes, under the breaker's alarm, and how long
//! the delivered messages took.

use aws_sdk_cloudwatch::Client;
use gateway::function::variable;
use gateway::{Measured, Metrics, Unit};
use outbox::EpochMs;
use outbox::names::metric;

pub struct Metric {
    metrics: Metrics,
    /// The name of the status codes' metric.
    status_codes: String,
}

impl Metric {
    pub fn from_env(client: Client) -> Result<Metric, lambda_runtime::Error> {
        Ok(Metric { metrics: Metrics::from_env(client)?, status_codes: variable("METRIC_NAME")? })
    }

    /// Writes both in one request.
    pub async fn put(&self, status_codes: &[u16], latencies_ms: Vec<u64>) {
        let codes = status_codes.iter().map(|code| u64::from(*code)).collect();
        let codes = Measured { name: self.status_codes.clone(), unit: Unit::None, values: codes };
        let latencies = self.metrics.measured(metric::LATENCY, Unit::Milliseconds, latencies_ms);
        self.metrics.put(&[codes, latencies]).await;
    }
}

/// How long messages took from their writes to their acceptance. The clocks that wrote them may be ahead, and
/// an item made by hand may not say when it was made.
pub fn latencies_ms(created_at: impl Iterator<Item = EpochMs>, accepted_at: EpochMs) -> Vec<u64> {
    created_at.filter(|created| *created > 0).map(|created| (accepted_at - created).max(0).unsigned_abs()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_clock_ahead_took_no_time_and_an_unknown_write_says_nothing() {
        assert_eq!(super::latencies_ms([0, 90, 150].into_iter(), 100), [10, 0]);
    }
}
