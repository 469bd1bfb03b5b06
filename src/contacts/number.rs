//! Converts the numbers of an address book to chat ids, with the lengths and prefixes of numbers only: there is no
//! table of number ranges.

use crate::chat_id::phone::{Number, Unclear, trunk_prefixes};
use crate::chat_id::{ChatId, Rule};
use crate::failure::{Failure, Kind};
use crate::text::{sanitize, shorten};

/// Digits of an international number, its country code included.
const LENGTH: std::ops::RangeInclusive<usize> = 7..=15;

/// Characters of a text that cannot be converted that are shown.
const SHOWN: usize = 80;

/// The numbers of one field: `+1 100 123 4567 ::: +1 100 123 4568` are two. A part that is too short for a number,
/// after another one, is its extension and is left out.
pub fn split(field: &str) -> Vec<&str> {
    // 1.10012E+10 is not two numbers.
    if field.contains(['e', 'E', 'ｅ', 'Ｅ']) && Number::read(field) == Err(Unclear::Exponent) {
        return vec![field];
    }
    let digits = |text: &str| text.chars().filter(|c| c.is_numeric()).count();
    let mut parts: Vec<&str> = Vec::new();
    for part in field.split([',', ';', '|', '\n', '\r']).flat_map(|part| part.split(":::")) {
        let starts = part.char_indices().filter(|(_, c)| matches!(c, '+' | '＋')).map(|(at, _)| at);
        let mut ends: Vec<usize> = starts.chain([part.len()]).collect();
        // An opening bracket before a plus is part of the number.
        ends.retain(|end| digits(&part[..*end]) > 0 || *end == part.len());
        let mut start = 0;
        for end in ends {
            let number = part[start..end].trim_matches([' ', '/', '&', '\u{a0}']);
            start = end;
            let is_extension = digits(number) < *LENGTH.start() && parts.last().is_some_and(|last| digits(last) >= 7);
            if number.chars().any(char::is_alphanumeric) && !is_extension {
                parts.push(number);
            }
        }
    }
    parts
}

/// One number as a chat id. A text that is a chat id already is taken as it is.
pub fn convert(text: &str, country_code: Option<&str>) -> Result<ChatId, Failure> {
    let not_converted = |why: &str, hint: &str| {
        Failure::new(Kind::InvalidChatId, format!("{}: {why}", sanitize(&shorten(text, SHOWN)))).hint(hint)
    };
    let text = text.trim();
    if let Ok(chat) = ChatId::parse(text, Rule::Lenient) {
        return Ok(chat);
    }
    let number = match Number::read(text) {
        Err(Unclear::Ambiguous) => Number::read(without_extension(text)),
        read => read,
    };
    let number = number.map_err(|unclear| match unclear {
        Unclear::Exponent => not_converted(
            "a number that a spreadsheet shortened: its last digits may be lost",
            "format the column as text and export it again",
        ),
        Unclear::Ambiguous => not_converted(
            "not a phone number, or one that can be read in several ways",
            "write each number with its country code",
        ),
    })?;
    let digits = match country_code {
        Some(code) if !number.is_international => with_country_code(&number.digits, code),
        _ => match number.international() {
            Some(digits) => digits.to_owned(),
            None => {
                let hint = "--country-code N adds it, as in --country-code 44";
                return Err(not_converted("a number without its country code", hint));
            }
        },
    };
    let chat = ChatId::parse(&format!("{digits}@c.us"), Rule::Lenient);
    chat.ok().filter(|_| LENGTH.contains(&digits.len())).ok_or_else(|| {
        not_converted(
            "not a phone number: with its country code it has 7 to 15 digits",
            "write each number with its country code",
        )
    })
}

/// The digits of a national number with the country code, or unchanged if they begin with it.
fn with_country_code(digits: &str, code: &str) -> String {
    let national = trunk_prefixes(code).iter().find_map(|trunk| digits.strip_prefix(trunk));
    match national {
        Some(national) => format!("{code}{national}"),
        None if digits.starts_with(code) && (11..=12).contains(&digits.len()) => digits.to_owned(),
        None => format!("{code}{digits}"),
    }
}

/// The text before `ext. 5`, `x5`, `#5` or a note such as `(home)`.
fn without_extension(text: &str) -> &str {
    let mut digits = 0;
    for (at, c) in text.char_indices() {
        if c.is_numeric() {
            digits += 1;
        } else if digits >= *LENGTH.start() && (c.is_alphabetic() || matches!(c, '#' | '*' | '(')) {
            let rest = &text[at..];
            let is_short = rest.chars().filter(|c| c.is_numeric()).count() < *LENGTH.start();
            return if is_short { text[..at].trim_end_matches([' ', '-', '.', '[']) } else { text };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str, code: Option<&str>) -> Option<String> {
        convert(text, code).ok().map(|chat| chat.to_string().replace("@c.us", ""))
    }

    #[test]
    fn without_a_country_code_only_international_numbers_are_converted() {
        for (text, digits) in [
            ("+1 (100) 123-45-67", Some("11001234567")),
            ("00 44 7700 900123", Some("447700900123")),
            ("+44 (0)7700 900123", Some("447700900123")),
            ("+65 8123 4567", Some("6581234567")),
            ("11001234567", Some("11001234567")),
            ("110012345678", Some("110012345678")),
            ("11001234567.0", Some("11001234567")),
            ("+1 100 123 4567 ext. 5", Some("11001234567")),
            ("+1 100 123 4567x5", Some("11001234567")),
            ("+1 100 123 4567 (home)", Some("11001234567")),
            ("+1 100 123 4567 доб. 12", Some("11001234567")),
            ("120363043968066561@g.us", Some("120363043968066561@g.us")),
            ("1100123@c.us", Some("1100123")),
            ("89001234567", None),
            ("07700 900123", None),
            ("+44 07700 900123", None),
            ("1100123456", None),
            ("11001234567/8", None),
            ("+123456", None),
            ("+1234567890123456", None),
            ("1.10012E+10", None),
            ("a@example.com", None),
            ("", None),
        ] {
            assert_eq!(id(text, None).as_deref(), digits, "{text:?}");
        }
        assert!(convert("1.10012E+10", Some("1")).expect_err("lost digits").message().contains("spreadsheet"));
    }

    #[test]
    fn a_country_code_is_added_to_national_numbers() {
        for (text, code, digits) in [
            ("07700 900123", "44", "447700900123"),
            ("(0)7700 900123", "44", "447700900123"),
            ("7700 900123", "44", "447700900123"),
            ("447700900123", "44", "447700900123"),
            ("+1 100 123 4567", "44", "11001234567"),
            ("8 (900) 123-45-67", "7", "79001234567"),
            ("9001234567", "7", "79001234567"),
            ("79001234567", "7", "79001234567"),
            ("8 029 123 45 67", "375", "375291234567"),
            ("80 29 123 45 67", "375", "375291234567"),
            ("06 30 123 4567", "36", "36301234567"),
            ("06 1234 5678", "39", "390612345678"),
            ("1001234567", "1", "11001234567"),
            ("8123 4567", "65", "6581234567"),
        ] {
            assert_eq!(id(text, Some(code)).as_deref(), Some(digits), "{text:?} in {code}");
        }
        assert_eq!(id("123456789012345", Some("44")), None);
    }

    #[test]
    fn a_field_may_hold_several_numbers() {
        for (field, parts) in [
            ("+1 100 123 4567", &["+1 100 123 4567"][..]),
            ("+11001234567 ::: +11001234568", &["+11001234567", "+11001234568"]),
            ("+11001234567 / +11001234568", &["+11001234567", "+11001234568"]),
            ("+11001234567;+11001234568", &["+11001234567", "+11001234568"]),
            ("11001234567, 11001234568", &["11001234567", "11001234568"]),
            ("11001234567,5", &["11001234567"]),
            ("tel:+1-100-123-4567;ext=5", &["tel:+1-100-123-4567"]),
            ("(+1) 100 123 4567", &["(+1) 100 123 4567"]),
            ("1,10012E+10", &["1,10012E+10"]),
            ("12345", &["12345"]),
            ("-", &[]),
            ("", &[]),
        ] {
            assert_eq!(split(field), parts, "{field:?}");
        }
    }
}
