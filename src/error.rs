//! The command's errors: what failed, why, and what to do next.

use gateway::ServiceError;

pub type Result<T> = std::result::Result<T, Error>;

/// The exit code of `--exit-code` where something was found.
pub const FINDING: u8 = 3;

/// What a script can tell from the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The reader of the output went away: nothing is wrong.
    BrokenPipe = 0,
    Failed = 1,
    Usage = 2,
    /// Some of it was done.
    Partial = 4,
    /// Credentials, permissions or configuration.
    Access = 5,
    /// Waited long enough; it goes on in AWS.
    TimedOut = 124,
    Interrupted = 130,
}

#[derive(Clone, Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    /// From the outermost to the innermost.
    pub causes: Vec<String>,
    pub hints: Vec<String>,
    /// Of the service's answer, for `-v`.
    pub request_id: Option<String>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), causes: vec![], hints: vec![], request_id: None }
    }

    pub fn failed(message: impl Into<String>) -> Error {
        Error::new(Kind::Failed, message)
    }

    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(Kind::Usage, message)
    }

    pub fn because(mut self, cause: impl ToString) -> Error {
        self.causes.push(cause.to_string());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hints.push(hint.into());
        self
    }

    /// A service's refusal, with the hint that its code calls for.
    pub fn service(message: impl Into<String>, error: &ServiceError) -> Error {
        let mut made = Error::failed(message).because(error);
        made.request_id = error.request_id.clone();
        match access_hint(error) {
            Some(hint) => {
                made.kind = Kind::Access;
                made.hint(hint).hint("`--local` runs everything on this machine, with no account")
            }
            None if error.is("NoAnswer") => {
                made.hint("is the endpoint right and reachable? `disa local status` tells of the local engine")
            }
            None => made,
        }
    }
}

/// What to do about an error of access; `None` for any other.
fn access_hint(error: &ServiceError) -> Option<&'static str> {
    match error.code.as_str() {
        "NoCredentials" => {
            Some("give credentials: `aws configure`, `aws sso login`, `--profile NAME`, or AWS_ACCESS_KEY_ID")
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            Some("the session is over: log in again (`aws sso login`), or take other credentials with `--profile NAME`")
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "AuthFailure"
        | "InvalidAccessKeyId" => Some(
            "AWS does not know these credentials: check `--profile`, and whether the region is enabled in the account",
        ),
        "AccessDenied" | "AccessDeniedException" | "AuthorizationError" | "UnauthorizedOperation" => Some(
            "the identity lacks the permission that the message names: ask for it, or take another with `--profile`",
        ),
        _ => None,
    }
}

/// Adds what was being done to what went wrong.
pub trait Doing<T> {
    fn doing(self, what: &str) -> Result<T>;
}

impl<T> Doing<T> for std::result::Result<T, ServiceError> {
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|error| Error::service(format!("cannot {what}"), &error))
    }
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|error| Error::failed(format!("cannot {what}")).because(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_access_have_their_own_exit_code_and_name_the_way_out() {
        let error =
            |code: &str| ServiceError { code: code.into(), text: "t".into(), status: Some(400), request_id: None };
        for code in ["NoCredentials", "ExpiredToken", "AccessDenied", "InvalidClientTokenId"] {
            let made = Error::service("cannot x", &error(code));
            assert_eq!(made.kind, Kind::Access, "{code}");
            assert!(made.hints.iter().any(|hint| hint.contains("--local")));
        }
        assert_eq!(Error::service("cannot x", &error("ValidationError")).kind, Kind::Failed);
    }
}
