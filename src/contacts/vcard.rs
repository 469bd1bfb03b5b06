//! vCards 2.1, 3.0 and 4.0: their names and phone numbers.
//!
//! `calcard` parses one card at a time. It gets the lines with a name or a number only, so that a photo of any size is
//! skipped unread and memory is bounded.

use std::ops::ControlFlow;
use std::time::Instant;

use calcard::vcard::{VCard, VCardProperty, VCardValue};
use calcard::{Entry, Parser};
use encoding_rs::{Encoding, UTF_8};
use quoted_printable::ParseMode;

use super::{LONGEST_RECORD, Sink, Summary};
use crate::batch::feed::{Feed, Next};
use crate::failure::Failure;
use crate::shutdown::{self, SLICE};

const WITHOUT_END: &str = "a vCard without END:VCARD";
const TOO_LONG: &str = "a vCard with more than 64 KiB of names and numbers";

pub fn parse(feed: &mut Feed, sink: &mut Sink<'_>) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    let mut open: Option<Card> = None;
    while let Some((number, line)) = next_line(feed)? {
        let (name, head, _) = property_of(&line);
        let is_inside = open.as_ref().is_some_and(|card| card.continues(&line));
        let before = match name.as_str() {
            "BEGIN" if !is_inside => open.replace(Card { line: number, ..Card::default() }),
            "END" if !is_inside => {
                if open.take().is_some_and(|card| card.emit(&mut summary, sink).is_break()) {
                    return Ok(summary);
                }
                None
            }
            _ => {
                if let Some(card) = &mut open {
                    card.push(number, &line, is_inside, &name, &head);
                }
                None
            }
        };
        if before.is_some_and(|card| sink(card.line, Err(WITHOUT_END)).is_break()) {
            return Ok(summary);
        }
    }
    if let Some(card) = open {
        let _ = sink(card.line, Err(WITHOUT_END));
    }
    Ok(summary)
}

/// The lines of a card that are parsed.
#[derive(Default)]
struct Card {
    /// The number of its first line.
    line: u64,
    /// Its properties that are kept, decoded and without parameters.
    text: String,
    /// The last of them, unfolded: a line may be folded within a character.
    property: Vec<u8>,
    /// The number of the line of each TEL.
    numbers: Vec<u64>,
    /// Whether the last property is kept.
    is_kept: bool,
    is_quoted_printable: bool,
    /// Whether the next line goes on with a value in quoted-printable.
    is_soft_break: bool,
    charset: Option<&'static Encoding>,
    has_bad_text: bool,
}

impl Card {
    /// Whether a line belongs to the property of the line before.
    fn continues(&self, line: &[u8]) -> bool {
        self.is_soft_break || matches!(line, [b' ' | b'\t', ..])
    }

    fn push(&mut self, number: u64, line: &[u8], is_continued: bool, name: &str, head: &str) {
        if !is_continued {
            self.end_property();
            self.is_kept = matches!(name, "VERSION" | "FN" | "N" | "TEL");
            if name == "TEL" && self.size() <= LONGEST_RECORD {
                self.numbers.push(number);
            }
            let label = head.split(';').find_map(|parameter| parameter.strip_prefix("CHARSET="));
            self.charset = label.and_then(|label| Encoding::for_label(label.trim_matches('"').as_bytes()));
            self.is_quoted_printable = head.contains("QUOTED-PRINTABLE");
        }
        if self.is_kept && self.size() <= LONGEST_RECORD {
            let more = match (is_continued, self.is_soft_break) {
                (false, _) => line,
                (true, false) => &line[1..],
                (true, true) => {
                    self.property.pop();
                    line
                }
            };
            self.property.extend_from_slice(more);
        }
        self.is_soft_break = self.is_quoted_printable && line.ends_with(b"=");
    }

    fn end_property(&mut self) {
        let property = std::mem::take(&mut self.property);
        if property.is_empty() {
            return;
        }
        let (name, _, value) = property_of(&property);
        let decoded = match self.is_quoted_printable {
            true => quoted_printable::decode(value, ParseMode::Robust).unwrap_or_default(),
            false => value.to_vec(),
        };
        let (value, is_bad) = self.charset.unwrap_or(UTF_8).decode_without_bom_handling(&decoded);
        self.has_bad_text |= is_bad;
        self.text.push_str(&format!("{name}:{}\n", value.replace(['\r', '\n'], " ")));
    }

    fn size(&self) -> usize {
        self.text.len() + self.property.len()
    }

    fn emit(mut self, summary: &mut Summary, sink: &mut Sink<'_>) -> ControlFlow<()> {
        self.end_property();
        if self.text.len() > LONGEST_RECORD {
            return sink(self.line, Err(TOO_LONG));
        }
        let text = format!("{}END:VCARD\n", self.text);
        // Not `entry`, with which its parser of calendars would be linked.
        let Entry::VCard(card) = Parser::new(&text).vcard() else {
            return sink(self.line, Err("a vCard that cannot be parsed"));
        };
        let name = name_of(&card);
        summary.has_bad_utf8 |= self.has_bad_text || name.contains('\u{fffd}');
        summary.without_number += u64::from(self.numbers.is_empty());
        let numbers = card.properties(&VCardProperty::Tel).filter_map(|entry| entry.values.first()?.as_text());
        self.numbers.iter().zip(numbers).try_for_each(|(line, number)| sink(*line, Ok((number, &name))))
    }
}

/// FN, or the parts of N: given name, additional names, family name.
fn name_of(card: &VCard) -> String {
    let values = |property| card.properties(property).next().map(|entry| &entry.values[..]).unwrap_or_default();
    let words = |value: &VCardValue| match value {
        VCardValue::Component(words) => words.join(" "),
        value => value.as_text().unwrap_or_default().trim().to_owned(),
    };
    match values(&VCardProperty::Fn).first().map(words).filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => {
            let parts: Vec<String> = values(&VCardProperty::N).iter().map(words).collect();
            let parts = [1, 2, 0].map(|at: usize| parts.get(at).map_or("", String::as_str));
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        }
    }
}

/// The name of a property without its group, all that is before the colon, both in capitals, and the value.
fn property_of(line: &[u8]) -> (String, String, &[u8]) {
    let mut is_quoted = false;
    let ends_head = |&b: &u8| {
        is_quoted ^= b == b'"';
        b == b':' && !is_quoted
    };
    // A quote may be left open.
    let colon = line.iter().position(ends_head).or_else(|| line.iter().position(|&b| b == b':'));
    let (head, value) = line.split_at(colon.unwrap_or(line.len()));
    let head = String::from_utf8_lossy(head).to_uppercase();
    // A file made of several has their byte-order marks within.
    let name = head.split(';').next().unwrap_or_default().trim_start_matches('\u{feff}').trim();
    (name.rsplit('.').next().unwrap_or_default().to_owned(), head, value.get(1..).unwrap_or_default())
}

/// The next line, of a longer one the first 64 KiB. A signal counts as the end of the file.
fn next_line(feed: &mut Feed) -> Result<Option<(u64, Vec<u8>)>, Failure> {
    while shutdown::signal().is_none() {
        match feed.next_line(LONGEST_RECORD, Some(Instant::now() + SLICE))? {
            Next::Item(line) => return Ok(Some(line)),
            Next::End => break,
            Next::Waiting => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, a line each: `line name: number` or `line ! problem`.
    fn found(text: impl AsRef<[u8]>) -> Vec<String> {
        let mut found = Vec::new();
        parse(&mut Feed::of(text.as_ref()), &mut |line, what| {
            found.push(match what {
                Ok((number, name)) => format!("{line} {name}: {number}"),
                Err(message) => format!("{line} ! {message}"),
            });
            ControlFlow::Continue(())
        })
        .expect("no file");
        found
    }

    #[test]
    fn every_line_end_and_form_of_folding_is_read() {
        let text = "BEGIN:VCARD\nitem1.TEL;TYPE=CELL:+1 100\n  123 4501\nFN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:Jos=\n=C3=A9\nEND:VCARD\n";
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(found(text.replace('\n', end)), ["2 José: +1 100 123 4501"], "{end:?}");
        }
    }

    #[test]
    fn a_line_may_be_folded_within_a_character() {
        let parts: [&[u8]; 3] = [b"BEGIN:VCARD\nFN:Jos\xc3\n \xa9", b"\n\t L", b"\nTEL:1\nEND:VCARD\n"];
        assert_eq!(found(parts.concat()), ["5 José L: 1"]);
    }

    #[test]
    fn a_name_in_quoted_printable_is_utf8_unless_it_says_otherwise() {
        let card = |name: &str| found(format!("BEGIN:VCARD\nVERSION:2.1\n{name}\nTEL;CELL:1\nEND:VCARD\n"));
        assert_eq!(card("N;Quoted-Printable:L;Jos=C3=A9"), ["4 José L: 1"]);
        assert_eq!(card("FN;ENCODING=QUOTED-PRINTABLE:Jos=E9 =3D"), ["4 Jos\u{fffd} =: 1"]);
        assert_eq!(card("FN;CHARSET=SHIFT_JIS;ENCODING=QUOTED-PRINTABLE:=8E=52=93=63"), ["4 山田: 1"]);
        assert_eq!(card("FN;ENCODING=QUOTED-PRINTABLE:Jo\n s=\n=C3=A9"), ["6 José: 1"]);
        assert_eq!(card("N;ENCODING=QUOTED-PRINTABLE:L=5C=3BM;A=0D=0AB"), ["4 A  B L;M: 1"]);
        assert_eq!(card("FN;ENCODING=QUOTED-PRINTABLE:1 = 2; 3=2C 4"), ["4 1 = 2; 3, 4: 1"]);
        assert_eq!(card("FN:Lovelace, Ada; L"), ["4 Lovelace, Ada; L: 1"]);
    }

    #[test]
    fn the_parameters_of_a_number_do_not_matter() {
        for parameters in ["item1.TEL;TYPE=\"a:b\"", "a.b.TEL", "TEL;VALUE=integer", "tel;value=uri", "TEL;TYPE=\"a"] {
            assert_eq!(
                found(format!("BEGIN:VCARD\nFN:A\n{parameters}:1\nTEL\nEND:VCARD\n"))[0],
                "3 A: 1",
                "{parameters}"
            );
        }
    }

    #[test]
    fn the_name_is_fn_or_made_of_the_parts() {
        let card = |name: &str| found(format!("BEGIN:VCARD\n{name}\nTEL:1\nEND:VCARD\n"));
        assert_eq!(card("FN:Lovelace\\, Ada"), ["3 Lovelace, Ada: 1"]);
        assert_eq!(card("N:Lovelace;Ada;King;;"), ["3 Ada King Lovelace: 1"]);
        assert_eq!(card("N:Semi\\;colon;Ada"), ["3 Ada Semi;colon: 1"]);
        assert_eq!(card("NOTE:x"), ["3 : 1"]);
    }

    #[test]
    fn a_vcard_without_its_end_is_reported_and_left_out() {
        let whole = "BEGIN:VCARD\nFN:Ada\nTEL:1\nEND:VCARD\n";
        let cut = "BEGIN:VCARD\nFN:Grace\nTEL:2\n";
        assert_eq!(found(format!("{cut}{whole}")), [format!("1 ! {WITHOUT_END}"), "6 Ada: 1".into()]);
        assert_eq!(found(format!("{whole}{cut}")), ["3 Ada: 1".into(), format!("5 ! {WITHOUT_END}")]);
    }

    #[test]
    fn files_may_be_joined_with_their_byte_order_marks() {
        let card = "\u{feff}BEGIN:VCARD\nFN:Ada\nTEL:1\nEND:VCARD\n";
        assert_eq!(found(card.repeat(2)), ["3 Ada: 1", "7 Ada: 1"]);
    }

    #[test]
    fn memory_is_bounded() {
        let photo = format!("PHOTO;ENCODING=b:{}\n", "x".repeat(1_000_000)) + &" y\n".repeat(100_000);
        let card = |more: &str| format!("BEGIN:VCARD\nFN:Ada\n{more}TEL:1\nEND:VCARD\n");
        assert_eq!(found(card(&photo)), ["100004 Ada: 1"]);
        let numbers = found(card(&"TEL:1\n".repeat(100_000)));
        assert_eq!(numbers, ["1 ! a vCard with more than 64 KiB of names and numbers"]);
    }
}
