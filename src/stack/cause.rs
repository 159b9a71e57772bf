//! The first real cause of a failed operation.

use super::event::Event;

/// The event that explains a failure: of all `*_FAILED` events those that were not merely cancelled because
/// of another, and not merely a nested stack's report of its own failure; of these the first in time.
pub fn first(events: &[Event]) -> Option<&Event> {
    let failures = || events.iter().filter(|event| event.is_failure() && !is_cancelled(event));
    let of_resources = failures().filter(|event| event.nested_stack().is_none() && !event.is_of_stack());
    of_resources.min_by_key(|event| event.time).or_else(|| failures().min_by_key(|event| event.time))
}

fn is_cancelled(event: &Event) -> bool {
    event.reason.as_deref().is_some_and(|reason| reason.contains("cancelled"))
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::{event, stack_event};
    use super::*;

    #[test]
    fn the_resource_that_failed_first_and_not_what_it_dragged_along() {
        let events = [
            event(3, "child", "Queue", "CREATE_FAILED", Some("Resource creation cancelled")),
            event(4, "child", "Topic", "CREATE_FAILED", Some("KMS key not found")),
            stack_event(2, "root", "child", "CREATE_FAILED", Some("Embedded stack was not successfully created")),
            event(5, "child", "Alarm", "CREATE_FAILED", Some("later")),
        ];
        assert_eq!(first(&events).expect("a cause").logical_id, "Topic");
    }

    #[test]
    fn a_stack_alone_may_be_the_cause() {
        let events = [stack_event(2, "root", "child", "CREATE_FAILED", Some("Template not found"))];
        assert_eq!(first(&events).expect("a cause").logical_id, "child");
        assert_eq!(first(&[event(1, "root", "Topic", "CREATE_COMPLETE", None)]), None);
    }
}
