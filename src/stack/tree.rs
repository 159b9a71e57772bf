//! A stack with its nested stacks, and what is in them.

/// One resource of a stack or of a nested one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    pub logical_id: String,
    pub physical_id: String,
    pub kind: String,
}

/// A stack of the tree: the root, or a nested one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The logical id of a nested stack; the root's own name.
    pub name: String,
    pub id: String,
    pub resources: Vec<Resource>,
}

/// Whether a resource of this type and name is in the tree. A physical id is the name, or an ARN or URL that
/// ends with it.
pub fn holds(tree: &[Branch], kind: &str, name: &str) -> bool {
    let named = |id: &str| {
        id.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with(':') || before.ends_with('/'))
    };
    tree.iter().flat_map(|branch| &branch.resources).any(|one| one.kind == kind && named(&one.physical_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_an_arn_and_a_url_and_no_other_is() {
        let resource = |kind: &str, id: &str| Resource {
            logical_id: "L".into(),
            physical_id: id.to_owned(),
            kind: kind.to_owned(),
        };
        let resources = vec![
            resource("queue", "https://sqs.eu-west-1.amazonaws.com/1/a-dead"),
            resource("topic", "arn:aws:sns:eu-west-1:1:a-topic"),
            resource("function", "a-retry"),
        ];
        let tree = [Branch { name: "root".into(), id: "arn".into(), resources }];
        assert!(
            holds(&tree, "queue", "a-dead") && holds(&tree, "topic", "a-topic") && holds(&tree, "function", "a-retry")
        );
        assert!(!holds(&tree, "schedule", "a-retry") && !holds(&tree, "queue", "dead"));
    }
}
