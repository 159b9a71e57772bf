//! The custom metric under the breaker's alarm: the status codes of the publishes of one batch.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::timeout::TimeoutConfig;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use gateway::describe;
use gateway::function::variable;

/// A metric that cannot be written must not hold a batch up.
const TIMEOUT: Duration = Duration::from_secs(3);

pub struct Metric {
    client: Client,
    namespace: String,
    name: String,
    dimension: Dimension,
}

impl Metric {
    pub fn from_env(client: Client) -> Result<Metric, lambda_runtime::Error> {
        let dimension =
            Dimension::builder().name(variable("DIMENSION_NAME")?).value(variable("DIMENSION_VALUE")?).build();
        Ok(Metric { client, namespace: variable("CLOUDWATCH_NAMESPACE")?, name: variable("METRIC_NAME")?, dimension })
    }

    /// One datum for the whole batch: each status code with its count. CloudWatch takes 150 distinct values in
    /// one (PutMetricData API reference). An error is logged and no more: the deliveries are done.
    pub async fn put(&self, status_codes: &[u16]) {
        let counts = count(status_codes);
        if counts.is_empty() {
            return;
        }
        let datum = MetricDatum::builder()
            .metric_name(&self.name)
            .dimensions(self.dimension.clone())
            .unit(StandardUnit::None)
            .set_values(Some(counts.keys().map(|code| f64::from(*code)).collect()))
            .set_counts(Some(counts.values().map(|count| f64::from(*count)).collect()))
            .build();
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
        let request = self.client.put_metric_data().namespace(&self.namespace).metric_data(datum);
        let request =
            request.customize().config_override(aws_sdk_cloudwatch::Config::builder().timeout_config(timeouts));
        if let Err(error) = request.send().await {
            let error = describe(&error);
            tracing::warn!(code = error.code, text = error.text, "the metric was not written");
        }
    }
}

fn count(status_codes: &[u16]) -> BTreeMap<u16, u32> {
    let mut counts = BTreeMap::new();
    for code in status_codes {
        *counts.entry(*code).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_value_per_status_code() {
        assert_eq!(super::count(&[200, 404, 200]).into_iter().collect::<Vec<_>>(), [(200, 2), (404, 1)]);
    }
}
