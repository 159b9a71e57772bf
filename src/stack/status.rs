//! What may be done with a stack in a given status: one table, for `deploy`, `cancel` and `destroy`. Every
//! status leads on: no dead ends.
//! Source: CloudFormation API reference, `Stack`, `StackStatus`; user guide, "Stack status codes".

/// What `deploy` does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Create,
    Update,
    /// Its creation or deletion failed: nothing works in it, and CloudFormation permits only its deletion. It is
    /// deleted, with consent, and created anew; the table and its messages stay.
    Recreate,
    /// Its rollback failed half way: it is continued, with consent, and updated then.
    Continue,
    /// Another operation runs: it is joined, and what is to be done is judged at its end.
    Join,
    /// Not a status that CloudFormation documents.
    Unknown,
}

/// What a running operation permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// CloudFormation rolls the update back.
    Update,
    /// A creation is not cancelled but deleted.
    Creation,
    /// It is on its way back, or past the point of return: only its end can be awaited.
    TooLate,
    NothingRuns,
}

pub fn next(status: Option<&str>) -> Next {
    match status {
        // A change set that creates is made on a stack in review too: only its execution begins the creation.
        None | Some("DELETE_COMPLETE" | "REVIEW_IN_PROGRESS") => Next::Create,
        Some(
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_FAILED"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE",
        ) => Next::Update,
        Some(
            "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_FAILED" | "IMPORT_ROLLBACK_FAILED",
        ) => Next::Recreate,
        Some("UPDATE_ROLLBACK_FAILED") => Next::Continue,
        Some(
            "CREATE_IN_PROGRESS"
            | "DELETE_IN_PROGRESS"
            | "IMPORT_IN_PROGRESS"
            | "IMPORT_ROLLBACK_IN_PROGRESS"
            | "ROLLBACK_IN_PROGRESS"
            | "UPDATE_IN_PROGRESS"
            | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            | "UPDATE_ROLLBACK_IN_PROGRESS"
            | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        ) => Next::Join,
        Some(_) => Next::Unknown,
    }
}

pub fn cancel(status: &str) -> Cancel {
    match status {
        "UPDATE_IN_PROGRESS" => Cancel::Update,
        "CREATE_IN_PROGRESS" => Cancel::Creation,
        status if next(Some(status)) == Next::Join => Cancel::TooLate,
        _ => Cancel::NothingRuns,
    }
}

/// What an operation is called, from the status that it begins with or that it left.
pub fn operation(status: &str) -> &'static str {
    match status {
        _ if status.starts_with("DELETE") => "deletion",
        _ if status.starts_with("CREATE") || status.starts_with("ROLLBACK") || status.starts_with("REVIEW") => {
            "creation"
        }
        _ if status.starts_with("IMPORT") => "import",
        _ => "update",
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
        "REVIEW_IN_PROGRESS" => End::Good,
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
            assert_eq!((next(Some(status)), end(status)), (Next::Join, End::Running));
        }
        assert_eq!(end("UPDATE_ROLLBACK_COMPLETE"), End::Bad);
    }

    #[test]
    fn only_what_has_not_turned_back_is_cancelled() {
        let cases = [
            ("UPDATE_IN_PROGRESS", Cancel::Update),
            ("CREATE_IN_PROGRESS", Cancel::Creation),
            ("UPDATE_ROLLBACK_IN_PROGRESS", Cancel::TooLate),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Cancel::TooLate),
            ("UPDATE_COMPLETE", Cancel::NothingRuns),
            ("REVIEW_IN_PROGRESS", Cancel::NothingRuns),
        ];
        for (status, expected) in cases {
            assert_eq!(cancel(status), expected, "{status}");
        }
    }

    #[test]
    fn an_operation_has_a_name() {
        let cases =
            [("ROLLBACK_COMPLETE", "creation"), ("UPDATE_ROLLBACK_FAILED", "update"), ("DELETE_FAILED", "deletion")];
        for (status, expected) in cases {
            assert_eq!(operation(status), expected);
        }
    }
}
