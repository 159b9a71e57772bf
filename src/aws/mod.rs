//! The only code that names the SDK: one file a service, domain types in and out, errors translated.

pub mod change_set;
pub mod cloudformation;
pub mod cloudwatch;
pub mod dynamodb;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod logs;
pub mod merge;
pub mod messages;
pub mod s3;
pub mod scheduler;
pub mod sfn;
pub mod sns;
pub mod sqs;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use gateway::{Alarm, Table, describe};

use crate::error::{Doing, Error, Kind, Result};

/// Where to work.
#[derive(Clone, Debug)]
pub struct Target {
    pub profile: Option<String>,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    /// The local engine: takes any credentials, and lies in `us-east-1`.
    pub local: bool,
}

/// The clients' common configuration. Clients are cheap: each gateway makes its own from it.
#[derive(Clone, Debug)]
pub struct Clients {
    pub config: SdkConfig,
    pub region: String,
    endpoint_given: bool,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub partition: String,
    /// The ARN of the caller.
    pub caller: String,
}

impl Identity {
    pub fn arn(&self, region: &str, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{region}:{}:{resource}", self.partition, self.account)
    }
}

impl Clients {
    pub async fn connect(target: Target) -> Result<Clients> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(70))
            .build();
        let mut loader = aws_config::defaults(gateway::behavior())
            .http_client(gateway::http_client())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(5));
        if let Some(profile) = &target.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &target.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &target.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if target.local {
            let region = target.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
            // The engine's own root, also where it is made to enforce policies (AUTH=true).
            let root = aws_sdk_dynamodb::config::Credentials::new("test", "test", None, None, "local engine");
            loader = loader.region(Region::new(region)).credentials_provider(root);
        }
        let config = loader.load().await;
        let Some(region) = config.region().map(|region| region.as_ref().to_owned()) else {
            return Err(Error::new(Kind::Access, "no AWS region is set")
                .hint("give one: `--region NAME`, AWS_REGION, or `region` in ~/.aws/config")
                .hint("`--local` runs everything on this machine, with no account"));
        };
        let endpoint_given = target.endpoint.is_some();
        Ok(Clients { config, region, endpoint_given })
    }

    pub async fn identity(&self) -> Result<Identity> {
        let client = aws_sdk_sts::Client::new(&self.config);
        let answer = client.get_caller_identity().send().await.map_err(|error| describe(&error));
        let answer = answer.doing("ask AWS who you are")?;
        let caller = answer.arn().unwrap_or_default().to_owned();
        let partition = caller.split(':').nth(1).unwrap_or("aws").to_owned();
        Ok(Identity { account: answer.account().unwrap_or_default().to_owned(), partition, caller })
    }

    pub fn table(&self, name: &str) -> Table {
        Table::new(aws_sdk_dynamodb::Client::new(&self.config), name)
    }

    /// The breaker's alarm, to be changed.
    pub fn alarm(&self, name: &str) -> Alarm {
        Alarm::new(aws_sdk_cloudwatch::Client::new(&self.config), name)
    }

    pub fn dynamodb(&self) -> dynamodb::DynamoDb {
        dynamodb::DynamoDb::new(&self.config)
    }
    pub fn cloudformation(&self) -> cloudformation::CloudFormation {
        cloudformation::CloudFormation::new(&self.config)
    }
    pub fn cloudwatch(&self) -> cloudwatch::CloudWatch {
        cloudwatch::CloudWatch::new(&self.config)
    }
    pub fn iam(&self) -> iam::Iam {
        iam::Iam::new(&self.config)
    }
    pub fn kms(&self) -> kms::Kms {
        kms::Kms::new(&self.config)
    }
    pub fn lambda(&self) -> lambda::Lambda {
        lambda::Lambda::new(&self.config)
    }
    pub fn logs(&self) -> logs::Logs {
        logs::Logs::new(&self.config)
    }
    /// Another endpoint than AWS's rarely answers for one host name per bucket.
    pub fn s3(&self) -> s3::S3 {
        s3::S3::new(&self.config, self.endpoint_given, &self.region)
    }
    pub fn scheduler(&self) -> scheduler::Scheduler {
        scheduler::Scheduler::new(&self.config)
    }
    pub fn sfn(&self) -> sfn::Sfn {
        sfn::Sfn::new(&self.config)
    }
    pub fn sns(&self) -> sns::Sns {
        sns::Sns::new(&self.config)
    }
    pub fn sqs(&self) -> sqs::Sqs {
        sqs::Sqs::new(&self.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::answers;

    #[tokio::test]
    async fn a_session_that_is_over_says_what_to_do() {
        let expired = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error></ErrorResponse>";
        let (config, _) = answers(&[(403, expired)]).await;
        let clients = Clients { config, region: "eu-west-1".into(), endpoint_given: false };
        let error = clients.identity().await.expect_err("expired");
        assert_eq!(error.kind, Kind::Access);
        assert!(error.hints.iter().any(|hint| hint.contains("log in again")), "{error:?}");
    }
}
