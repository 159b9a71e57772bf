//! Lambda: the retry function on demand, and a function's variables for the drill.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, LastUpdateStatus};
use gateway::{ServiceError, describe};

use crate::stack::doctor::function::Settings;
use crate::stack::doctor::quota::Concurrency;

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

    /// How a function is set. `None` when there is no such function.
    pub async fn settings(&self, function: &str) -> Result<Option<Settings>, ServiceError> {
        let request = self.client.get_function_configuration().function_name(function);
        let answer = match request.send().await.map_err(|error| describe(&error)) {
            Err(error) if error.is("ResourceNotFoundException") => return Ok(None),
            answer => answer?,
        };
        let variables = answer.environment().and_then(|e| e.variables()).into_iter().flatten();
        Ok(Some(Settings {
            variables: variables.map(|(name, value)| (name.clone(), value.clone())).collect(),
            // x86_64 where none is named (Lambda API reference, `FunctionConfiguration`).
            architecture: answer.architectures().first().map_or("x86_64", |one| one.as_str()).to_owned(),
        }))
    }

    /// How many invocations may run at once in the account and region, and how many of these no function has
    /// reserved.
    pub async fn concurrency(&self) -> Result<Concurrency, ServiceError> {
        let answer = self.client.get_account_settings().send().await.map_err(|error| describe(&error))?;
        let limit = answer.account_limit();
        let all = limit.map_or(0, |limit| limit.concurrent_executions());
        Ok(Concurrency {
            all,
            unreserved: limit.and_then(|limit| limit.unreserved_concurrent_executions()).unwrap_or(all),
        })
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
    async fn settings_and_concurrency_are_read() {
        let function = r#"{"Architectures":["arm64"],"Environment":{"Variables":{"A":"1"}}}"#;
        let account = r#"{"AccountLimit":{"ConcurrentExecutions":1000,"UnreservedConcurrentExecutions":900}}"#;
        let missing = r#"{"__type":"ResourceNotFoundException","Message":"m"}"#;
        let (config, _) = answers(&[(200, function), (404, missing), (200, account)]).await;
        let lambda = Lambda::new(&config);
        let variables = [("A".to_owned(), "1".to_owned())].into();
        assert_eq!(lambda.settings("f").await, Ok(Some(Settings { variables, architecture: "arm64".into() })));
        assert_eq!(lambda.settings("f").await, Ok(None));
        assert_eq!(lambda.concurrency().await, Ok(Concurrency { all: 1000, unreserved: 900 }));
    }

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
