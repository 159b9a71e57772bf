//! How fast something may go.

use std::time::Duration;

/// So many a second at the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// How long after the beginning the next may go, when so many have gone.
    pub fn due(self, gone: u64) -> Duration {
        Duration::from_secs_f64(gone as f64 / self.0)
    }

    /// How many may go together, so that a second's worth is not exceeded; at least one.
    pub fn together(self, most: usize) -> usize {
        (self.0.floor().max(1.0) as usize).min(most)
    }
}

/// `50`, `50/s`, `90/m`.
pub fn rate(text: &str) -> Result<Rate, String> {
    let (number, per) = match text.trim().split_once('/') {
        None => (text.trim(), 1.0),
        Some((number, "s")) => (number, 1.0),
        Some((number, "m")) => (number, 60.0),
        Some(_) => ("", 1.0),
    };
    let number: f64 = number.parse().unwrap_or(0.0);
    if number.is_finite() && number > 0.0 && number / per <= 1e6 {
        Ok(Rate(number / per))
    } else {
        Err("this is no rate like 50, 50/s or 90/m".to_owned())
    }
}

/// `50%` or `50`: a share, in 0..=1.
pub fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().trim_end_matches('%').parse().unwrap_or(-1.0);
    if (0.0..=100.0).contains(&number) { Ok(number / 100.0) } else { Err("this is no share like 50%".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_or_minute() {
        assert_eq!([rate("50"), rate("50/s"), rate("3000/m")], [Ok(Rate(50.0)), Ok(Rate(50.0)), Ok(Rate(50.0))]);
        for bad in ["", "0", "-1", "x", "5/h", "inf", "NaN", "/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_next_goes_when_its_time_has_come() {
        let rate = Rate(4.0);
        assert_eq!([rate.due(0), rate.due(6)], [Duration::ZERO, Duration::from_millis(1500)]);
        assert_eq!((rate.together(100), rate.together(2), Rate(0.1).together(9)), (4, 2, 1));
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!([percent("50%"), percent("0"), percent("100%")], [Ok(0.5), Ok(0.0), Ok(1.0)]);
        for bad in ["", "x", "101", "-1%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }
}
