//! The custom metrics of one deployment: one request for a batch or a run, never one for a message.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::timeout::TimeoutConfig;
pub use aws_sdk_cloudwatch::types::StandardUnit as Unit;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};

use crate::describe;
use crate::function::variable;

/// A metric that cannot be written must not hold anything up.
const TIMEOUT: Duration = Duration::from_secs(3);

pub struct Metrics {
    client: Client,
    namespace: String,
    prefix: String,
    dimension: Dimension,
}

/// What was measured under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    pub name: String,
    pub unit: Unit,
    pub values: Vec<u64>,
}

impl Metrics {
    pub fn from_env(client: Client) -> Result<Metrics, lambda_runtime::Error> {
        let dimension =
            Dimension::builder().name(variable("DIMENSION_NAME")?).value(variable("DIMENSION_VALUE")?).build();
        // Usually empty.
        let prefix = std::env::var("METRIC_PREFIX").unwrap_or_default();
        Ok(Metrics { client, namespace: variable("CLOUDWATCH_NAMESPACE")?, prefix, dimension })
    }

    /// One of the metrics of `outbox::names::metric`.
    pub fn measured(&self, metric: &str, unit: Unit, values: Vec<u64>) -> Measured {
        Measured { name: format!("{}{metric}", self.prefix), unit, values }
    }

    /// Writes everything in one request, at the time of now. An error is logged and no more: what was measured
    /// is done.
    pub async fn put(&self, measured: &[Measured]) {
        let data: Vec<MetricDatum> =
            measured.iter().filter(|one| !one.values.is_empty()).map(|one| self.datum(one)).collect();
        if data.is_empty() {
            return;
        }
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
        let request = self.client.put_metric_data().namespace(&self.namespace).set_metric_data(Some(data));
        let request =
            request.customize().config_override(aws_sdk_cloudwatch::Config::builder().timeout_config(timeouts));
        if let Err(error) = request.send().await {
            let error = describe(&error);
            tracing::warn!(code = error.code, text = error.text, "the metrics were not written");
        }
    }

    /// Each value with its count. CloudWatch takes 150 distinct values in one datum (PutMetricData API
    /// reference); a batch has a hundred messages at the most.
    fn datum(&self, measured: &Measured) -> MetricDatum {
        let counts = count(&measured.values);
        MetricDatum::builder()
            .metric_name(&measured.name)
            .dimensions(self.dimension.clone())
            .unit(measured.unit.clone())
            .set_values(Some(counts.keys().map(|value| *value as f64).collect()))
            .set_counts(Some(counts.values().map(|count| f64::from(*count)).collect()))
            .build()
    }
}

fn count(values: &[u64]) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(*value).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{answers, requests};

    async fn written(status: u16, measured: &[(&str, Vec<u64>)]) -> Vec<String> {
        let (config, client) = answers(&[(status, "{}")]).await;
        let metrics = Metrics {
            client: Client::new(&config),
            namespace: "Disa".into(),
            prefix: "p-".into(),
            dimension: Dimension::builder().name("Outbox").value("disa-devl").build(),
        };
        let measured: Vec<_> =
            measured.iter().map(|(name, values)| metrics.measured(name, Unit::Count, values.clone())).collect();
        metrics.put(&measured).await;
        requests(&client)
    }

    #[test]
    fn one_value_with_its_count() {
        assert_eq!(count(&[200, 404, 200]).into_iter().collect::<Vec<_>>(), [(200, 2), (404, 1)]);
    }

    #[tokio::test]
    async fn everything_goes_in_one_request_and_nothing_in_none() {
        assert_eq!(written(200, &[("Empty", vec![])]).await, [] as [String; 0]);
        let made = written(200, &[("One", vec![7, 7]), ("Empty", vec![]), ("Two", vec![0])]).await;
        assert_eq!(made.len(), 1, "{made:?}");
        for part in ["p-One", "p-Two", "disa-devl"] {
            assert!(made[0].contains(part), "{part}: {made:?}");
        }
        assert!(!made[0].contains("p-Empty"), "{made:?}");
    }

    #[tokio::test]
    async fn a_refusal_is_no_error() {
        assert_eq!(written(500, &[("One", vec![1])]).await.len(), 1);
    }
}
