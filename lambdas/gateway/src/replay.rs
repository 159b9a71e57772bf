//! Recorded answers of AWS, for tests.

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_types::body::SdkBody;

use crate::behavior;

/// A configuration whose calls get these answers, one after the other: status and body. No call is tried
/// again.
pub async fn answers(answers: &[(u16, &str)]) -> (SdkConfig, StaticReplayClient) {
    let answers: Vec<_> = answers.iter().map(|(status, body)| (*status, body.as_bytes())).collect();
    binary_answers(&answers).await
}

/// The same, for a service that answers in CBOR.
pub async fn binary_answers(answers: &[(u16, &[u8])]) -> (SdkConfig, StaticReplayClient) {
    let events = answers.iter().map(|(status, body)| {
        let request = http::Request::builder().body(SdkBody::empty()).expect("a request");
        let response = http::Response::builder().status(*status).body(SdkBody::from(*body)).expect("a response");
        ReplayEvent::new(request, response)
    });
    let client = StaticReplayClient::new(events.collect());
    let config = aws_config::defaults(behavior())
        .http_client(client.clone())
        .region(Region::new("eu-west-1"))
        .test_credentials()
        .retry_config(RetryConfig::disabled())
        .load()
        .await;
    (config, client)
}

/// The bodies of the requests that were made, as texts.
pub fn requests(client: &StaticReplayClient) -> Vec<String> {
    bodies(client).iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
}

/// The bodies of the requests that were made.
pub fn bodies(client: &StaticReplayClient) -> Vec<Vec<u8>> {
    client.actual_requests().map(|request| request.body().bytes().unwrap_or_default().to_vec()).collect()
}
