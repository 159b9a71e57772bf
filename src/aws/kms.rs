//! KMS: whether the operator's own key will do.

use aws_config::SdkConfig;
use aws_sdk_kms::Client;
use gateway::{ServiceError, describe};

pub use crate::stack::doctor::key::Key;

pub struct Kms {
    client: Client,
}

impl Kms {
    pub fn new(config: &SdkConfig) -> Kms {
        Kms { client: Client::new(config) }
    }

    /// Looks a key up by its id, ARN, alias or alias ARN.
    pub async fn key(&self, id: &str) -> Result<Key, ServiceError> {
        let answer = self.client.describe_key().key_id(id).send().await.map_err(|error| describe(&error))?;
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let meta = answer.key_metadata();
        Ok(Key {
            arn: text(meta.and_then(|m| m.arn())),
            state: text(meta.and_then(|m| m.key_state()).map(|s| s.as_str())),
            spec: text(meta.and_then(|m| m.key_spec()).map(|s| s.as_str())),
            customer_managed: meta.and_then(|m| m.key_manager()).is_some_and(|m| m.as_str() == "CUSTOMER"),
        })
    }

    /// The key's policy, as JSON text.
    pub async fn policy(&self, arn: &str) -> Result<String, ServiceError> {
        let answer = self.client.get_key_policy().key_id(arn).send().await.map_err(|error| describe(&error))?;
        Ok(answer.policy().unwrap_or_default().to_owned())
    }
}
