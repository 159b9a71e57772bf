//! The retry policy: leases, backoff, the cap for unknown errors, how much one run may start, and how the
//! load grows again after the breaker has closed.

use crate::EpochMs;

/// What a lease is longer than a function's timeout: time to start an execution, and to begin.
const LEASE_RESERVE_S: i64 = 20;

/// Every field is a parameter of the stack and reaches the functions as an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long an attempt owns its message. Longer than the process function may run, or it never begins;
    /// not much longer, since a message whose execution died waits for it.
    pub lease_ms: i64,
    /// The first wait after a failure, before jitter.
    pub backoff_base_ms: i64,
    /// The longest wait.
    pub backoff_cap_ms: i64,
    /// So many failures of class Unknown make a message Dead.
    pub unknown_cap: i64,
    /// Messages in one execution.
    pub batch_size: usize,
    /// Messages that one run of the retry function starts at the most.
    pub budget: usize,
    /// Messages that the first run after the breaker closed starts; doubled every minute.
    pub ramp_start: usize,
    /// Seconds a delivered message is kept; 0 keeps it for ever.
    pub retention_s: i64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            lease_ms: 300_000,
            backoff_base_ms: 30_000,
            backoff_cap_ms: 3_600_000,
            unknown_cap: 10,
            batch_size: 100,
            budget: 5_000,
            ramp_start: 100,
            retention_s: 0,
        }
    }
}

impl Policy {
    /// Reads the policy from a function's environment; a variable that is missing keeps its default.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Policy, String> {
        let number = |name: &str, default: i64, range: std::ops::RangeInclusive<i64>| match get(name) {
            None => Ok(default),
            Some(text) => match text.parse::<i64>() {
                Ok(value) if range.contains(&value) => Ok(value),
                _ => Err(format!("{name} is `{text}`; it must be a number from {} to {}", range.start(), range.end())),
            },
        };
        let usual = Policy::default();
        // Nothing is published under a lease that ends before the function does: a shorter one would send
        // nothing at all.
        let shortest_lease = number("FUNCTION_TIMEOUT_SECONDS", 30, 1..=900)? + LEASE_RESERVE_S;
        Ok(Policy {
            lease_ms: 1000 * number("LEASE_SECONDS", usual.lease_ms / 1000, 30..=86_400)?.max(shortest_lease),
            backoff_base_ms: 1000 * number("BACKOFF_BASE_SECONDS", usual.backoff_base_ms / 1000, 1..=86_400)?,
            backoff_cap_ms: 1000 * number("BACKOFF_CAP_SECONDS", usual.backoff_cap_ms / 1000, 1..=604_800)?,
            unknown_cap: number("UNKNOWN_CAP", usual.unknown_cap, 1..=1000)?,
            batch_size: number("BATCH_SIZE", usual.batch_size as i64, 1..=100)? as usize,
            budget: number("RETRY_BUDGET", usual.budget as i64, 1..=100_000)? as usize,
            ramp_start: number("RAMP_START", usual.ramp_start as i64, 1..=100_000)? as usize,
            retention_s: number("RETENTION_SECONDS", usual.retention_s, 0..=315_360_000)?,
        })
    }

    /// The wait after attempt number `attempt` failed: exponential, capped, with full jitter (AWS Architecture
    /// Blog, "Exponential Backoff And Jitter"). `random` is in 0..1.
    pub fn backoff_ms(&self, attempt: i64, random: f64) -> i64 {
        let doublings = attempt.clamp(1, 40) - 1;
        let ceiling = self.backoff_base_ms.saturating_mul(1 << doublings).min(self.backoff_cap_ms);
        (ceiling as f64 * random.clamp(0.0, 1.0)) as i64
    }

    /// When a message that SNS accepted at `now` may be deleted, in seconds of the epoch.
    pub fn expires_at(&self, now: EpochMs) -> Option<i64> {
        (self.retention_s > 0).then(|| now / 1000 + self.retention_s)
    }

    /// How many messages one run may start, so long after the breaker closed; `None` when it was never open.
    pub fn allowance(&self, since_closed_ms: Option<i64>) -> usize {
        let Some(since) = since_closed_ms else { return self.budget };
        let minutes = (since.max(0) / 60_000).min(20) as u32;
        self.ramp_start.saturating_mul(1 << minutes).min(self.budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backoff_stays_between_zero_and_the_cap(attempt in -5i64..1_000_000, random in 0.0f64..1.0) {
            let policy = Policy::default();
            prop_assert!((0..=policy.backoff_cap_ms).contains(&policy.backoff_ms(attempt, random)));
        }
    }

    #[test]
    fn backoff_doubles_up_to_the_cap() {
        let policy = Policy::default();
        let ceilings: Vec<i64> = (1..=9).map(|attempt| policy.backoff_ms(attempt, 1.0) / 1000).collect();
        assert_eq!(ceilings, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    }

    #[test]
    fn the_load_ramps_up_after_the_breaker_closed() {
        let policy = Policy::default();
        let runs: Vec<usize> = (0..7).map(|minute| policy.allowance(Some(minute * 60_000))).collect();
        assert_eq!(runs, [100, 200, 400, 800, 1600, 3200, 5000]);
        assert_eq!(policy.allowance(Some(-5)), 100);
        assert_eq!(policy.allowance(Some(i64::MAX)), 5000);
        assert_eq!(policy.allowance(None), 5000);
    }

    #[test]
    fn a_lease_outlives_the_function() {
        let lease = |timeout: &str| {
            let env = |name: &str| match name {
                "LEASE_SECONDS" => Some("30".to_owned()),
                "FUNCTION_TIMEOUT_SECONDS" => Some(timeout.to_owned()),
                _ => None,
            };
            Policy::from_env(env).map(|policy| policy.lease_ms)
        };
        assert_eq!((lease("60"), lease("10")), (Ok(80_000), Ok(30_000)));
    }

    #[test]
    fn a_variable_out_of_range_is_named() {
        let env = |name: &str| (name == "BATCH_SIZE").then(|| "101".to_owned());
        assert_eq!(
            Policy::from_env(env).expect_err("out of range"),
            "BATCH_SIZE is `101`; it must be a number from 1 to 100"
        );
        assert_eq!(Policy::from_env(|_| None), Ok(Policy::default()));
    }
}
