//! How often CloudFormation is asked, and how it is asked again when it has too many requests.

use std::time::{Duration, Instant};

use gateway::ServiceError;

use crate::context::pause;

/// The slowest pace, in case nothing happens or CloudFormation has too many requests.
const SLOWEST: Duration = Duration::from_secs(20);
/// So long a call waits for its turn, beyond what the SDK tries itself.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often to look: quickly while something happens, ever more slowly while nothing does.
#[derive(Debug, PartialEq)]
pub struct Pace {
    quickest: Duration,
    pub wait: Duration,
}

impl Pace {
    pub fn new(quickest: Duration) -> Pace {
        Pace { quickest, wait: quickest }
    }

    pub fn looked(&mut self, news: bool) {
        self.wait = if news { self.quickest } else { (self.wait * 5 / 4).min(self.quickest * 4) };
    }

    /// Too many requests, or no answer.
    pub fn refused(&mut self) {
        self.wait = (self.wait * 2).min(SLOWEST);
    }
}

/// Makes a call until it is not refused for too many requests: a throttle says nothing about the deployment, and
/// what is throttled was not done.
pub async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, ServiceError>
where
    F: Future<Output = Result<T, ServiceError>>,
{
    let (begin, mut pace) = (Instant::now(), Pace::new(Duration::from_secs(1)));
    loop {
        match call().await {
            Err(error) if error.is_throttle() && begin.elapsed() < PATIENCE => pace.refused(),
            outcome => return outcome,
        }
        pause(pace.wait).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_pace_slows_down_and_news_quickens_it() {
        let mut pace = Pace::new(Duration::from_secs(2));
        for _ in 0..20 {
            pace.looked(false);
        }
        assert_eq!(pace.wait, Duration::from_secs(8));
        for _ in 0..20 {
            pace.refused();
        }
        assert_eq!(pace.wait, SLOWEST);
        pace.looked(true);
        assert_eq!(pace, Pace::new(Duration::from_secs(2)));
    }

    #[tokio::test]
    async fn a_throttled_call_is_made_again_and_another_error_is_told() {
        let error = |code: &str| ServiceError {
            code: code.to_owned(),
            text: "Rate exceeded".to_owned(),
            status: Some(400),
            request_id: None,
        };
        let calls = Cell::new(0);
        let outcome = patiently(|| async {
            calls.set(calls.get() + 1);
            Err::<(), _>(error(if calls.get() == 1 { "Throttling" } else { "ValidationError" }))
        });
        assert_eq!(outcome.await.expect_err("refused").code, "ValidationError");
        assert_eq!(calls.get(), 2);
    }
}
