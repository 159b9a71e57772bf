//! Lambda: the retry function on demand, and a function's variables for the drill.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, LastUpdateStatus};
use gateway::{ServiceError, describe};

pub struct Lambda {
    client: Client,
}

/// What an invocation gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Done(serde_json::Value),
    /// The function failed: its own error, with type and text.
    Failed(String),
}

impl Lambda {
    pub fn new(config: &SdkConfig) -> Lambda {
        Lambda { client: Client::new(config) }
    }

    /// Invokes a function and waits for its answer.
    pub async fn invoke(&self, function: &str, payload: &serde_json::Value) -> Result<Answer, ServiceError> {
        let request = self.client.invoke().function_name(function).payload(Blob::new(payload.to_string()));
        let answer = request.send().await.map_err(|error| describe(&error))?;
        let body = answer.payload().map(|blob| blob.as_ref()).unwrap_or_default();
        let value: serde_json::Value = serde_json::from_slice(body).unwrap_or(serde_json::Value::Null);
        Ok(match answer.function_error() {
            None => Answer::Done(value),
            Some(kind) => {
                let field = |name: &str| value.get(name).and_then(|text| text.as_str()).unwrap_or_default();
                Answer::Failed(format!("{kind}: {} {}", field("errorType"), field("errorMessage")).trim().to_owned())
            }
        })
    }

    /// The variables of a function. `None` when there is no such function.
    pub async fn variables(&self, function: &str) -> Result<Option<HashMap<String, String>>, ServiceError> {
        match self.client.get_function_configuration().function_name(function).send().await {
            Ok(answer) => Ok(Some(answer.environment().and_then(|e| e.variables()).cloned().unwrap_or_default())),
            Err(error) => match describe(&error) {
                error if error.is("ResourceNotFoundException") => Ok(None),
                error => Err(error),
            },
        }
    }

    pub async fn set_variables(&self, function: &str, variables: HashMap<String, String>) -> Result<(), ServiceError> {
        let environment = Environment::builder().set_variables(Some(variables)).build();
        let request = self.client.update_function_configuration().function_name(function).environment(environment);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Whether the last change of a function is still being applied.
    pub async fn is_updating(&self, function: &str) -> Result<bool, ServiceError> {
        let answer = self.client.get_function_configuration().function_name(function).send().await;
        let answer = answer.map_err(|error| describe(&error))?;
        Ok(answer.last_update_status() == Some(&LastUpdateStatus::InProgress))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::answers;

    #[tokio::test]
    async fn the_answer_is_read_and_a_missing_function_has_its_code() {
        let missing = r#"{"__type":"ResourceNotFoundException","Message":"Function not found"}"#;
        let (config, _) = answers(&[(200, r#"{"claimed":3}"#), (404, missing), (404, missing)]).await;
        let lambda = Lambda::new(&config);
        let answer = lambda.invoke("f", &serde_json::json!({})).await;
        assert_eq!(answer, Ok(Answer::Done(serde_json::json!({ "claimed": 3 }))));
        assert_eq!(lambda.variables("f").await, Ok(None));
        assert!(
            lambda.invoke("f", &serde_json::json!({})).await.expect_err("missing").code.starts_with("ResourceNotFound")
        );
    }
}
