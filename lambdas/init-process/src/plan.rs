//! From stream records to attempts: pure.

use aws_lambda_events::dynamodb::Event;
use outbox::EpochMs;
use outbox::execution::{Budget, Task};
use outbox::item::{self, Delivery};
use outbox::policy::Policy;
use serde_dynamo::Item;

/// An item that was inserted.
#[derive(Clone, Debug)]
pub struct Inserted {
    pub item: Item,
    /// Of the stream record: a checkpoint.
    pub sequence_number: String,
    /// The stream record's own id: the same in every delivery.
    pub event_id: String,
}

/// The inserted items of a batch, in its order. One that a writer put over another is a MODIFY: what this table's
/// own writers change has a status, and what has none is new. The event source filter lets nothing else through;
/// should it be lost, other records still start nothing.
pub fn inserted(event: Event) -> Vec<Inserted> {
    event
        .records
        .into_iter()
        .filter(|record| match record.event_name.as_str() {
            "INSERT" => true,
            "MODIFY" => record.change.new_image.get(item::SEND_STATUS).is_none(),
            _ => false,
        })
        .map(|record| Inserted {
            item: record.change.new_image,
            sequence_number: record.change.sequence_number.unwrap_or_default(),
            event_id: record.event_id,
        })
        .collect()
}

/// The attempt that the item says has begun; `None` for an item without an id, which the table does not permit.
pub fn task(record: &Inserted, policy: &Policy, now: EpochMs, random: f64) -> Option<Task> {
    let delivery = Delivery::of(&record.item)?;
    let task = Task::new(&delivery, Budget::Counts, policy, now, random);
    Some(Task { origin: record.event_id.clone(), ..task })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(records: serde_json::Value) -> Event {
        serde_json::from_value(serde_json::json!({ "Records": records })).expect("an event")
    }

    fn record(name: &str, id: &str) -> serde_json::Value {
        serde_json::json!({
            "eventID": format!("event-{id}"), "eventName": name, "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_700_000_000, "SequenceNumber": "111", "SizeBytes": 26,
                "StreamViewType": "NEW_IMAGE", "Keys": { "sequenceNo": { "S": id } },
                "NewImage": { "sequenceNo": { "S": id }, "message": { "S": "hello" } },
            },
        })
    }

    #[test]
    fn only_what_is_new_starts_anything() {
        let mut changed = record("MODIFY", "b");
        changed["dynamodb"]["NewImage"]["sendStatus"] = serde_json::json!({ "S": "Successful" });
        let found = inserted(event(serde_json::json!([record("INSERT", "a"), changed, record("REMOVE", "c")])));
        let ids: Vec<_> = found.iter().map(|r| r.event_id.as_str()).collect();
        assert_eq!(ids, ["event-a"]);
    }

    #[test]
    fn an_item_that_was_put_over_another_is_new() {
        let found = inserted(event(serde_json::json!([record("INSERT", "a"), record("MODIFY", "b")])));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_redelivered_record_is_the_same_execution() {
        let name = |now| {
            let records = inserted(event(serde_json::json!([record("INSERT", "a"), record("INSERT", "b")])));
            let tasks = records.iter().filter_map(|r| task(r, &Policy::default(), now, 0.3)).collect();
            outbox::execution::batches("stream", tasks, 100, now).remove(0).name
        };
        assert_eq!(name(1), name(2_000_000));
    }
}
