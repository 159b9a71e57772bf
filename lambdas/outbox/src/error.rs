//! Why a message was not delivered: three classes, with different consequences.

use serde::{Deserialize, Serialize};

use crate::message::Invalid;

/// Longest error text that is stored: an item with a short message stays under 1 KB, one write unit.
const MAX_TEXT_CHARS: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// The message's own fault: Dead at once.
    Rejected,
    /// SNS, the topic, permissions, KMS, the network: tried again for ever.
    Unavailable,
    /// Anything else: counted, Dead after a cap.
    Unknown,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Class::Rejected => "Rejected",
            Class::Unavailable => "Unavailable",
            Class::Unknown => "Unknown",
        })
    }
}

/// One message that SNS did not accept. The text never holds any of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub class: Class,
    pub code: String,
    pub text: String,
    /// The HTTP status code of the answer; `None` where there was none.
    pub status: Option<u16>,
}

impl Failure {
    pub fn rejected(reason: &Invalid) -> Failure {
        Failure {
            class: Class::Rejected,
            code: reason.code().to_owned(),
            text: shorten(&reason.to_string()),
            status: None,
        }
    }

    /// No answer: the network, a timeout, no credentials.
    pub fn unreachable(code: &str, text: &str) -> Failure {
        Failure { class: Class::Unavailable, code: code.to_owned(), text: shorten(text), status: None }
    }

    /// An error answer of SNS. Codes: SNS API reference, `PublishBatch`, and "Common errors".
    pub fn of_sns(code: &str, text: &str, status: u16) -> Failure {
        let class = match code {
            // The topic's ARN is wrong, not the message.
            "InvalidParameter" | "InvalidParameterException" | "ValidationError" | "ValidationException"
                if text.contains("TopicArn") =>
            {
                Class::Unavailable
            }
            "InvalidParameter"
            | "InvalidParameterException"
            | "ParameterValueInvalid"
            | "InvalidParameterValueException"
            | "InvalidParameterValue"
            | "ValidationException"
            | "ValidationError"
            | "BatchRequestTooLong"
            | "InvalidMessageContents" => Class::Rejected,
            _ if code.starts_with("KMS") || code.contains("Throttl") => Class::Unavailable,
            "AuthorizationError"
            | "NotFound"
            | "NotFoundException"
            | "InternalError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "EndpointDisabled"
            | "InvalidSecurity"
            | "ExpiredToken"
            | "RequestExpired"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException" => Class::Unavailable,
            _ if matches!(status, 401 | 403 | 404 | 408 | 429) || status >= 500 => Class::Unavailable,
            _ => Class::Unknown,
        };
        Failure { class, code: code.to_owned(), text: shorten(&without_values(text)), status: Some(status) }
    }

    /// The datapoint of this failure for the breaker's metric: the status code of an *Unavailable* one, 503
    /// where there was no answer. `None` for the others: a poison message must not open the breaker.
    pub fn datapoint(&self) -> Option<u16> {
        (self.class == Class::Unavailable).then(|| self.status.filter(|code| *code >= 300).unwrap_or(503))
    }
}

/// The usual words of AWS for a parameter that breaks a rule are `Value '…' at '…' failed to satisfy constraint`:
/// the value may be part of the message. What stands between the first and the last such quote goes.
fn without_values(text: &str) -> String {
    const BEGIN: &str = "Value '";
    let Some(begin) = text.find(BEGIN).map(|at| at + BEGIN.len()) else { return text.to_owned() };
    let end = text[begin..].rfind("' at '").map_or(text.len(), |at| begin + at);
    format!("{}…{}", &text[..begin], &text[end..])
}

/// Cuts an error text to what is worth storing, on one line.
pub fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_sns_errors() {
        let cases = [
            ("InvalidParameter", "Invalid parameter: Message too long", 400, Class::Rejected),
            ("InvalidParameter", "Invalid parameter: TopicArn", 400, Class::Unavailable),
            ("ParameterValueInvalid", "", 400, Class::Rejected),
            ("NotFound", "Topic does not exist", 404, Class::Unavailable),
            ("AuthorizationError", "not authorized to perform: SNS:Publish", 403, Class::Unavailable),
            ("KMSDisabled", "", 400, Class::Unavailable),
            ("KMSAccessDenied", "", 400, Class::Unavailable),
            ("Throttled", "Rate exceeded", 429, Class::Unavailable),
            ("ThrottlingException", "", 400, Class::Unavailable),
            ("InternalError", "", 500, Class::Unavailable),
            ("Whatever", "", 503, Class::Unavailable),
            ("Whatever", "", 400, Class::Unknown),
        ];
        for (code, text, status, class) in cases {
            assert_eq!(Failure::of_sns(code, text, status).class, class, "{code} {text} {status}");
        }
    }

    #[test]
    fn only_unavailable_is_a_bad_datapoint() {
        assert_eq!(Failure::of_sns("NotFound", "", 404).datapoint(), Some(404));
        assert_eq!(Failure::unreachable("Timeout", "").datapoint(), Some(503));
        assert_eq!(Failure::of_sns("Whatever", "", 400).datapoint(), None);
        assert_eq!(Failure::rejected(&Invalid::Empty).datapoint(), None);
    }

    #[test]
    fn no_text_repeats_the_message() {
        let said = |text: &str| Failure::of_sns("ValidationError", text, 400).text;
        assert_eq!(
            said("1 validation error detected: Value 'it's secret' at 'subject' failed to satisfy constraint: X"),
            "1 validation error detected: Value '…' at 'subject' failed to satisfy constraint: X"
        );
        assert_eq!(said("Value 'a' at 'x' failed; Value 'b' at 'y' failed"), "Value '…' at 'y' failed");
        assert_eq!(said("Value 'cut off"), "Value '…");
        let name = Failure::rejected(&Invalid::AttributeName("n".repeat(300_000)));
        assert!(name.text.chars().count() <= MAX_TEXT_CHARS + 1);
    }

    #[test]
    fn texts_are_cut_at_a_character() {
        assert_eq!(shorten("a\n  b"), "a b");
        assert_eq!(shorten(&"ä".repeat(400)).chars().count(), MAX_TEXT_CHARS + 1);
    }
}
