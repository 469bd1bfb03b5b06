//! vCards 2.1, 3.0 and 4.0: their names and phone numbers. Everything else, photos above all, is passed over unread.
//!
//! Three properties of a format of lines: the crates for vCards bring a dozen others for what is not needed here.

use std::ops::ControlFlow;

use encoding_rs::{Encoding, UTF_8};

use super::{Bytes, Found, LONGEST_RECORD, LineCounter, Sink, Summary};
use crate::failure::Failure;

/// Finds the numbers of all vCards of a file.
pub fn parse(bytes: Bytes<'_>, sink: &mut Sink<'_>) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    let mut lines = Lines { bytes, counter: LineCounter::default(), ahead: None };
    let mut open: Option<Card> = None;
    while let Some(line) = lines.next_unfolded()? {
        let property = Property::of(&line.text);
        let ends = match (property.name.as_str(), &mut open) {
            ("BEGIN", _) if property.is_vcard() => {
                let before = open.replace(Card { line: line.number, ..Card::default() });
                before.is_some_and(|card| sink(card.line, Found::Broken(WITHOUT_END)).is_break())
            }
            ("END", _) if property.is_vcard() => {
                let card = open.take();
                card.is_some_and(|card| card.emit(&mut summary, sink).is_break())
            }
            (_, Some(card)) => {
                card.take(&property, line.number, &mut summary);
                false
            }
            _ => false,
        };
        if ends {
            return Ok(summary);
        }
    }
    if let Some(card) = open {
        let _ = sink(card.line, Found::Broken(WITHOUT_END));
    }
    Ok(summary)
}

const WITHOUT_END: &str = "a vCard without END:VCARD";

/// What is known of the current vCard.
#[derive(Default)]
struct Card {
    line: u64,
    name: String,
    /// The parts of the name, if there is no whole one.
    parts: String,
    numbers: Vec<(u64, String)>,
    /// Bytes of all of these.
    size: usize,
}

impl Card {
    fn take(&mut self, property: &Property<'_>, line: u64, summary: &mut Summary) {
        if !property.is_wanted() || self.size > LONGEST_RECORD {
            return;
        }
        let (text, is_bad) = property.text();
        self.size += text.len() + 16;
        match property.name.as_str() {
            "TEL" => self.numbers.push((line, unescaped(&text))),
            "FN" if self.name.is_empty() => {
                (self.name, summary.has_bad_utf8) = (unescaped(&text), summary.has_bad_utf8 | is_bad)
            }
            "N" if self.parts.is_empty() => {
                // Family name; given name; additional names; prefixes; suffixes.
                let parts: Vec<String> =
                    split_unescaped(&text).iter().map(|part| unescaped(part).trim().to_owned()).collect();
                let ordered = [1, 2, 0].map(|at: usize| parts.get(at).map_or("", String::as_str));
                self.parts = ordered.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
                summary.has_bad_utf8 |= is_bad;
            }
            _ => {}
        }
    }

    fn emit(&self, summary: &mut Summary, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.size > LONGEST_RECORD {
            return sink(self.line, Found::Broken("a vCard with more than 64 KiB of names and numbers"));
        }
        summary.without_number += u64::from(self.numbers.is_empty());
        let name = if self.name.trim().is_empty() { &self.parts } else { &self.name };
        self.numbers.iter().try_for_each(|(line, number)| sink(*line, Found::Numbers(number, name)))
    }
}

/// `item1.TEL;TYPE=CELL:+11001234567`, taken apart.
struct Property<'a> {
    /// In capital letters, without its group.
    name: String,
    /// In capital letters: `TYPE=CELL`, `QUOTED-PRINTABLE`.
    parameters: Vec<String>,
    value: &'a [u8],
}

impl<'a> Property<'a> {
    fn of(line: &'a [u8]) -> Property<'a> {
        let mut is_quoted = false;
        let colon = line.iter().position(|&b| {
            is_quoted ^= b == b'"';
            b == b':' && !is_quoted
        });
        let (head, value) = line.split_at(colon.unwrap_or(line.len()));
        let head = String::from_utf8_lossy(head).to_uppercase();
        let mut words = head.split(';').map(|word| word.trim().to_owned());
        let name = words.next().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default().to_owned();
        Property { name, parameters: words.collect(), value: value.get(1..).unwrap_or_default() }
    }

    fn is_wanted(&self) -> bool {
        matches!(self.name.as_str(), "FN" | "N" | "TEL")
    }

    fn is_vcard(&self) -> bool {
        self.value.trim_ascii().eq_ignore_ascii_case(b"VCARD")
    }

    fn is_quoted_printable(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.ends_with("QUOTED-PRINTABLE"))
    }

    /// The decoded value, and whether it held bytes that its character set does not know.
    fn text(&self) -> (String, bool) {
        let decoded = if self.is_quoted_printable() { quoted_printable(self.value) } else { self.value.to_vec() };
        let label = self.parameters.iter().find_map(|parameter| parameter.strip_prefix("CHARSET="));
        let charset = label.and_then(|label| Encoding::for_label(label.trim_matches('"').as_bytes())).unwrap_or(UTF_8);
        let (text, is_bad) = charset.decode_without_bom_handling(&decoded);
        (text.into_owned(), is_bad)
    }
}

/// Decodes `=D0=98`; what is not that stays. An `=` at the end of a line was removed with the line's end.
fn quoted_printable(value: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        let byte = (*first == b'=').then(|| after.get(..2)).flatten().and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok().filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(hex, 16).ok()
        });
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    decoded
}

/// Removes the backslashes of `\,`, `\;` and `\n`.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('n' | 'N') | None => ' ',
                Some(c) => c,
            },
            c => c,
        });
    }
    plain
}

/// The parts of a text between semicolons that have no backslash before them.
fn split_unescaped(text: &str) -> Vec<&str> {
    let mut is_escaped = false;
    text.split(|c| {
        let is_end = c == ';' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    })
    .collect()
}

/// A line without its end.
struct Line {
    /// No more than 64 KiB of it.
    text: Vec<u8>,
    number: u64,
}

struct Lines<'a> {
    bytes: Bytes<'a>,
    counter: LineCounter,
    ahead: Option<Line>,
}

impl Lines<'_> {
    /// The next line with those that continue it.
    fn next_unfolded(&mut self) -> Result<Option<Line>, Failure> {
        let first = match self.ahead.take() {
            Some(line) => Some(line),
            None => self.next()?,
        };
        let Some(mut line) = first else { return Ok(None) };
        let property = Property::of(&line.text);
        let (is_quoted_printable, is_wanted) = (property.is_quoted_printable(), property.is_wanted());
        while let Some(next) = self.next()? {
            let continued = match &next.text[..] {
                // The end of a line in quoted-printable is taken back by an equals sign.
                text if is_quoted_printable && line.text.last() == Some(&b'=') => {
                    line.text.pop();
                    text
                }
                [b' ' | b'\t', text @ ..] => text,
                _ => {
                    self.ahead = Some(next);
                    break;
                }
            };
            let room = if is_wanted { LONGEST_RECORD.saturating_sub(line.text.len()) } else { 0 };
            line.text.extend_from_slice(&continued[..continued.len().min(room)]);
        }
        Ok(Some(line))
    }

    fn next(&mut self) -> Result<Option<Line>, Failure> {
        let (number, mut text) = (self.counter.line, Vec::new());
        let mut is_empty = true;
        while self.bytes.fill()? {
            if std::mem::take(&mut self.counter.after_cr) && self.bytes.rest()[0] == b'\n' {
                self.bytes.consume(1);
                continue;
            }
            is_empty = false;
            let rest = self.bytes.rest();
            let end = rest.iter().position(|&b| b == b'\n' || b == b'\r');
            let length = end.unwrap_or(rest.len());
            text.extend_from_slice(&rest[..length.min(LONGEST_RECORD - text.len())]);
            let passed = end.map_or(length, |end| end + 1);
            self.counter.pass(&rest[..passed]);
            self.bytes.consume(passed);
            if end.is_some() {
                break;
            }
        }
        Ok((!is_empty).then_some(Line { text, number }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, a line each: `line name: number` or `line ! problem`.
    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        parse(Bytes::of(text.as_bytes()), &mut |line, what| {
            found.push(match what {
                Found::Numbers(number, name) => format!("{line} {name}: {number}"),
                Found::Broken(message) => format!("{line} ! {message}"),
            });
            ControlFlow::Continue(())
        })
        .expect("no file");
        found
    }

    #[test]
    fn every_line_end_and_every_way_to_fold_is_known() {
        let text = "BEGIN:VCARD\nitem1.TEL;TYPE=CELL:+1 100\n  123 4501\nFN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:Jos=\n=C3=A9\nEND:VCARD\n";
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(found(&text.replace('\n', end)), ["2 José: +1 100 123 4501"], "{end:?}");
        }
    }

    #[test]
    fn the_name_is_fn_or_made_of_the_parts() {
        let card = |name: &str| found(&format!("BEGIN:VCARD\n{name}\nTEL:1\nEND:VCARD\n"));
        assert_eq!(card("FN:Lovelace\\, Ada"), ["3 Lovelace, Ada: 1"]);
        assert_eq!(card("N:Lovelace;Ada;King;;"), ["3 Ada King Lovelace: 1"]);
        assert_eq!(card("N:Semi\\;colon;Ada"), ["3 Ada Semi;colon: 1"]);
        assert_eq!(card("NOTE:x"), ["3 : 1"]);
    }

    #[test]
    fn a_vcard_without_its_end_is_reported_and_left_out() {
        let whole = "BEGIN:VCARD\nFN:Ada\nTEL:1\nEND:VCARD\n";
        let cut = "BEGIN:VCARD\nFN:Grace\nTEL:2\n";
        assert_eq!(found(&format!("{cut}{whole}")), [format!("1 ! {WITHOUT_END}"), "6 Ada: 1".into()]);
        assert_eq!(found(&format!("{whole}{cut}")), ["3 Ada: 1".into(), format!("5 ! {WITHOUT_END}")]);
    }

    #[test]
    fn memory_is_bounded() {
        let photo = format!("PHOTO;ENCODING=b:{}\n", "x".repeat(1_000_000)) + &" y\n".repeat(100_000);
        let card = |more: &str| format!("BEGIN:VCARD\nFN:Ada\n{more}TEL:1\nEND:VCARD\n");
        assert_eq!(found(&card(&photo)), ["100004 Ada: 1"]);
        let numbers = found(&card(&"TEL:1\n".repeat(100_000)));
        assert_eq!(numbers, ["1 ! a vCard with more than 64 KiB of names and numbers"]);
    }
}
