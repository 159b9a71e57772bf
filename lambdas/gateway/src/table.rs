//! The message table: status changes in, items out.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue as Sdk, ReturnValue, ReturnValuesOnConditionCheckFailure, Select};
use outbox::EpochMs;
use outbox::change::{Change, Write};
use outbox::item::{self, Status};
use serde_dynamo::{AttributeValue, Item};

use crate::{ServiceError, describe};

#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// It was made; the item as it is now (`None` after a delete).
    Done(Option<Item>),
    /// Its condition did not hold; the item as it is (`None` when there is none).
    Refused(Option<Item>),
}

/// Which part of a backlog shard to read, by `dueAt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    All,
    DueBy(EpochMs),
}

/// Where a page begins.
pub type Key = HashMap<String, Sdk>;

/// One page of the backlog.
#[derive(Clone, Debug)]
pub struct Page {
    pub items: Vec<Item>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Key>,
}

impl Table {
    pub fn new(client: Client, name: impl Into<String>) -> Table {
        Table { client, name: name.into() }
    }

    /// Makes one conditional request. Throttles and lost answers are tried again by the SDK.
    pub async fn apply(&self, change: &Change) -> Result<Applied, ServiceError> {
        let expressions = change.expressions();
        let key = Sdk::S(change.sequence_no.clone());
        let names = Some(expressions.names).filter(|names| !names.is_empty());
        let values = Some(sdk_map(expressions.values)).filter(|values| !values.is_empty());
        let on_failure = ReturnValuesOnConditionCheckFailure::AllOld;
        match &change.write {
            Write::Put(fields) => {
                let item = fields.iter().map(|(name, value)| ((*name).to_owned(), Sdk::from(value.clone()))).collect();
                let request = self
                    .client
                    .put_item()
                    .table_name(&self.name)
                    .set_item(Some(item))
                    .condition_expression(expressions.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(on_failure);
                match request.send().await {
                    Ok(_) => Ok(Applied::Done(None)),
                    Err(error) => match error.as_service_error() {
                        Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                            Ok(Applied::Refused(refused.item().cloned().map(Item::from)))
                        }
                        _ => Err(describe(&error)),
                    },
                }
            }
            Write::Update { .. } => {
                let request = self
                    .client
                    .update_item()
                    .table_name(&self.name)
                    .key(item::SEQUENCE_NO, key)
                    .update_expression(expressions.update)
                    .condition_expression(expressions.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values(ReturnValue::AllNew)
                    .return_values_on_condition_check_failure(on_failure);
                match request.send().await {
                    Ok(done) => Ok(Applied::Done(done.attributes.map(Item::from))),
                    Err(error) => match error.as_service_error() {
                        Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                            Ok(Applied::Refused(refused.item().cloned().map(Item::from)))
                        }
                        _ => Err(describe(&error)),
                    },
                }
            }
            Write::Delete => {
                let request = self
                    .client
                    .delete_item()
                    .table_name(&self.name)
                    .key(item::SEQUENCE_NO, key)
                    .condition_expression(expressions.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(on_failure);
                match request.send().await {
                    Ok(_) => Ok(Applied::Done(None)),
                    Err(error) => match error.as_service_error() {
                        Some(DeleteItemError::ConditionalCheckFailedException(refused)) => {
                            Ok(Applied::Refused(refused.item().cloned().map(Item::from)))
                        }
                        _ => Err(describe(&error)),
                    },
                }
            }
        }
    }

    /// As `apply`, and given up after a time. Whether the change was made is not known then.
    pub async fn apply_within(&self, time: Duration, change: &Change) -> Result<Applied, ServiceError> {
        let given_up = |_| ServiceError {
            code: "Timeout".to_owned(),
            text: "no answer in time".to_owned(),
            status: None,
            request_id: None,
        };
        tokio::time::timeout(time, self.apply(change)).await.unwrap_or_else(|elapsed| Err(given_up(elapsed)))
    }

    /// Reads one item, consistently.
    pub async fn get(&self, id: &str) -> Result<Option<Item>, ServiceError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(item::SEQUENCE_NO, Sdk::S(id.to_owned()))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| describe(&error))?;
        Ok(answer.item.map(Item::from))
    }

    /// Reads one page of one backlog shard, earliest `dueAt` first. The index is eventually consistent and
    /// holds the keys, the counters, the times and `lastError`; never the message.
    pub async fn backlog_page(
        &self,
        status: Status,
        shard: u32,
        range: Range,
        limit: Option<usize>,
        start: Option<Key>,
    ) -> Result<Page, ServiceError> {
        let request = self.query(status, shard, range).set_exclusive_start_key(start);
        page(request.set_limit(limit.map(|limit| limit.clamp(1, 1000) as i32))).await
    }

    /// As `backlog_page`, with nothing but the times of the messages, and as much as a page may hold: 1 MB of
    /// the index (Query API reference). It reads no less than with everything, but it gives a fifth.
    pub async fn backlog_times(&self, status: Status, shard: u32, start: Option<Key>) -> Result<Page, ServiceError> {
        let request = self
            .query(status, shard, Range::All)
            .projection_expression("#created, #due")
            .expression_attribute_names("#created", item::CREATED_AT)
            .expression_attribute_names("#due", item::DUE_AT)
            .set_exclusive_start_key(start);
        page(request).await
    }

    /// Counts the messages of one backlog shard that last changed before a time, over all its pages.
    pub async fn backlog_count(
        &self,
        status: Status,
        shard: u32,
        range: Range,
        before: EpochMs,
    ) -> Result<u64, ServiceError> {
        let mut count = 0;
        let mut start = None;
        loop {
            let request = self
                .query(status, shard, range)
                .select(Select::Count)
                .filter_expression("#updated < :before")
                .expression_attribute_names("#updated", item::UPDATED_AT)
                .expression_attribute_values(":before", Sdk::N(before.to_string()))
                .set_exclusive_start_key(start);
            let answer = request.send().await.map_err(|error| describe(&error))?;
            count += u64::try_from(answer.count).unwrap_or(0);
            match answer.last_evaluated_key.filter(|key| !key.is_empty()) {
                None => return Ok(count),
                key => start = key,
            }
        }
    }

    fn query(&self, status: Status, shard: u32, range: Range) -> QueryFluentBuilder {
        let mut request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(item::BACKLOG_INDEX)
            .expression_attribute_names("#shard", item::BACKLOG_SHARD)
            .expression_attribute_values(":shard", Sdk::S(item::shard_key(status, shard)));
        let condition = match range {
            Range::All => "#shard = :shard",
            Range::DueBy(time) => {
                request = request
                    .expression_attribute_names("#due", item::DUE_AT)
                    .expression_attribute_values(":due", Sdk::N(time.to_string()));
                "#shard = :shard AND #due <= :due"
            }
        };
        request.key_condition_expression(condition)
    }
}

async fn page(request: QueryFluentBuilder) -> Result<Page, ServiceError> {
    let answer = request.send().await.map_err(|error| describe(&error))?;
    let items = answer.items.unwrap_or_default().into_iter().map(Item::from).collect();
    Ok(Page { items, next: answer.last_evaluated_key.filter(|key| !key.is_empty()) })
}

fn sdk_map(values: HashMap<String, AttributeValue>) -> HashMap<String, Sdk> {
    values.into_iter().map(|(name, value)| (name, Sdk::from(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{answers, requests};
    use outbox::change;
    use outbox::item::Delivery;

    #[tokio::test]
    async fn a_condition_that_does_not_hold_gives_the_item_as_it_is() {
        let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "Message":"The conditional request failed",
            "Item":{"sequenceNo":{"S":"a"},"sendStatus":{"S":"Successful"},"attempts":{"N":"3"}}}"#;
        let (config, client) = answers(&[(400, body)]).await;
        let table = Table::new(Client::new(&config), "messages");
        let applied = table.apply(&change::fence("a", 3, "me", 50)).await.expect("an answer");
        let Applied::Refused(Some(item)) = applied else { panic!("{applied:?}") };
        assert!(Delivery::of(&item).expect("a delivery").is(Status::Successful));
        let request = &requests(&client)[0];
        assert!(request.contains(r##""ConditionExpression":"#sendStatus = :seen_sendStatus AND"##), "{request}");
        assert!(request.contains(r#""ReturnValuesOnConditionCheckFailure":"ALL_OLD""#), "{request}");
    }

    #[tokio::test]
    async fn counting_goes_over_all_pages() {
        let first = r#"{"Count":3,"ScannedCount":3,"LastEvaluatedKey":{"sequenceNo":{"S":"c"}}}"#;
        let (config, client) = answers(&[(200, first), (200, r#"{"Count":2,"ScannedCount":2}"#)]).await;
        let table = Table::new(Client::new(&config), "messages");
        assert_eq!(table.backlog_count(Status::Failure, 0, Range::DueBy(7), 9).await, Ok(5));
        assert!(requests(&client)[1].contains(r#""ExclusiveStartKey":{"sequenceNo":{"S":"c"}}"#));
    }

    #[tokio::test]
    async fn a_throttle_is_transient_and_has_its_code() {
        let body =
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}"#;
        let (config, _) = answers(&[(400, body)]).await;
        let table = Table::new(Client::new(&config), "messages");
        let error = table.get("a").await.expect_err("throttled");
        assert_eq!((error.code.as_str(), error.text.as_str()), ("ProvisionedThroughputExceededException", "slow"));
        assert!(error.is_transient());
    }
}
