//! CloudWatch Logs: what the functions wrote.

use std::collections::HashSet;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use futures::{Stream, TryStreamExt, stream};
use gateway::{ServiceError, describe};
use outbox::EpochMs;

/// Events in one page: the most that the service gives (API reference, `FilterLogEvents`).
const PAGE: i32 = 10_000;
/// A filter pattern has 1,024 characters (CloudWatch Logs quotas).
const PATTERN: usize = 1_000;

pub struct Logs {
    client: Client,
}

/// One event of a log group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was written, as the service has it.
    pub time: EpochMs,
    pub text: String,
    /// What tells it from every other event of its group.
    pub key: String,
}

/// From where the next page is read.
enum Next {
    Token(String),
    /// From this time on, without these.
    Time(EpochMs, HashSet<String>),
}

impl Logs {
    pub fn new(config: &SdkConfig) -> Logs {
        Logs { client: Client::new(config) }
    }

    /// Whether there is this log group.
    pub async fn exists(&self, group: &str) -> Result<bool, ServiceError> {
        let mut pages = self.client.describe_log_groups().log_group_name_prefix(group).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            if page.log_groups().iter().any(|found| found.log_group_name() == Some(group)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes a group with its events; one that is gone already is no error.
    pub async fn delete_group(&self, group: &str) -> Result<(), ServiceError> {
        let answer = self.client.delete_log_group().log_group_name(group).send().await;
        match answer.map_err(|error| describe(&error)) {
            Err(error) if !error.is("ResourceNotFoundException") => Err(error),
            _ => Ok(()),
        }
    }

    /// The events of a group in a span of time, earliest first, page by page. `naming` narrows them to those that
    /// hold this word, where the service can do that: whoever reads them has to look again.
    pub fn events<'a>(
        &'a self,
        group: String,
        since: EpochMs,
        until: Option<EpochMs>,
        naming: Option<&'a str>,
    ) -> impl Stream<Item = Result<Event, ServiceError>> + 'a {
        let pattern = naming.and_then(pattern);
        let begin = Some(Next::Time(since.max(0), HashSet::new()));
        let pages = stream::try_unfold(begin, move |next| {
            let (group, pattern) = (group.clone(), pattern.clone());
            async move {
                let Some(next) = next else { return Ok(None) };
                let request = self.client.filter_log_events().log_group_name(group).set_filter_pattern(pattern);
                let (start, token, seen) = match next {
                    Next::Token(token) => (since.max(0), Some(token), HashSet::new()),
                    Next::Time(time, seen) => (time, None, seen),
                };
                let answer =
                    request.start_time(start).set_end_time(until).set_next_token(token).limit(PAGE).send().await;
                let answer = answer.map_err(|error| describe(&error))?;
                let page: Vec<Event> = answer.events().iter().map(event).collect();
                let next = answer.next_token.map(Next::Token).or_else(|| full(&page, start));
                let new = page.into_iter().filter(move |event| !seen.contains(&event.key)).map(Ok);
                Ok::<_, ServiceError>(Some((stream::iter(new), next)))
            }
        });
        pages.try_flatten()
    }
}

/// The local engine fills a page and gives no token: the rest is read from the page's last time on.
fn full(page: &[Event], start: EpochMs) -> Option<Next> {
    let last = page.last().filter(|_| page.len() >= PAGE as usize)?.time;
    let seen = page.iter().filter(|event| event.time == last).map(|event| event.key.clone()).collect();
    (last > start).then_some(Next::Time(last, seen))
}

/// A term in quotes, which matches as it stands (CloudWatch Logs user guide, "Filter pattern syntax"). `None`
/// for a word with characters that a pattern, or the JSON of a line, spells in another way.
fn pattern(word: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '*');
    (!word.is_empty() && word.len() <= PATTERN && word.chars().all(plain)).then(|| format!("\"{word}\""))
}

fn event(event: &FilteredLogEvent) -> Event {
    let time = event.timestamp().unwrap_or(0);
    let text = event.message().unwrap_or_default().trim_end().to_owned();
    let stream = event.log_stream_name().unwrap_or_default();
    // The local engine gives no id; there each invocation has a stream of its own.
    let key = event.event_id().map_or_else(|| format!("{stream} {time} {text}"), str::to_owned);
    Event { time, text, key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::{answers, requests};

    #[tokio::test]
    async fn all_pages_are_read_with_the_same_pattern() {
        let first = r#"{"events":[{"eventId":"1","timestamp":5,"message":"a\n","logStreamName":"s"}],"nextToken":"t"}"#;
        let second = r#"{"events":[{"timestamp":6,"message":"b","logStreamName":"s"}]}"#;
        let (config, client) = answers(&[(200, first), (200, second)]).await;
        let logs = Logs::new(&config);
        let found: Vec<Event> =
            logs.events("g".into(), -1, Some(99), Some("order-66")).try_collect().await.expect("events");
        let made = |time, text: &str, key: &str| Event { time, text: text.into(), key: key.into() };
        assert_eq!(found, [made(5, "a", "1"), made(6, "b", "s 6 b")]);
        let asked = requests(&client);
        assert!(asked.iter().all(|body| body.contains(r#""filterPattern":"\"order-66\"""#)), "{asked:?}");
        assert!(asked[0].contains(r#""startTime":0"#) && asked[1].contains(r#""nextToken":"t""#), "{asked:?}");
    }

    #[tokio::test]
    async fn a_full_page_without_a_token_is_not_the_end() {
        let event = |n: i64| format!(r#"{{"timestamp":{},"message":"{n}","logStreamName":"s"}}"#, n / 2);
        let events = |range: std::ops::Range<i64>| range.map(event).collect::<Vec<_>>().join(",");
        let first = format!(r#"{{"events":[{}]}}"#, events(0..10_000));
        let second = format!(r#"{{"events":[{}]}}"#, events(9_998..10_003));
        let (config, client) = answers(&[(200, &first), (200, &second)]).await;
        let logs = Logs::new(&config);
        let found: Vec<Event> = logs.events("g".into(), 0, None, None).try_collect().await.expect("events");
        let texts: Vec<_> = found.iter().map(|event| event.text.parse::<i64>().expect("a number")).collect();
        assert_eq!(texts, (0..10_003).collect::<Vec<_>>());
        assert!(requests(&client)[1].contains(r#""startTime":4999"#));
    }

    #[test]
    fn only_what_stands_in_the_line_as_it_is_becomes_a_pattern() {
        assert_eq!(pattern("order-66"), Some("\"order-66\"".to_owned()));
        for word in ["", "a b", "ä", "a\"b", "a\\b", "a*", &"x".repeat(1_001)] {
            assert_eq!(pattern(word), None, "{word}");
        }
    }
}
