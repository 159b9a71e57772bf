//! Points in time as an operator types them.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use outbox::EpochMs;

use crate::error::Error;

/// `15m`, `2h`, `3d`, `1w` ago; `2026-11-24`, `2026-11-24T05:00` in the time zone given; ISO 8601 with an
/// offset; `now`.
pub fn moment(text: &str, now: EpochMs, zone: &TimeZone) -> Result<EpochMs, String> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Some(ago) = span_ms(text) {
        return Ok(now - ago);
    }
    let local = |time: civil::DateTime| time.to_zoned_datetime(zone.clone()).map(|zoned| zoned.timestamp()).ok();
    let found = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<civil::DateTime>().ok().and_then(local))
        .or_else(|| text.parse::<civil::Date>().ok().and_then(|date| local(date.into())));
    found.map(Timestamp::as_millisecond).ok_or_else(|| {
        "this is no time like 15m, 2h, 3d (ago), 2026-11-24, 2026-11-24T05:00 or 2026-11-24T05:00:00Z".to_owned()
    })
}

/// For the command line: seen from now, in this machine's time zone.
pub fn argument(text: &str) -> Result<EpochMs, String> {
    moment(text, Timestamp::now().as_millisecond(), &TimeZone::system())
}

/// Refuses a span of time that holds nothing.
pub fn in_order(since: Option<EpochMs>, until: Option<EpochMs>) -> Result<(), Error> {
    match since.zip(until).is_some_and(|(since, until)| since >= until) {
        true => Err(Error::usage("`--since` is not before `--until`: nothing lies between")),
        false => Ok(()),
    }
}

/// `90s`, `15m`, `2h`, `3d`, `1w`: milliseconds. At most ten years.
pub fn span_ms(text: &str) -> Option<i64> {
    let (at, unit) = text.char_indices().last()?;
    let factor: i64 = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 604_800_000,
        _ => return None,
    };
    let number: i64 = text[..at].parse().ok().filter(|number| *number >= 0)?;
    number.checked_mul(factor).filter(|ms| *ms <= 315_360_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMs = 1_700_000_000_000;

    #[test]
    fn times_are_read_in_many_ways() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let cases = [
            ("now", NOW),
            ("15m", NOW - 900_000),
            ("1w", NOW - 604_800_000),
            ("2023-11-14", 1_699_916_400_000),
            ("2023-11-14T22:13", 1_699_996_380_000),
            ("2023-11-14T22:13:20Z", NOW),
            ("2023-11-14T23:13:20+01:00", NOW),
        ];
        for (text, expected) in cases {
            assert_eq!(moment(text, NOW, &zone), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told() {
        for bad in ["", "m", "-5m", "5", "yesterday", "2023-13-01", "99999999999w", "5µ"] {
            assert!(moment(bad, NOW, &TimeZone::UTC).is_err(), "{bad}");
        }
    }
}
