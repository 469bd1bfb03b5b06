//! How long a server asks to be left alone. Whether anybody asks again is decided elsewhere.

use std::time::{Duration, SystemTime};

/// The longest wait that a Retry-After may ask for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a Retry-After asks for: seconds or an HTTP date, at most a minute; `None` where it is neither.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
        SystemTime::from(date).duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_capped() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(retry_after("3", now), seconds(3));
        assert_eq!(retry_after("0", now), seconds(0));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), seconds(10));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:27 GMT", now), seconds(0));
        assert_eq!(retry_after("86400", now), seconds(60));
        assert_eq!(retry_after("99999999999999999999999", now), seconds(60));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }
}
