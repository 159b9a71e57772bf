//! Publishing to the topic, in calls of up to ten messages.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::primitives::Blob;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use futures::{StreamExt, stream};
use gateway::{ServiceError, describe};
use outbox::error::Failure;
use outbox::message::{Attribute, ID_ATTRIBUTE, MAX_BYTES, Message};

/// SNS API reference, `PublishBatch`: ten entries, and 256 KiB over all of them.
const MAX_ENTRIES: usize = 10;
/// Calls under way at once.
const CONCURRENCY: usize = 10;

/// One message on its way.
#[derive(Clone, Debug)]
pub struct Entry {
    pub sequence_no: String,
    pub message: Message,
}

/// The SNS message id, or why there is none.
pub type Published = Result<String, Failure>;

pub struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    pub fn new(client: Client, arn: String) -> Topic {
        Topic { client, arn }
    }

    /// Publishes all entries; the results are in their order. No call begins once `time_left` is zero. Also
    /// answers the status codes for the breaker's metric: only of what SNS was really asked.
    pub async fn publish(&self, entries: &[Entry], time_left: impl Fn() -> Duration) -> (Vec<Published>, Vec<u16>) {
        let sizes: Vec<usize> = entries.iter().map(|entry| entry.message.wire_bytes(&entry.sequence_no)).collect();
        let time_left = &time_left;
        let calls: Vec<Vec<(Published, bool)>> = stream::iter(calls(&sizes))
            .map(|range| async move {
                let entries = &entries[range];
                if time_left().is_zero() {
                    return entries.iter().map(|_| (Err(out_of_time()), false)).collect();
                }
                self.publish_call(entries, time_left).await
            })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let mut results = vec![];
        let mut datapoints = vec![];
        for (result, asked) in calls.into_iter().flatten() {
            if asked {
                datapoints.extend(result.as_ref().map_or_else(Failure::datapoint, |_| Some(200)));
            }
            results.push(result);
        }
        (results, datapoints)
    }

    /// One call. When SNS refuses it whole for a parameter, it does not say whose: then each entry goes alone,
    /// so that the guilty one is found and the others are delivered. With each result, whether SNS was asked.
    async fn publish_call(&self, entries: &[Entry], time_left: impl Fn() -> Duration) -> Vec<(Published, bool)> {
        match self.publish_batch(entries).await {
            Ok(results) => results.into_iter().map(|result| (result, true)).collect(),
            Err(failure) if failure.class == outbox::error::Class::Rejected && entries.len() > 1 => {
                let mut results = vec![];
                for entry in entries {
                    if time_left().is_zero() {
                        results.push((Err(out_of_time()), false));
                        continue;
                    }
                    let alone = self.publish_batch(std::slice::from_ref(entry)).await;
                    results.push((alone.and_then(|mut results| results.remove(0)), true));
                }
                results
            }
            Err(failure) => entries.iter().map(|_| (Err(failure.clone()), true)).collect(),
        }
    }

    async fn publish_batch(&self, entries: &[Entry]) -> Result<Vec<Published>, Failure> {
        let mut requests = vec![];
        for (index, entry) in entries.iter().enumerate() {
            requests.push(request_entry(index, entry).map_err(|text| Failure::of_sns("BadRequest", &text, 0))?);
        }
        let request =
            self.client.publish_batch().topic_arn(&self.arn).set_publish_batch_request_entries(Some(requests));
        let answer = request.send().await.map_err(|error| failure(&describe(&error)))?;
        // A success may hold failures, and an entry that is in neither list has no acknowledgement.
        let silent = || Failure::unreachable("NoAcknowledgement", "SNS answered nothing for this message");
        let mut results: Vec<Published> = entries.iter().map(|_| Err(silent())).collect();
        for done in answer.successful() {
            if let (Some(slot), Some(id)) = (slot(&mut results, done.id()), done.message_id()) {
                *slot = Ok(id.to_owned());
            }
        }
        for failed in answer.failed() {
            if let Some(slot) = slot(&mut results, Some(failed.id())) {
                let status = if failed.sender_fault() { 400 } else { 500 };
                *slot = Err(Failure::of_sns(failed.code(), failed.message().unwrap_or_default(), status));
            }
        }
        Ok(results)
    }
}

fn out_of_time() -> Failure {
    Failure::unreachable("OutOfTime", "the function's time ran out before this message's turn")
}

fn failure(error: &ServiceError) -> Failure {
    match error.status {
        Some(status) => Failure::of_sns(&error.code, &error.text, status),
        None => Failure::unreachable(&error.code, &error.text),
    }
}

fn slot<'a>(results: &'a mut [Published], id: Option<&str>) -> Option<&'a mut Published> {
    results.get_mut(id?.parse::<usize>().ok()?)
}

/// The entries' ids are their places in the call: a message's own id may have characters that SNS refuses.
fn request_entry(index: usize, entry: &Entry) -> Result<PublishBatchRequestEntry, String> {
    let own = (ID_ATTRIBUTE, Attribute::String(entry.sequence_no.clone()));
    let attributes = entry.message.attributes.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let mut request = PublishBatchRequestEntry::builder()
        .id(index.to_string())
        .message(&entry.message.body)
        .set_subject(entry.message.subject.clone());
    for (name, value) in attributes.chain([own]) {
        let builder = MessageAttributeValue::builder().data_type(value.data_type());
        let builder = match value {
            Attribute::String(text) | Attribute::Number(text) => builder.string_value(text),
            Attribute::Binary(bytes) => builder.binary_value(Blob::new(bytes)),
        };
        request = request.message_attributes(name, builder.build().map_err(|error| error.to_string())?);
    }
    request.build().map_err(|error| error.to_string())
}

/// Which entries go into which call, in their order.
fn calls(sizes: &[usize]) -> Vec<std::ops::Range<usize>> {
    let mut calls = vec![];
    let (mut start, mut bytes) = (0, 0);
    for (index, size) in sizes.iter().enumerate() {
        if index > start && (index - start == MAX_ENTRIES || bytes + size > MAX_BYTES) {
            calls.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < sizes.len() {
        calls.push(start..sizes.len());
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::{answers, requests};
    use outbox::error::Class;

    fn entries(count: usize) -> Vec<Entry> {
        let message = || Message { body: "x".into(), subject: None, attributes: Default::default() };
        (0..count).map(|n| Entry { sequence_no: format!("id {n}"), message: message() }).collect()
    }

    fn accepted(entries: &[(usize, &str)]) -> String {
        let members: Vec<String> =
            entries.iter().map(|(n, id)| format!("<member><Id>{n}</Id><MessageId>{id}</MessageId></member>")).collect();
        format!("<Successful>{}</Successful>", members.concat())
    }

    fn answer(inner: &str) -> String {
        format!("<PublishBatchResponse><PublishBatchResult>{inner}</PublishBatchResult></PublishBatchResponse>")
    }

    fn refusal(code: &str) -> String {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"
        )
    }

    async fn publish(count: usize, recorded: &[(u16, &str)]) -> (Vec<Published>, Vec<u16>, Vec<String>) {
        let (config, client) = answers(recorded).await;
        let topic = Topic::new(Client::new(&config), "arn:aws:sns:eu-west-1:1:t".into());
        let (results, datapoints) = topic.publish(&entries(count), || Duration::from_secs(9)).await;
        (results, datapoints, requests(&client))
    }

    #[tokio::test]
    async fn a_success_may_hold_failures_and_silence_is_none() {
        let failed = "<Failed><member><Id>1</Id><Code>InternalError</Code><Message>m</Message><SenderFault>false</SenderFault></member></Failed>";
        let body = answer(&(accepted(&[(0, "m-0")]) + failed));
        let (results, datapoints, requests) = publish(3, &[(200, &body)]).await;
        assert_eq!(results[0], Ok("m-0".to_owned()));
        let codes: Vec<&str> = results[1..].iter().map(|r| r.as_ref().expect_err("failed").code.as_str()).collect();
        assert_eq!(codes, ["InternalError", "NoAcknowledgement"]);
        assert_eq!(datapoints, [200, 500, 503]);
        // Every message carries its id, for consumers to deduplicate by.
        assert!(
            requests[0].contains("Name=sequenceNo") && requests[0].contains("StringValue=id%202"),
            "{}",
            requests[0]
        );
    }

    #[tokio::test]
    async fn when_a_call_is_refused_whole_the_guilty_one_is_found() {
        let (good, bad) = (answer(&accepted(&[(0, "m")])), refusal("InvalidParameter"));
        let (results, datapoints, _) = publish(2, &[(400, &bad), (200, &good), (400, &bad)]).await;
        assert_eq!(results[0], Ok("m".to_owned()));
        assert_eq!(results[1].as_ref().expect_err("refused").class, Class::Rejected);
        assert_eq!(datapoints, [200]);
    }

    #[tokio::test]
    async fn an_outage_is_nobodys_fault_and_a_bad_datapoint_for_each() {
        let (results, datapoints, _) = publish(2, &[(404, &refusal("NotFound"))]).await;
        assert!(results.iter().all(|r| r.as_ref().is_err_and(|f| f.class == Class::Unavailable)));
        assert_eq!(datapoints, [404, 404]);
    }

    #[tokio::test]
    async fn nothing_is_asked_when_the_time_is_over() {
        let (config, client) = answers(&[]).await;
        let topic = Topic::new(Client::new(&config), "arn".into());
        let (results, datapoints) = topic.publish(&entries(1), || Duration::ZERO).await;
        assert_eq!(results[0].as_ref().expect_err("not tried").code, "OutOfTime");
        assert!(datapoints.is_empty() && requests(&client).is_empty());
    }

    #[tokio::test]
    async fn the_time_may_end_between_those_that_go_alone() {
        let (good, bad) = (answer(&accepted(&[(0, "m")])), refusal("InvalidParameter"));
        let (config, client) = answers(&[(400, &bad), (200, &good), (200, &good)]).await;
        let topic = Topic::new(Client::new(&config), "arn".into());
        let asked = std::cell::Cell::new(0);
        let time_left = || {
            asked.set(asked.get() + 1);
            Duration::from_secs(if asked.get() > 2 { 0 } else { 9 })
        };
        let (results, datapoints) = topic.publish(&entries(2), time_left).await;
        assert_eq!(results[0], Ok("m".to_owned()));
        assert_eq!(results[1].as_ref().expect_err("not tried").code, "OutOfTime");
        assert_eq!((datapoints, requests(&client).len()), (vec![200], 2));
    }

    #[test]
    fn calls_hold_ten_messages_and_256_kib() {
        assert_eq!(calls(&[]), []);
        assert_eq!(calls(&[1; 23]), [0..10, 10..20, 20..23]);
        assert_eq!(calls(&[MAX_BYTES, 1, MAX_BYTES - 1, 1]), [0..1, 1..3, 3..4]);
    }
}
