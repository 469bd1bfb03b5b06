//! Durations as they are typed: `500ms`, `1.5s`, `30s`, `2m`, `20h`, `3d`; and as they are printed: `100 s`, `0.5 s`.
//!
//! A bare number is refused: seconds to curl, milliseconds to others. Nothing here knows what a duration is for.

use std::time::Duration;

/// Ten years: whatever is longer was not meant.
const LONGEST: f64 = 10.0 * 365.0 * 86400.0;

/// Reads a duration; the error says how to write one.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const WRITE: &str = "write it like 500ms, 30s, 2m or 20h";
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(format!("not a duration: {WRITE}")),
    };
    let well_formed =
        number.starts_with(|c: char| c.is_ascii_digit()) && number.ends_with(|c: char| c.is_ascii_digit());
    let length = number.parse::<f64>().ok().filter(|_| well_formed).map(|n| n * seconds);
    match length {
        None => Err(format!("not a duration: {WRITE}")),
        Some(length) if length < 0.001 => Err("a duration must be at least 1ms".into()),
        Some(length) if length > LONGEST => Err("a duration must be at most ten years".into()),
        Some(length) => Ok(Duration::from_secs_f64(length)),
    }
}

/// A duration for one call or one wait: [`parse_duration`], at most a day.
pub fn parse_timeout(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|duration| match duration.as_secs() {
        0..=86400 => Ok(duration),
        _ => Err("a duration must be at most one day".into()),
    })
}

pub fn show_duration(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_make_a_duration() {
        for (text, millis) in [
            ("500ms", 500),
            ("1ms", 1),
            ("1.5s", 1500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("20h", 72_000_000),
            ("3d", 259_200_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn other_durations_are_refused() {
        for text in [
            "",
            "0",
            "0s",
            "0ms",
            "-1s",
            "30",
            "s",
            "1e9s",
            ".5s",
            "5.s",
            "1..5s",
            "1 s",
            "1S",
            "999999999999d",
            "infs",
            "nans",
            "２s",
            "0.1ms",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
        assert!(parse_timeout("2d").is_err());
    }
}
