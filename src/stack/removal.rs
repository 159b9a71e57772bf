//! What the end of a deployment means for each thing that it consists of: what goes, what stays, and why.

use serde::Serialize;

use super::event::STACK_TYPE;
use super::tree::Resource;
use crate::outbox::backlog::Backlog;

pub const TABLE: &str = "AWS::DynamoDB::Table";
pub const KEY: &str = "AWS::KMS::Key";
pub const LOG_GROUP: &str = "AWS::Logs::LogGroup";
pub const BUCKET: &str = "AWS::S3::Bucket";

/// What there is.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Of the root and its nested stacks, the nested stacks among them.
    pub resources: Vec<Resource>,
    pub table: Option<String>,
    /// The ARN of the key that encrypts the table.
    pub key: Option<String>,
    /// Those that exist, of the stack or not.
    pub log_groups: Vec<String>,
    pub bucket: Option<Bucket>,
    /// Of the table.
    pub backlog: Option<Backlog>,
}

/// The bucket of the artifacts.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    /// Made by Disa under the name that it gives; else it may hold anything.
    pub is_own: bool,
    /// Other stacks that were deployed from it and exist.
    pub users: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    /// Why it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub goes: Vec<Item>,
    pub stays: Vec<Item>,
}

impl Bucket {
    pub fn can_go(&self) -> bool {
        self.is_own && self.users.is_empty()
    }
}

/// What goes and what stays; with `purge` the data goes too.
pub fn plan(found: &Found, purge: bool) -> Plan {
    let mut plan = Plan::default();
    let item = |kind: &str, name: &str| Item { kind: kind.to_owned(), name: name.to_owned(), why: None };
    // Table and key are told below, whether a stack has them or not. So is a log group that outlived it.
    let apart = |resource: &Resource| [STACK_TYPE, TABLE, KEY, LOG_GROUP].contains(&resource.kind.as_str());
    for resource in found.resources.iter().filter(|resource| !apart(resource)) {
        plan.goes.push(item(&resource.kind, &resource.physical_id));
    }
    let mut tell = |kind: &str, name: &str, why: Option<String>| match why {
        None => plan.goes.push(item(kind, name)),
        Some(why) => plan.stays.push(Item { why: Some(why), ..item(kind, name) }),
    };
    for group in &found.log_groups {
        let of_stack = found.resources.iter().any(|resource| &resource.physical_id == group);
        let stays = (!purge && !of_stack).then(|| "it is not of the stack".to_owned());
        tell(LOG_GROUP, group, stays);
    }
    if let Some(table) = &found.table {
        let stays = "it holds the messages: the next deployment takes it over";
        tell(TABLE, table, (!purge).then(|| stays.to_owned()));
    }
    if let Some(key) = &found.key {
        // A backup of the table is of no use without its key, and outlives it by 35 days.
        let why = match (purge, found.resources.iter().any(|resource| resource.kind == KEY)) {
            (false, _) => "it encrypts the table".to_owned(),
            (true, true) => {
                format!("backups of the table need it; later:\naws kms schedule-key-deletion --key-id {key}")
            }
            (true, false) => "it was not made by the stack, and backups of the table need it".to_owned(),
        };
        tell(KEY, key, Some(why));
    }
    if let Some(bucket) = &found.bucket {
        let why = match bucket {
            _ if !purge => Some("it holds the artifacts, of all environments".to_owned()),
            bucket if !bucket.users.is_empty() => Some(format!("used by {}", bucket.users.join(", "))),
            bucket if !bucket.is_own => Some("its name is not Disa's: it may hold more than artifacts".to_owned()),
            _ => None,
        };
        tell(BUCKET, &bucket.name, why);
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        let resource = |kind: &str, id: &str| Resource {
            logical_id: id.to_owned(),
            kind: kind.to_owned(),
            physical_id: id.to_owned(),
        };
        Found {
            resources: vec![
                resource("AWS::SNS::Topic", "topic"),
                resource(STACK_TYPE, "nested"),
                resource(LOG_GROUP, "logs"),
                resource(TABLE, "table"),
                resource(KEY, "key-id"),
            ],
            table: Some("table".to_owned()),
            key: Some("key-arn".to_owned()),
            log_groups: vec!["logs".to_owned(), "left".to_owned()],
            bucket: Some(Bucket { name: "bucket".to_owned(), is_own: true, users: vec![] }),
            backlog: None,
        }
    }

    fn names(items: &[Item]) -> Vec<&str> {
        items.iter().map(|item| item.name.as_str()).collect()
    }

    #[test]
    fn the_data_stays_unless_it_is_purged_and_the_key_in_any_case() {
        let plan_of = |purge| plan(&found(), purge);
        let (kept, purged) = (plan_of(false), plan_of(true));
        assert_eq!(names(&kept.goes), ["topic", "logs"]);
        assert_eq!(names(&kept.stays), ["left", "table", "key-arn", "bucket"]);
        assert!(kept.stays.iter().all(|item| item.why.is_some()));
        assert_eq!(names(&purged.goes), ["topic", "logs", "left", "table", "bucket"]);
        assert_eq!(names(&purged.stays), ["key-arn"]);
        let why = purged.stays[0].why.as_deref().unwrap_or_default();
        assert!(why.contains("schedule-key-deletion --key-id key-arn"), "{why}");
    }

    #[test]
    fn a_bucket_that_others_use_or_own_stays() {
        for (is_own, users, reason) in
            [(true, vec!["disa-prod-root-stack"], "disa-prod"), (false, vec![], "not Disa's")]
        {
            let users = users.into_iter().map(str::to_owned).collect();
            let bucket = Bucket { name: "bucket".to_owned(), is_own, users };
            assert!(!bucket.can_go());
            let plan = plan(&Found { bucket: Some(bucket), ..found() }, true);
            let kept = plan.stays.iter().find(|item| item.kind == BUCKET).and_then(|item| item.why.clone());
            assert!(kept.is_some_and(|why| why.contains(reason)));
        }
    }

    #[test]
    fn where_nothing_is_nothing_goes() {
        assert_eq!(plan(&Found::default(), true), Plan::default());
    }
}
