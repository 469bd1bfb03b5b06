//! The URLs of pictures: made to look like those of the service's picture hosts, with an expiry that holds. They never contain
//! the token. Knows where a picture is and until when, not what is on it.

use super::validation::parameter;

/// Seconds that a URL lasts at least; it ends at a midnight, so that a day's URLs are the same.
const DAYS: u64 = 7;
const DAY: u64 = 24 * 60 * 60;

/// A picture that a URL asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The number that it is drawn from.
    pub digits: &'a str,
    /// The 96-pixel preview instead of the whole picture.
    pub preview: bool,
}

/// Why a picture is not shown.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the path of a picture.
    NotFound,
    /// Too old, or not signed by this sandbox.
    Expired,
}

/// Where the picture of a chat is, for a week from `unix`.
pub fn url(api_url: &str, chat_id: &str, unix: u64) -> String {
    let number = chat_id.split('@').next().unwrap_or_default();
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let expiry = (unix / DAY + DAYS + 1) * DAY;
    format!("{api_url}/pictures/{digits}.jpg?ccb=11-4&oh={:016x}&oe={expiry:08X}", signature(&digits, expiry))
}

/// The picture that the rest of a path below `/pictures/` and a query ask for at `unix`.
///
/// # Errors
/// There is no such picture, or its URL has expired or was changed.
pub fn check<'a>(rest: &'a str, query: &str, unix: u64) -> Result<Wanted<'a>, Refusal> {
    let (small, name) = rest.strip_prefix("s96x96/").map_or((false, rest), |name| (true, name));
    let digits = name.strip_suffix(".jpg").ok_or(Refusal::NotFound)?;
    if !(1..=64).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::NotFound);
    }
    let hex = |name| parameter(query, name).and_then(|text| u64::from_str_radix(text, 16).ok());
    let (expiry, signed) = (hex("oe").ok_or(Refusal::Expired)?, hex("oh").ok_or(Refusal::Expired)?);
    if expiry <= unix || signed != signature(digits, expiry) {
        return Err(Refusal::Expired);
    }
    let preview = small || parameter(query, "stp").is_some_and(|text| text.contains("s96x96"));
    Ok(Wanted { digits, preview })
}

/// No secret, only a checksum: it tells a changed URL from one that was given out.
fn signature(digits: &str, expiry: u64) -> u64 {
    super::picture::hash(digits.bytes().chain(expiry.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn split(url: &str) -> (&str, &str) {
        url.strip_prefix("http://h/pictures/").and_then(|rest| rest.split_once('?')).expect("a picture's URL")
    }

    #[test]
    fn a_url_that_was_given_out_lasts_a_week_and_is_the_same_all_day() {
        let url = url("http://h", "11001234567@c.us", NOW);
        let (rest, query) = split(&url);
        let wanted = Wanted { digits: "11001234567", preview: false };
        assert_eq!(check(rest, query, NOW), Ok(wanted));
        assert!(check(rest, query, NOW + 7 * DAY).is_ok());
        assert_eq!(check(rest, query, NOW + 8 * DAY + 1), Err(Refusal::Expired));
        assert_eq!(super::url("http://h", "11001234567@c.us", NOW - NOW % DAY), url);
    }

    #[test]
    fn a_changed_or_missing_expiry_or_number_is_refused() {
        let url = url("http://h", "11001234567-15@g.us", NOW);
        let (rest, query) = split(&url);
        assert_eq!(rest, "1100123456715.jpg");
        assert_eq!(check("1100123456716.jpg", query, NOW), Err(Refusal::Expired));
        assert_eq!(check(rest, &query.replace("oe=6", "oe=7"), NOW), Err(Refusal::Expired));
        assert_eq!(check(rest, "", NOW), Err(Refusal::Expired));
        for rest in ["", ".jpg", "1.png", "../1.jpg", "x.jpg"] {
            assert_eq!(check(rest, query, NOW), Err(Refusal::NotFound), "{rest}");
        }
    }

    #[test]
    fn the_preview_is_asked_for_in_the_path_or_the_query() {
        let url = url("http://h", "11001234567@c.us", NOW);
        let (rest, query) = split(&url);
        assert!(check(&format!("s96x96/{rest}"), query, NOW).is_ok_and(|wanted| wanted.preview));
        assert!(check(rest, &format!("stp=dst-jpg_s96x96&{query}"), NOW).is_ok_and(|wanted| wanted.preview));
    }
}
