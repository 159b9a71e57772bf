//! DynamoDB beyond the single message: the table itself and the backlog as a whole.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures::{Stream, TryStreamExt, stream};
use gateway::{ServiceError, describe};
use outbox::EpochMs;
use outbox::item::{self, Status};
use serde_dynamo::Item;

/// Before the rest of a batch is asked for again.
const UNPROCESSED_WAIT: Duration = Duration::from_millis(100);

pub struct DynamoDb {
    client: Client,
}

/// A table as far as a deployment must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableState {
    pub arn: String,
    pub status: String,
    pub stream_arn: Option<String>,
    pub kms_key_arn: Option<String>,
    /// The attributes of its primary key.
    pub key: Vec<String>,
    pub indexes: Vec<String>,
}

/// One shard of the backlog, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSum {
    pub count: u64,
    pub oldest: Option<EpochMs>,
}

impl DynamoDb {
    pub fn new(config: &SdkConfig) -> DynamoDb {
        DynamoDb { client: Client::new(config) }
    }

    /// `None` when there is no such table.
    pub async fn table(&self, name: &str) -> Result<Option<TableState>, ServiceError> {
        match self.client.describe_table().table_name(name).send().await {
            Ok(answer) => Ok(answer.table().map(|table| TableState {
                arn: table.table_arn().unwrap_or_default().to_owned(),
                status: table.table_status().map_or("", |status| status.as_str()).to_owned(),
                stream_arn: table.latest_stream_arn().map(str::to_owned),
                kms_key_arn: table.sse_description().and_then(|sse| sse.kms_master_key_arn()).map(str::to_owned),
                key: table.key_schema().iter().map(|part| part.attribute_name().to_owned()).collect(),
                indexes: table
                    .global_secondary_indexes()
                    .iter()
                    .filter_map(|index| index.index_name().map(str::to_owned))
                    .collect(),
            })),
            Err(error) => match describe(&error) {
                error if error.is("ResourceNotFoundException") => Ok(None),
                error => Err(error),
            },
        }
    }

    /// The tags of a table, by its ARN.
    pub async fn tags(&self, arn: &str) -> Result<BTreeMap<String, String>, ServiceError> {
        let answer = self.client.list_tags_of_resource().resource_arn(arn).send().await;
        let answer = answer.map_err(|error| describe(&error))?;
        Ok(answer.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
    }

    pub async fn unprotect(&self, table: &str) -> Result<(), ServiceError> {
        let request = self.client.update_table().table_name(table).deletion_protection_enabled(false);
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Begins the deletion of a table that is not protected. A table with point-in-time recovery leaves a system
    /// backup for 35 days (DynamoDB developer guide, "Point-in-time recovery").
    pub async fn delete_table(&self, table: &str) -> Result<(), ServiceError> {
        self.client.delete_table().table_name(table).send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Reads all pages of one backlog shard and keeps a sum of them.
    pub async fn backlog_sum(&self, table: &str, status: Status, shard: u32) -> Result<ShardSum, ServiceError> {
        let mut sum = ShardSum::default();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(table)
                .index_name(item::BACKLOG_INDEX)
                .key_condition_expression("#shard = :shard")
                .projection_expression("#created")
                .expression_attribute_names("#shard", item::BACKLOG_SHARD)
                .expression_attribute_names("#created", item::CREATED_AT)
                .expression_attribute_values(":shard", AttributeValue::S(item::shard_key(status, shard)))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| describe(&error))?;
            let created = |item: &std::collections::HashMap<String, AttributeValue>| match item.get(item::CREATED_AT) {
                Some(AttributeValue::N(digits)) => digits.parse::<i64>().ok(),
                _ => None,
            };
            sum.count += u64::try_from(answer.count()).unwrap_or(0);
            sum.oldest = answer.items().iter().filter_map(created).chain(sum.oldest).min();
            match answer.last_evaluated_key().filter(|key| !key.is_empty()) {
                None => return Ok(sum),
                key => start = key.cloned(),
            }
        }
    }

    /// Puts an item with nothing but `sequenceNo` and `message`, as a person makes it in the console.
    pub async fn put_by_hand(&self, table: &str, id: &str, message: &str) -> Result<(), ServiceError> {
        let request = self
            .client
            .put_item()
            .table_name(table)
            .item(item::SEQUENCE_NO, AttributeValue::S(id.to_owned()))
            .item(item::MESSAGE, AttributeValue::S(message.to_owned()));
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Deletes an item, whatever its status: for what one has put oneself.
    pub async fn delete_by_hand(&self, table: &str, id: &str) -> Result<(), ServiceError> {
        let request =
            self.client.delete_item().table_name(table).key(item::SEQUENCE_NO, AttributeValue::S(id.to_owned()));
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Reads one segment of the table, page by page: what the backlog must hold, with what tells whether it
    /// does. Reads the whole segment, whatever it gives.
    pub fn undelivered<'a>(
        &'a self,
        table: &'a str,
        segment: i32,
        segments: i32,
    ) -> impl Stream<Item = Result<Item, ServiceError>> + 'a {
        let fields = [
            item::SEQUENCE_NO,
            item::SEND_STATUS,
            item::BACKLOG_SHARD,
            item::DUE_AT,
            item::ATTEMPTS,
            item::CREATED_AT,
            item::UNKNOWN_FAILURES,
        ];
        let pages = stream::try_unfold(Some(None), move |start| async move {
            let Some(start) = start else { return Ok(None) };
            let mut request = self
                .client
                .scan()
                .table_name(table)
                .segment(segment)
                .total_segments(segments)
                .filter_expression("#sendStatus <> :done OR attribute_not_exists(#sendStatus)")
                .expression_attribute_values(":done", AttributeValue::S(Status::Successful.to_string()))
                .projection_expression(fields.map(|name| format!("#{name}")).join(", "))
                .set_exclusive_start_key(start);
            for name in fields {
                request = request.expression_attribute_names(format!("#{name}"), name);
            }
            let answer = request.send().await.map_err(|error| describe(&error))?;
            let next = answer.last_evaluated_key.filter(|key| !key.is_empty()).map(Some);
            Ok::<_, ServiceError>(Some((answer.items.unwrap_or_default(), next)))
        });
        pages.map_ok(|items| stream::iter(items.into_iter().map(|item| Ok(Item::from(item))))).try_flatten()
    }

    /// Reads up to 100 items by their ids, consistently; in no order, and without those that do not exist. With
    /// `fields`, only these attributes. DynamoDB may answer a part (16 MB, or a throttle): the rest is asked
    /// for again.
    pub async fn items(&self, table: &str, ids: &[String], fields: Option<&str>) -> Result<Vec<Item>, ServiceError> {
        let key = |id: &String| HashMap::from([(item::SEQUENCE_NO.to_owned(), AttributeValue::S(id.clone()))]);
        let mut wanted = KeysAndAttributes::builder()
            .set_keys(Some(ids.iter().map(key).collect()))
            .consistent_read(true)
            .set_projection_expression(fields.map(str::to_owned))
            .build()
            .map_err(|error| ServiceError {
                code: "BadRequest".to_owned(),
                text: error.to_string(),
                status: None,
                request_id: None,
            })?;
        let mut found = vec![];
        loop {
            let request = self.client.batch_get_item().request_items(table, wanted);
            let answer = request.send().await.map_err(|error| describe(&error))?;
            found.extend(
                answer.responses.unwrap_or_default().remove(table).unwrap_or_default().into_iter().map(Item::from),
            );
            match answer.unprocessed_keys.unwrap_or_default().remove(table).filter(|rest| !rest.keys().is_empty()) {
                None => return Ok(found),
                Some(rest) => wanted = rest,
            }
            tokio::time::sleep(UNPROCESSED_WAIT).await;
        }
    }

    /// Reads the whole table, page by page, and gives the items in some statuses, without their texts.
    pub fn scan<'a>(
        &'a self,
        table: &'a str,
        statuses: &'a [Status],
    ) -> impl Stream<Item = Result<Item, ServiceError>> + 'a {
        let fields = [
            item::SEQUENCE_NO,
            item::SEND_STATUS,
            item::DUE_AT,
            item::ATTEMPTS,
            item::CREATED_AT,
            item::UPDATED_AT,
            item::LAST_ERROR,
            item::SNS_MESSAGE_ID,
        ];
        let pages = stream::try_unfold(Some(None), move |start| async move {
            let Some(start) = start else { return Ok(None) };
            let values = statuses.iter().enumerate().map(|(n, status)| (format!(":s{n}"), status));
            let names = values.clone().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            let mut request = self
                .client
                .scan()
                .table_name(table)
                .filter_expression(format!("#{} IN ({names})", item::SEND_STATUS))
                .projection_expression(fields.map(|name| format!("#{name}")).join(", "))
                .set_exclusive_start_key(start);
            for (name, status) in values {
                request = request.expression_attribute_values(name, AttributeValue::S(status.to_string()));
            }
            for name in fields {
                request = request.expression_attribute_names(format!("#{name}"), name);
            }
            let answer = request.send().await.map_err(|error| describe(&error))?;
            let next = answer.last_evaluated_key.filter(|key| !key.is_empty()).map(Some);
            Ok::<_, ServiceError>(Some((answer.items.unwrap_or_default(), next)))
        });
        pages.map_ok(|items| stream::iter(items.into_iter().map(|item| Ok(Item::from(item))))).try_flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::{answers, requests};

    #[tokio::test]
    async fn the_unanswered_part_of_a_batch_is_asked_for_again() {
        let first = r#"{"Responses":{"t":[{"sequenceNo":{"S":"a"}}]},
            "UnprocessedKeys":{"t":{"Keys":[{"sequenceNo":{"S":"b"}}],"ConsistentRead":true}}}"#;
        let second = r#"{"Responses":{"t":[{"sequenceNo":{"S":"b"}}]},"UnprocessedKeys":{}}"#;
        let (config, client) = answers(&[(200, first), (200, second)]).await;
        let ids = ["a".to_owned(), "b".to_owned(), "gone".to_owned()];
        let found = DynamoDb::new(&config).items("t", &ids, None).await.expect("an answer");
        assert_eq!(found.len(), 2);
        assert!(!requests(&client)[1].contains(r#""S":"a""#));
    }
}
