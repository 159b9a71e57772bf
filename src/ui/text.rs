//! Numbers and times in words.

use console::measure_text_width;
use outbox::EpochMs;

/// A span of time in its two largest units that matter: `45s`, `3m 20s`, `2h 5m`, `4d 3h`.
pub fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if minutes == 0 => format!("{seconds}s"),
        () if hours == 0 => format!("{minutes}m {}s", seconds % 60),
        () if days == 0 => format!("{hours}h {}m", minutes % 60),
        () => format!("{days}d {}h", hours % 24),
    }
}

/// A short span to the millisecond, a longer one as [`span`].
pub fn duration(ms: i64) -> String {
    match ms.max(0) {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms if ms < 60_000 => format!("{}.{:03} s", ms / 1000, ms % 1000),
        ms => span(ms),
    }
}

/// A time as seen from now: `3m 20s ago`, `in 45s`.
pub fn relative(time: EpochMs, now: EpochMs) -> String {
    match now - time {
        0..1000 => "now".to_owned(),
        past if past >= 0 => format!("{} ago", span(past)),
        future => format!("in {}", span(-future)),
    }
}

/// ISO 8601, in UTC, to the second.
pub fn iso(time: EpochMs) -> String {
    jiff::Timestamp::from_millisecond(time)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_else(|_| time.to_string())
}

/// Date and time in this machine's time zone, to the second.
pub fn local(time: EpochMs) -> String {
    jiff::Timestamp::from_millisecond(time)
        .map(|time| time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_else(|_| time.to_string())
}

/// A bar that shows a part of a whole, in at most 30 characters; something where there is anything at all.
pub fn bar(part: u64, whole: u64) -> String {
    let eighths = (part * 240).checked_div(whole).unwrap_or(0).max(u64::from(part > 0));
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][(eighths % 8) as usize];
    format!("{}{rest}", "█".repeat((eighths / 8) as usize))
}

/// The beginning of a text, in so many characters.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An amount of bytes: `512 B`, `1.9 MiB`.
pub fn bytes(amount: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", amount / unit, amount % unit * 10 / unit);
    match amount {
        0..1_024 => format!("{amount} B"),
        1_024..1_048_576 => format!("{} KiB", tenths(1_024)),
        _ => format!("{} MiB", tenths(1_048_576)),
    }
}

/// What came from elsewhere must not command the terminal: of control characters the ends of lines stay, and
/// the colours where there are any.
pub fn harmless(text: &str, colored: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = c.len_utf8() + if c == '\u{1b}' && colored { style_length(&rest[1..]) } else { 0 };
        match c {
            '\u{1b}' if end > 1 => out.push_str(&rest[..end]),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
        rest = &rest[end..];
    }
    out
}

/// The length of what follows an escape when it only changes the style (ECMA-48, SGR); else 0.
fn style_length(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix('[') else { return 0 };
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
    end.filter(|end| parameters[*end..].starts_with('m')).map_or(0, |end| end + 2)
}

/// Lines longer than the width are broken between words; what follows is set in. A longer word stays whole.
pub fn wrapped(text: &str, width: usize) -> String {
    text.lines().map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    if measure_text_width(line) <= width {
        return line.to_owned();
    }
    let words = line.trim_start();
    let indent = " ".repeat(line.len() - words.len());
    let (mut out, mut column) = (indent.clone(), indent.len());
    for (at, word) in words.split(' ').enumerate() {
        let wide = measure_text_width(word);
        match at {
            0 => column += wide,
            _ if column + 1 + wide > width => {
                out = format!("{}\n{indent}  ", out.trim_end());
                column = indent.len() + 2 + wide;
            }
            _ => {
                out.push(' ');
                column += 1 + wide;
            }
        }
        out.push_str(word);
    }
    out
}

/// As much of a text as a terminal holds beside a spinner, a time and the line of the cursor: what is drawn again
/// must not have scrolled away.
pub fn fitted(text: &str, columns: usize, rows: usize) -> String {
    let (room, lines) = (rows.saturating_sub(2).max(1), text.lines().count());
    let shown = if lines > room { room - 1 } else { lines };
    let cut = |(at, line)| {
        // The first line stands behind the spinner and the time.
        let width = columns.saturating_sub(if at == 0 { 10 } else { 1 });
        console::truncate_str(line, width, "…").into_owned()
    };
    let mut fitted: Vec<String> = text.lines().take(shown).enumerate().map(cut).collect();
    if shown < lines {
        fitted.push(format!("… {} more lines", lines - shown));
    }
    fitted.join("\n")
}

/// `1 message`, `2 messages`.
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        let cases = [
            (-5, "0s"),
            (999, "0s"),
            (45_000, "45s"),
            (200_000, "3m 20s"),
            (7_500_000, "2h 5m"),
            (356_400_000, "4d 3h"),
        ];
        for (ms, text) in cases {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn short_spans_are_exact() {
        assert_eq!([duration(7), duration(12_034), duration(61_000)], ["7 ms", "12.034 s", "1m 1s"]);
    }

    #[test]
    fn what_came_from_elsewhere_cannot_command_the_terminal() {
        let red = "\u{1b}[1;31mred\u{1b}[0m\n";
        assert_eq!(harmless(red, true), red);
        assert_eq!(harmless(red, false), " [1;31mred [0m\n");
        for evil in ["\u{1b}[2Jgone", "\u{1b}]0;title\u{7}", "\u{9b}31m", "\u{1b}", "\u{1b}[", "\u{1b}[1", "a\rb\tc"] {
            assert!(!harmless(evil, true).contains(|c: char| c.is_control()), "{evil:?}");
        }
        assert_eq!(harmless("日本 語", true), "日本 語");
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        assert_eq!(wrapped("short\n\nlines", 5), "short\n\nlines");
        assert_eq!(wrapped("  one two three four", 12), "  one two\n    three\n    four");
        assert_eq!(wrapped("a \u{1b}[31mred\u{1b}[0m word", 6), "a \u{1b}[31mred\u{1b}[0m\n  word");
        assert_eq!(wrapped("no incomprehensibilities here", 10), "no\n  incomprehensibilities\n  here");
        assert_eq!(wrapped("日本 語", 5), "日本\n  語");
        for width in 0..8 {
            wrapped("   x  yy   zzz", width);
        }
    }

    #[test]
    fn what_is_redrawn_fits_the_terminal() {
        let lines = |n: usize| (0..n).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        assert_eq!(fitted(&lines(3), 80, 5), lines(3));
        assert_eq!(fitted(&lines(4), 80, 5), "line 0\nline 1\n… 2 more lines");
        assert_eq!(fitted("a long first line\na long second line", 16, 24), "a lon…\na long second …");
        assert_eq!(fitted("\u{1b}[31mred and more\u{1b}[0m", 14, 24), "\u{1b}[31mred…\u{1b}[0m");
        assert_eq!(fitted("x", 0, 0).lines().count(), 1);
    }

    #[test]
    fn bars_are_parts_of_a_whole() {
        assert_eq!(bar(2, 2).chars().count(), 30);
        assert_eq!([bar(0, 5), bar(1, 1_000_000), bar(1, 16)], ["", "▏", "█▉"]);
        assert_eq!(bar(0, 0), "");
    }

    #[test]
    fn times_lie_before_or_ahead() {
        assert_eq!(relative(1_000, 46_000), "45s ago");
        assert_eq!(relative(46_000, 1_000), "in 45s");
        assert_eq!(relative(1_500, 1_000), "in 0s");
        assert_eq!(relative(1_000, 1_500), "now");
    }

    #[test]
    fn amounts_of_bytes_have_a_unit() {
        assert_eq!([bytes(0), bytes(1_023), bytes(1_536), bytes(2_097_151)], ["0 B", "1023 B", "1.5 KiB", "1.9 MiB"]);
    }

    #[test]
    fn times_are_in_utc() {
        assert_eq!(iso(1_700_000_000_999), "2023-11-14T22:13:20Z");
    }
}
