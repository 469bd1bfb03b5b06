//! Durations as users write them: `500ms`, `1.5s`, `30s`, `2m`, `20h`, `3d`.
//!
//! A number without a unit is refused rather than guessed, and so are nothing at all and more than ten years:
//! those are slips of the hand. This file knows nothing of what is waited for.

use std::time::Duration;

/// Ten years, in seconds.
const LONGEST: f64 = 10.0 * 365.25 * 86_400.0;
const FORM: &str = "write it as 500ms, 30s, 2m, 20h or 3d";

/// Reads a duration; the error says how to write one.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "" if !number.is_empty() => return Err(format!("a duration needs its unit: {FORM}")),
        _ => return Err(format!("not a duration: {FORM}")),
    };
    // Both sides of the point hold digits: ".5s" and "5.s" are as likely slips as meant.
    let is_number = number.split('.').all(|part| !part.is_empty()) && number.split('.').count() <= 2;
    let amount: f64 = match number.parse() {
        Ok(amount) if is_number => amount,
        _ => return Err(format!("not a duration: {FORM}")),
    };
    let total = amount * seconds;
    if total < 0.001 {
        return Err(format!("a duration is at least 1ms: {FORM}"));
    }
    if total > LONGEST {
        return Err(format!("a duration of more than ten years: {FORM}"));
    }
    Ok(Duration::from_secs_f64(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_and_a_fraction_are_read() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("1ms", 1),
            ("1.5s", 1_500),
            ("0.1s", 100),
            ("30s", 30_000),
            ("2m", 120_000),
            ("20h", 72_000_000),
            ("3d", 259_200_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn slips_are_refused_with_the_way_to_write_it() {
        let huge = "9".repeat(400) + "s";
        for text in ["", "30", "s", "0s", "0.0001ms", "-1s", "+1s", "1 s", "1S", "1.s", ".5s", "1.2.3s", "1e3s"] {
            assert!(parse_duration(text).expect_err(text).contains("30s, 2m"), "{text}");
        }
        for text in ["11000d", "infs", "nans", &huge] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
