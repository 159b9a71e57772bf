//! Service errors in words. The text of an `SdkError` is "service error": it never reaches a person.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What a failed call of a service says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct ServiceError {
    /// The service's own code, or `NoAnswer`, `Timeout`, `NoCredentials`, `BadAnswer`, `BadRequest`.
    pub code: String,
    pub text: String,
    /// The HTTP status of the answer; `None` where there was none.
    pub status: Option<u16>,
    pub request_id: Option<String>,
}

impl ServiceError {
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// Whether the service had too many requests, and did nothing.
    pub fn is_throttle(&self) -> bool {
        self.code.contains("Throttl")
            || matches!(
                self.code.as_str(),
                "ProvisionedThroughputExceededException"
                    | "RequestLimitExceeded"
                    | "TooManyRequestsException"
                    | "SlowDown"
            )
            || self.status == Some(429)
    }

    /// Whether the same call may go through a little later.
    pub fn is_transient(&self) -> bool {
        self.is_throttle()
            || matches!(
                self.code.as_str(),
                "NoAnswer" | "Timeout" | "BadAnswer" | "LimitExceededException" | "TransactionInProgressException"
            )
            || self.status.is_some_and(|status| status >= 500)
    }
}

/// Describes what went wrong with a call.
pub fn describe<E>(error: &SdkError<E, HttpResponse>) -> ServiceError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let request_id = error
        .raw_response()
        .and_then(|response| {
            response.headers().get("x-amzn-requestid").or_else(|| response.headers().get("x-amz-request-id"))
        })
        .map(str::to_owned);
    let (code, text) = match error {
        SdkError::ServiceError(context) => {
            let meta = context.err().meta();
            (
                meta.code().unwrap_or("NoErrorCode").to_owned(),
                meta.message().filter(|text| !text.is_empty()).map_or_else(|| innermost(context.err()), str::to_owned),
            )
        }
        SdkError::TimeoutError(_) => ("Timeout".to_owned(), "no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) => {
            let text = failure.as_connector_error().map_or_else(|| "no connection".to_owned(), |e| innermost(e));
            let credentials = text.contains("redential") || text.contains("token");
            let code = match (credentials, failure.is_timeout()) {
                (true, _) => "NoCredentials",
                (_, true) => "Timeout",
                _ => "NoAnswer",
            };
            (code.to_owned(), text)
        }
        SdkError::ResponseError(_) => ("BadAnswer".to_owned(), innermost(error)),
        _ => ("BadRequest".to_owned(), innermost(error)),
    };
    ServiceError { code, text, status, request_id }
}

/// The first cause at the end of the chain: the outer texts only say that something failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
