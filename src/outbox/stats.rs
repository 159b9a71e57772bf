//! What a set of messages suffers from: by error, by age, by attempts.

use std::collections::BTreeMap;

use outbox::EpochMs;
use serde::Serialize;

use super::view::MessageView;

/// The upper ends of the age groups, in milliseconds, with their names; the last has none.
const AGES: [(&str, i64); 7] = [
    ("under 1m", 60_000),
    ("1m to 10m", 600_000),
    ("10m to 1h", 3_600_000),
    ("1h to 6h", 21_600_000),
    ("6h to 1d", 86_400_000),
    ("1d to 7d", 604_800_000),
    ("over 7d", i64::MAX),
];
/// The upper ends of the groups by attempts.
const ATTEMPTS: [(&str, i64); 5] = [("1", 1), ("2", 2), ("3 to 5", 5), ("6 to 10", 10), ("over 10", i64::MAX)];

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub total: u64,
    /// The most frequent first.
    pub by_error: Vec<ErrorGroup>,
    pub by_age: Vec<Group>,
    pub by_attempts: Vec<Group>,
    /// `createdAt` of the oldest.
    pub oldest: Option<EpochMs>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorGroup {
    pub class: String,
    pub code: String,
    pub count: u64,
    /// Of one of them, as an example.
    pub text: String,
    pub sequence_no: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    pub name: &'static str,
    pub count: u64,
}

/// Takes messages one by one, in memory that does not grow with them.
#[derive(Debug)]
pub struct Counter {
    now: EpochMs,
    total: u64,
    errors: BTreeMap<(String, String), ErrorGroup>,
    ages: [u64; AGES.len()],
    attempts: [u64; ATTEMPTS.len()],
    oldest: Option<EpochMs>,
}

impl Counter {
    pub fn new(now: EpochMs) -> Counter {
        Counter {
            now,
            total: 0,
            errors: BTreeMap::new(),
            ages: [0; AGES.len()],
            attempts: [0; ATTEMPTS.len()],
            oldest: None,
        }
    }

    pub fn push(&mut self, message: &MessageView) {
        self.total += 1;
        let (class, code, text) = match &message.last_error {
            Some(error) => (error.class.clone(), error.code.clone(), error.text.clone()),
            None => (String::new(), "no error recorded".to_owned(), String::new()),
        };
        let group = self.errors.entry((class.clone(), code.clone())).or_insert_with(|| ErrorGroup {
            class,
            code,
            count: 0,
            text,
            sequence_no: message.sequence_no.clone(),
        });
        group.count += 1;
        if let Some(created) = message.created_at {
            self.ages[place(&AGES, self.now - created, |age, end| age < end)] += 1;
            self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
        }
        self.attempts[place(&ATTEMPTS, message.attempts, |attempts, end| attempts <= end)] += 1;
    }

    pub fn finish(self) -> Stats {
        let mut by_error: Vec<ErrorGroup> = self.errors.into_values().collect();
        by_error.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.cmp(&b.code)));
        let groups = |names: &[(&'static str, i64)], counts: &[u64]| {
            names.iter().zip(counts).map(|((name, _), count)| Group { name, count: *count }).collect()
        };
        Stats {
            total: self.total,
            by_error,
            by_age: groups(&AGES, &self.ages),
            by_attempts: groups(&ATTEMPTS, &self.attempts),
            oldest: self.oldest,
        }
    }
}

fn place(groups: &[(&str, i64)], value: i64, below: fn(i64, i64) -> bool) -> usize {
    groups.iter().position(|(_, end)| below(value, *end)).unwrap_or(groups.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use outbox::item::LastError;

    #[test]
    fn messages_are_grouped_and_each_counts_once() {
        let message = |id: &str, code: &str, created: i64, attempts: i64| MessageView {
            sequence_no: id.to_owned(),
            send_status: "Failure".into(),
            attempts,
            sns_message_id: None,
            last_error: Some(LastError {
                class: "Unavailable".into(),
                code: code.to_owned(),
                text: "t".into(),
                time: String::new(),
                execution: String::new(),
            }),
            due_at: None,
            created_at: Some(created),
            updated_at: None,
        };
        let mut counter = Counter::new(1_000_000_000);
        for message in [
            message("a", "NotFound", 1_000_000_000, 1),
            message("b", "Throttled", 999_000_000, 2),
            message("c", "Throttled", 0, 40),
        ] {
            counter.push(&message);
        }
        let stats = counter.finish();
        assert_eq!((stats.total, stats.oldest), (3, Some(0)));
        assert_eq!((stats.by_error[0].code.as_str(), stats.by_error[0].count), ("Throttled", 2));
        let filled = |groups: &[Group]| -> Vec<&str> {
            groups.iter().filter(|group| group.count == 1).map(|group| group.name).collect()
        };
        assert_eq!(filled(&stats.by_age), ["under 1m", "10m to 1h", "over 7d"]);
        assert_eq!(filled(&stats.by_attempts), ["1", "2", "over 10"]);
    }
}
