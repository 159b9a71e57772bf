//! The order of a list of messages.

use std::cmp::Ordering;

use super::view::MessageView;

/// The backlog comes in the order of its index, which is `Due`, in constant memory; the others need all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sort {
    /// Earliest due first
    Due,
    /// Oldest first
    Created,
    /// Last changed first
    Updated,
    /// Most attempts first
    Attempts,
    /// By id
    Id,
}

impl Sort {
    pub fn compare(self, a: &MessageView, b: &MessageView) -> Ordering {
        let by = match self {
            Sort::Due => a.due_at.cmp(&b.due_at),
            Sort::Created => a.created_at.cmp(&b.created_at),
            Sort::Updated => b.updated_at.cmp(&a.updated_at),
            Sort::Attempts => b.attempts.cmp(&a.attempts),
            Sort::Id => Ordering::Equal,
        };
        by.then_with(|| a.sequence_no.cmp(&b.sequence_no))
    }
}

/// The first so many of what is pushed, in an order; keeps at most twice as many.
pub struct First {
    sort: Sort,
    limit: usize,
    kept: Vec<MessageView>,
}

impl First {
    pub fn new(sort: Sort, limit: usize) -> First {
        First { sort, limit, kept: vec![] }
    }

    pub fn push(&mut self, message: MessageView) {
        self.kept.push(message);
        if self.kept.len() >= self.limit.saturating_mul(2) {
            self.cut();
        }
    }

    pub fn into_sorted(mut self) -> Vec<MessageView> {
        self.cut();
        self.kept
    }

    fn cut(&mut self) {
        self.kept.sort_by(|a, b| self.sort.compare(a, b));
        self.kept.truncate(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(attempts: i64, id: usize) -> MessageView {
        MessageView {
            sequence_no: format!("{id:04}"),
            send_status: String::new(),
            attempts,
            sns_message_id: None,
            last_error: None,
            due_at: None,
            created_at: None,
            updated_at: None,
        }
    }

    proptest! {
        #[test]
        fn the_first_are_those_of_the_whole(attempts in proptest::collection::vec(0i64..9, 0..60), limit in 1usize..20) {
            let mut all: Vec<MessageView> = attempts.iter().enumerate().map(|(id, n)| message(*n, id)).collect();
            let mut first = First::new(Sort::Attempts, limit);
            all.iter().cloned().for_each(|message| first.push(message));
            all.sort_by(|a, b| Sort::Attempts.compare(a, b));
            all.truncate(limit);
            prop_assert_eq!(first.into_sorted(), all);
        }
    }
}
