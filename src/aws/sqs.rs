//! SQS: the dead letter queues, and a temporary queue that listens to the topic.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use gateway::{ServiceError, describe};

pub struct Sqs {
    client: Client,
}

/// A message as a subscriber of the topic gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub body: String,
    pub attributes: HashMap<String, String>,
}

impl Sqs {
    pub fn new(config: &SdkConfig) -> Sqs {
        Sqs { client: Client::new(config) }
    }

    /// `None` when there is no such queue.
    pub async fn url(&self, name: &str) -> Result<Option<String>, ServiceError> {
        match self.client.get_queue_url().queue_name(name).send().await.map_err(|error| describe(&error)) {
            Ok(answer) => Ok(answer.queue_url().map(str::to_owned)),
            Err(error) if error.code.contains("NonExistentQueue") || error.is("QueueDoesNotExist") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many messages a queue holds, visible or not; `None` when there is no such queue. An approximation,
    /// as SQS says.
    pub async fn depth(&self, name: &str) -> Result<Option<u64>, ServiceError> {
        let Some(url) = self.url(name).await? else { return Ok(None) };
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.client.get_queue_attributes().queue_url(url).set_attribute_names(Some(counts.to_vec()));
        let answer = request.send().await.map_err(|error| describe(&error))?;
        let number = |name| answer.attributes().and_then(|all| all.get(name)).and_then(|text| text.parse::<u64>().ok());
        Ok(Some(counts.iter().filter_map(number).sum()))
    }

    /// Makes a queue that the topic may send to; answers its URL.
    pub async fn create_listener(&self, name: &str, queue_arn: &str, topic_arn: &str) -> Result<String, ServiceError> {
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "sns.amazonaws.com" },
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": { "ArnEquals": { "aws:SourceArn": topic_arn } },
            }],
        });
        let request = self
            .client
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::Policy, policy.to_string())
            .attributes(QueueAttributeName::MessageRetentionPeriod, "3600");
        let answer = request.send().await.map_err(|error| describe(&error))?;
        Ok(answer.queue_url().unwrap_or_default().to_owned())
    }

    /// Takes what the queue holds off it, up to ten messages, waiting at most `wait_s` seconds for the first.
    pub async fn take(&self, url: &str, wait_s: i32) -> Result<Vec<Received>, ServiceError> {
        let request = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .wait_time_seconds(wait_s)
            .message_attribute_names("All");
        let answer = request.send().await.map_err(|error| describe(&error))?;
        let mut received = vec![];
        for message in answer.messages() {
            if let Some(handle) = message.receipt_handle() {
                let done = self.client.delete_message().queue_url(url).receipt_handle(handle).send().await;
                done.map_err(|error| describe(&error))?;
            }
            let attributes = message.message_attributes().into_iter().flatten();
            received.push(Received {
                body: message.body().unwrap_or_default().to_owned(),
                attributes: attributes
                    .filter_map(|(name, value)| Some((name.clone(), value.string_value()?.to_owned())))
                    .collect(),
            });
        }
        Ok(received)
    }

    /// Takes all messages of a queue out of sight for ten minutes; answers their handles. None when there is
    /// no such queue.
    pub async fn lease_all(&self, name: &str) -> Result<Vec<String>, ServiceError> {
        let Some(url) = self.url(name).await? else { return Ok(vec![]) };
        let mut handles = vec![];
        loop {
            let request =
                self.client.receive_message().queue_url(&url).max_number_of_messages(10).visibility_timeout(600);
            let answer = request.send().await.map_err(|error| describe(&error))?;
            if answer.messages().is_empty() {
                return Ok(handles);
            }
            handles.extend(answer.messages().iter().filter_map(|message| message.receipt_handle().map(str::to_owned)));
        }
    }

    /// Deletes messages by their handles; answers how many.
    pub async fn remove(&self, name: &str, handles: &[String]) -> Result<u64, ServiceError> {
        let Some(url) = self.url(name).await? else { return Ok(0) };
        for handle in handles {
            let done = self.client.delete_message().queue_url(&url).receipt_handle(handle).send().await;
            done.map_err(|error| describe(&error))?;
        }
        Ok(handles.len() as u64)
    }

    pub async fn delete(&self, url: &str) -> Result<(), ServiceError> {
        self.client.delete_queue().queue_url(url).send().await.map(|_| ()).map_err(|error| describe(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::answers;

    #[tokio::test]
    async fn a_queue_that_does_not_exist_has_no_depth() {
        let missing = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"m"}"#;
        let url = r#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/1/q"}"#;
        let counts =
            r#"{"Attributes":{"ApproximateNumberOfMessages":"2","ApproximateNumberOfMessagesNotVisible":"1"}}"#;
        let (config, _) = answers(&[(400, missing), (200, url), (200, counts)]).await;
        let sqs = Sqs::new(&config);
        assert_eq!(sqs.depth("q").await, Ok(None));
        assert_eq!(sqs.depth("q").await, Ok(Some(3)));
    }
}
