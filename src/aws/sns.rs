//! SNS: the topic's subscriptions.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use gateway::{ServiceError, describe};

pub struct Sns {
    client: Client,
}

impl Sns {
    pub fn new(config: &SdkConfig) -> Sns {
        Sns { client: Client::new(config) }
    }

    /// Whether there is this topic.
    pub async fn exists(&self, topic_arn: &str) -> Result<bool, ServiceError> {
        match self.client.get_topic_attributes().topic_arn(topic_arn).send().await {
            Ok(_) => Ok(true),
            Err(error) => match describe(&error) {
                error if error.code.starts_with("NotFound") => Ok(false),
                error => Err(error),
            },
        }
    }

    /// The email addresses that have not confirmed their subscription.
    pub async fn unconfirmed_emails(&self, topic_arn: &str) -> Result<Vec<String>, ServiceError> {
        let mut found = vec![];
        let mut pages = self.client.list_subscriptions_by_topic().topic_arn(topic_arn).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            let waiting = page.subscriptions().iter().filter(|subscription| {
                subscription.protocol() == Some("email")
                    && subscription.subscription_arn() == Some("PendingConfirmation")
            });
            found.extend(waiting.filter_map(|subscription| subscription.endpoint().map(str::to_owned)));
        }
        Ok(found)
    }

    /// Subscribes a queue with raw delivery; answers the subscription's ARN.
    pub async fn subscribe_queue(&self, topic_arn: &str, queue_arn: &str) -> Result<String, ServiceError> {
        let request = self
            .client
            .subscribe()
            .topic_arn(topic_arn)
            .protocol("sqs")
            .endpoint(queue_arn)
            .attributes("RawMessageDelivery", "true")
            .return_subscription_arn(true);
        let answer = request.send().await.map_err(|error| describe(&error))?;
        Ok(answer.subscription_arn().unwrap_or_default().to_owned())
    }

    pub async fn unsubscribe(&self, subscription_arn: &str) -> Result<(), ServiceError> {
        let request = self.client.unsubscribe().subscription_arn(subscription_arn);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }
}
