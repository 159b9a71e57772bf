//! What may be done with a stack in a given status.

/// What `deploy` does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Create,
    Update,
    /// The first creation failed or was never executed: nothing is in the stack, and only deletion is
    /// permitted, so it is deleted and created anew.
    Recreate,
    /// Another operation runs.
    Wait,
    /// Somebody must decide.
    Stuck(&'static str),
}

/// The statuses of a stack: CloudFormation API reference, `Stack`, `StackStatus`.
pub fn next(status: Option<&str>) -> Next {
    match status {
        None | Some("DELETE_COMPLETE") => Next::Create,
        Some(
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE",
        ) => Next::Update,
        Some("REVIEW_IN_PROGRESS" | "ROLLBACK_COMPLETE") => Next::Recreate,
        Some("CREATE_FAILED" | "ROLLBACK_FAILED") => Next::Stuck(
            "its first creation failed and could not be rolled back: delete it with `disa destroy`, then deploy again",
        ),
        Some("UPDATE_FAILED" | "UPDATE_ROLLBACK_FAILED" | "IMPORT_ROLLBACK_FAILED") => Next::Stuck(
            "its last update could not be rolled back: continue with `aws cloudformation continue-update-rollback --stack-name STACK`, then deploy again",
        ),
        Some("DELETE_FAILED") => Next::Stuck("its deletion failed: run `disa destroy` again"),
        Some(other) if other.ends_with("_IN_PROGRESS") => Next::Wait,
        Some(_) => Next::Stuck("Disa does not know this status: look at it in the CloudFormation console"),
    }
}

/// How an operation ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Running,
    Good,
    Bad,
}

pub fn end(status: &str) -> End {
    match status {
        _ if status.ends_with("_IN_PROGRESS") => End::Running,
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "DELETE_COMPLETE" | "IMPORT_COMPLETE" => End::Good,
        _ => End::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_runs_is_not_disturbed() {
        for status in ["CREATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "DELETE_IN_PROGRESS"] {
            assert_eq!((next(Some(status)), end(status)), (Next::Wait, End::Running));
        }
        assert_eq!(end("UPDATE_ROLLBACK_COMPLETE"), End::Bad);
    }
}
