//! Phone numbers as people write them: their digits, if the text has exactly one possible reading, and the trunk
//! prefixes of countries.
//!
//! Used for the hints of a mistyped chat id and for the numbers of an address book. No table of number ranges: only
//! the lengths of country codes and their trunk prefixes are known.

use crate::text::is_unsafe;

#[derive(Debug, PartialEq, Eq)]
pub struct Number {
    /// ASCII digits, without a leading `+` or `00`.
    pub digits: String,
    /// Whether it was written with `+` or `00`, that is, with its country code.
    pub is_international: bool,
}

/// Why a text has no single reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// A spreadsheet wrote the number as `1.10012E+10`: its last digits may be lost.
    Exponent,
    /// Not a number, or one that can be read in more than one way.
    Ambiguous,
}

/// Signs around a number that are not part of it. `=` comes from Excel's `="11001234567"`.
const AROUND: &[char] = &[' ', '"', '\'', '`', '<', '>', '=', ',', ';', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];
/// Country codes of one and two digits; all others have three.
const SHORT_CODES: &[&str] = &[
    "1", "7", "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48",
    "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84",
    "86", "90", "91", "92", "93", "94", "95", "98",
];
/// The zeros of the decimal digits in the Basic Multilingual Plane.
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
];

impl Number {
    /// Reads one number. Spaces, brackets and dashes between its groups are removed, and a `(0)` after the country
    /// code.
    pub fn read(text: &str) -> Result<Number, Unclear> {
        let text = fold(text);
        let text = without_link(text.trim_matches(AROUND)).trim_matches(AROUND);
        if is_exponent(text) {
            return Err(Unclear::Exponent);
        }
        let mut plain = text.replace(' ', "");
        if plain.ends_with(".0") && plain.matches('.').count() == 1 || plain.ends_with(",0") {
            plain.truncate(plain.len() - 2);
        }
        if has_loose_end(&plain) {
            return Err(Unclear::Ambiguous);
        }
        if let Some((code, rest)) = plain.split_once("(0)") {
            let code = code.trim_start_matches(['(', '+']);
            let code = code.strip_prefix("00").unwrap_or(code).trim_end_matches(')');
            let is_code = code.len() <= 3 && code.bytes().all(|b| b.is_ascii_digit());
            // In these countries the zero is part of the number.
            if !is_code || ["39", "225", "242", "378"].contains(&code) || rest.contains("(0)") {
                return Err(Unclear::Ambiguous);
            }
            if !code.is_empty() {
                plain = plain.replacen("(0)", "", 1);
            }
        }
        let (mut digits, mut has_plus) = (String::with_capacity(plain.len()), false);
        for c in plain.chars() {
            match c {
                '0'..='9' => digits.push(c),
                '+' if digits.is_empty() && !has_plus => has_plus = true,
                '(' | ')' | '[' | ']' | '-' | '.' | '/' => {}
                _ => return Err(Unclear::Ambiguous),
            }
        }
        let has_zeros = !has_plus && plain.trim_start_matches(['(', '[']).starts_with("00");
        if has_zeros {
            digits.drain(..2);
        }
        let is_international = has_plus || has_zeros;
        if digits.is_empty() || is_international && has_trunk_zero(&digits) {
            return Err(Unclear::Ambiguous);
        }
        Ok(Number { digits, is_international })
    }

    /// The digits with the country code, if the text has it: after `+` or `00`, or as the documented 11 or 12 digits.
    /// Eleven that begin with 8 may be a Russian number with its trunk prefix.
    pub fn international(&self) -> Option<&str> {
        let is_bare = match self.digits.len() {
            11 => !self.digits.starts_with(['0', '8']),
            12 => !self.digits.starts_with('0'),
            _ => false,
        };
        (self.is_international || is_bare).then_some(&self.digits)
    }
}

/// The prefix that a country's numbers have when they are dialled within it, the longest first; none for some.
pub fn trunk_prefixes(country_code: &str) -> &'static [&'static str] {
    match country_code {
        "1" | "39" | "45" | "47" | "225" | "242" | "378" => &[],
        "7" => &["8"],
        "36" => &["06"],
        "375" => &["80", "8"],
        _ => &["0"],
    }
}

/// The text in lower case and ASCII, as far as digits, dashes and spaces go, without invisible characters and without
/// spaces at its ends.
pub fn fold(text: &str) -> String {
    let folded = text.chars().filter_map(|c| match c {
        c if c.is_ascii_graphic() => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some(' '),
        c if is_unsafe(c) => None,
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => Some('-'),
        '\u{fe62}' => Some('+'),
        // Fullwidth forms.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).map(|c| c.to_ascii_lowercase()),
        c => Some(ascii_digit(c).unwrap_or(c)),
    });
    folded.collect::<String>().trim().to_owned()
}

fn ascii_digit(c: char) -> Option<char> {
    let value = match c as u32 {
        code @ 0x1d7ce..=0x1d7ff => (code - 0x1d7ce) % 10,
        code => code - ZEROS[..ZEROS.partition_point(|zero| *zero <= code)].last()?,
    };
    char::from_digit(value, 10)
}

/// The number in a link such as `tel:…` or `https://wa.me/…?text=…`, or the text itself.
fn without_link(text: &str) -> &str {
    for start in ["wa.me/", "phone=", "tel:", "whatsapp:"] {
        if let Some((_, number)) = text.split_once(start) {
            return number.split(['?', '&']).next().unwrap_or_default().trim_end_matches('/');
        }
    }
    text
}

fn is_exponent(text: &str) -> bool {
    text.split_once('e').is_some_and(|(mantissa, exponent)| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let is_number = |text: &str, also: &[char]| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || also.contains(&c))
        };
        is_number(mantissa, &['.', ',', '+', '-']) && is_number(exponent, &[])
    })
}

/// Whether a number without spaces may have something that does not belong to it: a second number, an extension, a
/// check digit or decimals at its end, or a dash or the like at its start.
fn has_loose_end(plain: &str) -> bool {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    let around = |sign: char| plain.rsplit_once(sign).map(|(before, after)| (digits(before), after.len()));
    let has_one_dot = plain.matches('.').count() == 1;
    let is_decimal =
        |before: usize| before >= 7 && plain.trim_start_matches('+').bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !plain.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '(' | '['))
        || plain.ends_with([')', ']'])
        || around('-').is_some_and(|(_, after)| after <= 1)
        || around('/').is_some_and(|(before, after)| after <= 2 || before >= 9)
        || around('.').is_some_and(|(before, after)| has_one_dot && (after <= 2 || is_decimal(before)))
}

/// Whether the country code is followed by the zero that numbers have only within their country. In a country without a
/// trunk prefix, a zero is part of the number. A number that begins with 0 has no country code at all.
fn has_trunk_zero(digits: &str) -> bool {
    let code = SHORT_CODES.iter().find(|code| digits.starts_with(**code)).map_or(3, |code| code.len());
    let (code, rest) = digits.split_at(code.min(digits.len()));
    digits.starts_with('0') || rest.starts_with('0') && !trunk_prefixes(code).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn international(text: &str) -> Option<String> {
        Number::read(text).ok().and_then(|number| number.international().map(str::to_owned))
    }

    #[test]
    fn a_text_with_one_reading_is_a_number() {
        for (text, digits) in [
            ("+1 100 123-45-67", "11001234567"),
            ("(+1) 100 123 45 67", "11001234567"),
            ("+1.1001234567", "11001234567"),
            ("(1100) 123.45.67", "11001234567"),
            ("00 1 100 1234567", "11001234567"),
            ("(001) 100 1234567", "11001234567"),
            ("11001234567.0", "11001234567"),
            ("11001234567,0", "11001234567"),
            ("=\"11001234567\"", "11001234567"),
            ("'11001234567", "11001234567"),
            ("https://wa.me/11001234567?text=hi", "11001234567"),
            ("https://api.whatsapp.com/send?phone=11001234567&text=hi", "11001234567"),
            ("<tel:+1-100-123-4567>", "11001234567"),
            ("\u{200e}+1\u{a0}100\u{202c}1234567\u{fe0f}", "11001234567"),
            ("\u{661}\u{661}\u{660}\u{660}\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}", "11001234567"),
            ("\u{1d7cf}\u{1d7d9}\u{966}\u{966}1234567", "11001234567"),
            ("+44 (0)7700 900123", "447700900123"),
            ("0044 (0) 7700 900123", "447700900123"),
            ("44 (0)7700 900123", "447700900123"),
            ("(+44)(0)7700 900123", "447700900123"),
            ("+49 30/123456", "4930123456"),
            ("+65 8123 4567", "6581234567"),
            ("+39 06 1234567", "39061234567"),
            ("+225 07 12345678", "2250712345678"),
            ("110012345678", "110012345678"),
        ] {
            assert_eq!(international(text).as_deref(), Some(digits), "{text:?}");
        }
    }

    #[test]
    fn a_text_with_several_readings_is_refused() {
        for text in [
            "",
            "+",
            "00",
            "07700 900123",
            "(0)7700 900123",
            "(07700) 900123",
            "+44 07700 900123",
            "+4407700900123",
            "+44 (07700) 900123",
            "+39 (0)6 1234567",
            "+36 06 30 1234567",
            "+375 (029) 123-45-67",
            "+7 0900 1234567",
            "000 1 100 1234567",
            "011 1 100 1234567",
            "8 (900) 123-45-67",
            "1100123456",
            "1100123456789",
            "11001234567 ext. 5",
            "11001234567x5",
            "11001234567#5",
            "11001234567/8",
            "11001234567/68",
            "+11001234567/68/69",
            "+4930123456/654321",
            "11001234567, 11001234568",
            "+11001234567 +11001234568",
            "11001234567.5",
            "11001234567.25",
            "11001234567.125",
            "1100123456-7",
            "1100123456 - 7",
            "11001234567 (8)",
            "-11001234567",
            "a11001234567",
        ] {
            assert_eq!(international(text), None, "{text:?}");
        }
        assert_eq!(Number::read("1.10012E+10"), Err(Unclear::Exponent));
        assert_eq!(Number::read("1,10012e10"), Err(Unclear::Exponent));
    }

    #[test]
    fn a_national_number_keeps_its_trunk_prefix() {
        for (text, digits) in [("(0)7700 900123", "07700900123"), ("8 (900) 123-45-67", "89001234567")] {
            assert_eq!(Number::read(text), Ok(Number { digits: digits.into(), is_international: false }));
        }
    }
}
