//! The Retry-After header.

use std::time::{Duration, SystemTime};

/// The longest pause that Retry-After may ask for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The pause that Retry-After asks for, at most a minute: seconds, or one of the three forms of a date that RFC 9110
/// names. `None` if it is neither.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let pause = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(pause.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_capped() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |n| Some(Duration::from_secs(n));
        for (value, pause) in [
            ("3", seconds(3)),
            (" 0 ", seconds(0)),
            ("86400", seconds(60)),
            ("99999999999999999999999", seconds(60)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", seconds(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", seconds(0)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", seconds(10)),
            ("Sun Nov  6 08:49:47 1994", seconds(10)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", seconds(60)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", seconds(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), pause, "{value}");
        }
    }
}
