//! Tables: CSV with commas, semicolons or tabs, with or without a header, and plain lines of numbers.
//!
//! The columns are found by the header's words, else by what is in the first records. A record is read in bounded
//! memory.

use std::ops::ControlFlow;

use super::headers::{FULL_NAME, NAME_PARTS, is_one_of, is_phone, may_be_name};
use super::records::{LineCounter, Record, Records};
use super::{Sink, Summary};
use crate::batch::feed::Feed;
use crate::chat_id::phone::{self, Number, Unclear};
use crate::chat_id::{ChatId, Rule};
use crate::failure::Failure;

/// How many records decide what kind of table it is.
const SAMPLE: usize = 100;

pub fn parse(feed: &mut Feed, sink: &mut Sink<'_>) -> Result<Summary, Failure> {
    let mut lines = LineCounter::default();
    let mut delimiter = delimiter_of(feed.rest());
    // Excel's line with the delimiter.
    if let [b's', b'e', b'p', b'=', given, b'\r' | b'\n', ..] = *feed.rest() {
        lines.pass(&feed.rest()[..5]);
        feed.consume(5);
        delimiter = given;
    }
    let layout = Layout::of(&first_records(feed.rest(), delimiter));
    let mut records = Records::new(feed, delimiter, lines);
    let mut summary = Summary::default();
    let mut is_header = layout.has_header;
    loop {
        let line = match records.next()? {
            Record::End => return Ok(summary),
            Record::Broken { line, message, is_last } => {
                if sink(line, Err(message)).is_break() || is_last {
                    return Ok(summary);
                }
                continue;
            }
            Record::At(line) => line,
        };
        if records.is_skipped() || std::mem::take(&mut is_header) {
            continue;
        }
        let mut text = |column: usize| {
            let text = String::from_utf8_lossy(records.field(column));
            summary.has_bad_utf8 |= matches!(text, std::borrow::Cow::Owned(_));
            text
        };
        let name = layout.name(&mut text);
        let mut has_number = false;
        for &column in &layout.phones {
            let field = String::from_utf8_lossy(records.field(column));
            has_number |= field.chars().any(char::is_alphanumeric);
            if let ControlFlow::Break(()) = sink(line, Ok((&field, &name))) {
                return Ok(summary);
            }
        }
        // Without a column of numbers no record can be converted.
        if layout.phones.is_empty() {
            let _ = sink(line, Err("no column of phone numbers was found"));
            return Ok(summary);
        }
        summary.without_number += u64::from(!has_number);
    }
}

/// The delimiter with which the most records have several fields; of several, the one with which the most records have
/// the same number of fields, and then not the comma, which is frequent in text.
fn delimiter_of(head: &[u8]) -> u8 {
    let rank = |delimiter: &u8| {
        let lengths: Vec<_> = first_records(head, *delimiter).iter().map(Vec::len).filter(|&len| len > 1).collect();
        let alike = lengths.iter().map(|a| lengths.iter().filter(|b| *b == a).count()).max();
        (lengths.len(), alike)
    };
    b",;\t".iter().copied().max_by_key(rank).expect("there are three")
}

/// The first records of a table that are not skipped.
fn first_records(head: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut head = Feed::of(head);
    let mut records = Records::new(&mut head, delimiter, LineCounter::default());
    while found.len() < SAMPLE
        && let Ok(Record::At(_)) = records.next()
    {
        let field = |column| String::from_utf8_lossy(records.field(column)).trim().to_owned();
        if !records.is_skipped() {
            found.push((0..records.len()).map(field).collect());
        }
    }
    found
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Layout {
    has_header: bool,
    phones: Vec<usize>,
    /// The first of these that is not empty is the name.
    full_names: Vec<usize>,
    /// If all of them are empty, these are joined.
    name_parts: Vec<usize>,
}

impl Layout {
    /// The layout of a table of which these are the first records.
    fn of(sample: &[Vec<String>]) -> Layout {
        let Some(first) = sample.first() else { return Layout::default() };
        let columns = sample.iter().map(Vec::len).max().unwrap_or_default();
        let header: Vec<String> =
            first.iter().map(|field| phone::fold(field).to_lowercase().replace('_', " ")).collect();
        let find = |matches: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..header.len()).filter(|column| matches(&header[*column])).collect()
        };
        let mut layout = Layout {
            phones: find(&is_phone),
            full_names: find(&|header| is_one_of(header, FULL_NAME)),
            name_parts: NAME_PARTS.iter().flat_map(|words| find(&|header| is_one_of(header, words))).collect(),
            has_header: false,
        };
        let has_words = !layout.phones.is_empty() || !layout.full_names.is_empty() || !layout.name_parts.is_empty();
        let has_number = first.iter().any(|field| shape(field) != Shape::Other)
            || layout.phones.iter().any(|column| has_digits_of_a_number(&first[*column]));
        layout.has_header = has_words && !has_number;
        if !layout.has_header {
            layout = Layout::default();
        }
        let filled = |column: usize| {
            let rows = sample.iter().skip(usize::from(layout.has_header));
            rows.filter_map(move |row| row.get(column)).filter(|field| !field.is_empty())
        };
        // The columns in which at least half of the fields have the shape.
        let by_shape = |least: Shape| -> Vec<usize> {
            let has_shape = |column: &usize| {
                let alike = filled(*column).filter(|field| shape(field) >= least).count();
                alike > 0 && alike * 2 >= filled(*column).count()
            };
            (0..columns).filter(has_shape).collect()
        };
        if layout.phones.is_empty() {
            layout.phones = match by_shape(Shape::Certain) {
                _ if columns == 1 => vec![0],
                none if none.is_empty() => by_shape(Shape::Possible),
                certain => certain,
            };
            // A header of unknown words.
            let is_word = |field: Option<&String>| {
                field.is_some_and(|field| !field.is_empty() && !field.contains(char::is_numeric))
            };
            let is_header = columns > 1 && layout.phones.iter().all(|column| is_word(first.get(*column)));
            layout.has_header |= is_header && sample.len() > 1 && !layout.phones.is_empty();
        }
        if layout.full_names.is_empty() && layout.name_parts.is_empty() {
            let rows = || sample.iter().skip(usize::from(layout.has_header));
            let is_text = |column: &usize| {
                // A letter that is not UTF-8 is U+FFFD.
                let is_letter = |c: char| c.is_alphabetic() || c == char::REPLACEMENT_CHARACTER;
                let is_name = |row: &Vec<String>| {
                    row.get(*column).is_some_and(|field| field.contains(is_letter) && !field.contains('@'))
                };
                let is_excluded = layout.has_header && header.get(*column).is_some_and(|header| !may_be_name(header));
                !is_excluded && !layout.phones.contains(column) && rows().any(is_name)
            };
            layout.full_names = (0..columns).find(is_text).into_iter().collect();
        }
        layout
    }

    fn name<'a>(&self, text: &mut dyn FnMut(usize) -> std::borrow::Cow<'a, str>) -> String {
        let full = self.full_names.iter().map(|column| text(*column)).find(|name| !name.trim().is_empty());
        match full {
            Some(name) => name.into_owned(),
            None => {
                let parts: Vec<_> = self.name_parts.iter().map(|column| text(*column)).collect();
                let parts: Vec<_> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
                parts.join(" ")
            }
        }
    }
}

/// How much a field looks like a phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Other,
    /// Digits that may as well be something else.
    Possible,
    /// A number with its country code, or a chat id.
    Certain,
}

fn shape(field: &str) -> Shape {
    let first = super::number::split(field).first().copied().unwrap_or_default();
    if ChatId::parse(first, Rule::Lenient).is_ok() {
        return Shape::Certain;
    }
    match Number::read(first) {
        Ok(number) if !(7..=15).contains(&number.digits.len()) || is_date(first) => Shape::Other,
        Ok(number) if number.international().is_some() => Shape::Certain,
        Ok(_) | Err(Unclear::Exponent) => Shape::Possible,
        Err(Unclear::Ambiguous) => Shape::Other,
    }
}

/// Whether there are digits enough for a number, whatever is beside them: `+1 100 123 4567 (mobile)` is not a header.
fn has_digits_of_a_number(field: &str) -> bool {
    field.chars().filter(|c| c.is_numeric()).count() >= 7
}

fn is_date(text: &str) -> bool {
    let parts: Vec<usize> = text.split(['-', '.', '/']).map(str::len).collect();
    matches!(parts[..], [4, 1..=2, 1..=2] | [1..=2, 1..=2, 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, a line each: `line name: numbers` or `line ! problem`.
    fn found(text: impl AsRef<[u8]>) -> Vec<String> {
        let mut found = Vec::new();
        parse(&mut Feed::of(text.as_ref()), &mut |line, what| {
            found.push(match what {
                Ok((numbers, name)) => format!("{line} {name}: {numbers}"),
                Err(message) => format!("{line} ! {message}"),
            });
            ControlFlow::Continue(())
        })
        .expect("no file");
        found
    }

    #[test]
    fn columns_are_found_by_the_header() {
        let text = "Nickname,Phonetic First Name,First Name,Last Name,Phone 1 - Label,Phone 1 - Value,Home Fax\n\
                    Countess,Eyda,Ada,Lovelace,Mobile,+11001234501,+11001234502\n";
        assert_eq!(found(text), ["2 Ada Lovelace: +11001234501"]);
        assert_eq!(found("ИМЯ;Фамилия;Телефон\r\nИван;Петров;1\r\n"), ["2 Иван Петров: 1"]);
        assert_eq!(found("Όνομα;Τηλέφωνο\nΆντα;+11001234501\n"), ["2 Άντα: +11001234501"]);
        assert_eq!(found("# mine\nName;Phone\n# more\nAda;1\n"), ["4 Ada: 1"]);
        let with_date = "First Name;Last Name;Phone;Debt on 01.01.2024\nAda;L;1;5\n";
        assert_eq!(found(with_date), ["2 Ada L: 1"]);
        assert_eq!(found("Имя;Автомобиль;Моб. тел.;Cancelled\nИван;Lada;1;no\n"), ["2 Иван: 1"]);
        let both = "Name,First Name,Mobile\n,Ada,1\nAda L.,Ada,2\n";
        assert_eq!(found(both), ["2 Ada: 1", "3 Ada L.: 2"]);
    }

    #[test]
    fn words_of_a_header_may_be_joined_or_stand_alone() {
        for header in ["first_name;last_name", "FirstName;LastName", "Given;Family", "givenName;familyName"] {
            assert_eq!(found(format!("{header};phone_number\nAda;L;1\n")), ["2 Ada L: 1"], "{header}");
        }
    }

    #[test]
    fn a_quote_within_a_field_does_not_hide_the_delimiter() {
        assert_eq!(found("Bob 5\" tall;+11001234501\n"), ["1 Bob 5\" tall: +11001234501"]);
        assert_eq!(found("\"A \"\"B\"\", C, D, E\";+11001234501\n"), ["1 A \"B\", C, D, E: +11001234501"]);
    }

    #[test]
    fn columns_are_found_by_what_is_in_them() {
        let text = "100,1980-05-12,ada@example.com,Ada,+1 100 123 4501\n200,12.05.1980,,Grace,+1 100 123 4502\n";
        assert_eq!(found(text), ["1 Ada: +1 100 123 4501", "2 Grace: +1 100 123 4502"]);
        assert_eq!(found("07700 900123;Ada\n"), ["1 Ada: 07700 900123"]);
        assert_eq!(found("a,b\nc,d\n"), ["1 ! no column of phone numbers was found"]);
        assert_eq!(found("11001234567@c.us\tAda\n# note\n120363043968066561@g.us\n").len(), 2);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_a_name() {
        let parts: [&[u8]; 3] =
            [b"\xc8\xec\xff;\xd2\xe5\xeb\n", b"\xc8\xe2\xe0\xed;+11001234501\n", b"\xdf;+11001234502\n"];
        let lines = ["2 \u{fffd}\u{fffd}\u{fffd}\u{fffd}: +11001234501", "3 \u{fffd}: +11001234502"];
        assert_eq!(found(parts.concat()), lines);
    }

    #[test]
    fn plain_lines_are_a_column_of_numbers() {
        assert_eq!(found("# mine\r\r+1 100 123 4501\rnonsense\r"), ["3 : +1 100 123 4501", "4 : nonsense"]);
        assert_eq!(found("Phone\n1\n"), ["2 : 1"]);
        for first in ["+1 100 123 4501 (mobile)", "11001234501@s.whatsapp.net", "Phone: +1 100 123 4501"] {
            assert_eq!(found(first), [format!("1 : {first}")]);
        }
        assert_eq!(found("a@example.com\n").len(), 1);
        assert!(found("").is_empty() && found("\n\r\n").is_empty());
    }

    #[test]
    fn the_delimiter_is_in_all_lines() {
        let text = "Name;Phone;Note\nAda;+11001234501;a, b, c, d\nBob;+11001234502;e, f, g, h, i\n";
        assert_eq!(found(text), ["2 Ada: +11001234501", "3 Bob: +11001234502"]);
        let text = "L, A;+11001234501;a, b\nM, B;+11001234502;c\n";
        assert_eq!(found(text), ["1 L, A: +11001234501", "2 M, B: +11001234502"]);
        assert_eq!(
            found("Name,Phone\nA; B; C,+11001234501\nD,+11001234502\n"),
            ["2 A; B; C: +11001234501", "3 D: +11001234502"]
        );
    }

    #[test]
    fn blank_records_are_skipped() {
        let text = ";;\n \nName;Phone;\n;\nAda;1;\n;;\n";
        assert_eq!(found(text), ["5 Ada: 1"]);
        let counted = parse(&mut Feed::of(b"Name;Phone\n;;\nAda;\n"), &mut |_, _| ControlFlow::Continue(()));
        assert_eq!(counted.expect("no file").without_number, 1);
    }

    #[test]
    fn excel_may_name_the_delimiter() {
        assert_eq!(found("sep=;\r\nName;Phone\r\nA, B, C;1\r\n"), ["3 A, B, C: 1"]);
    }

    #[test]
    fn a_quote_that_is_left_open_ends_the_file_with_the_line_where_it_begins() {
        let text = "Name,Phone\nAda,1\n\"Grace,2\nAlan,3\n";
        assert_eq!(found(text), ["2 Ada: 1", "3 ! a quote that is left open"]);
        let long = format!("Name,Phone\nAda,1\n\"{}\",2\nAlan,3\n", "x\n".repeat(40_000));
        assert_eq!(found(long), ["2 Ada: 1", "3 ! a record longer than 64 KiB: is a quote left open?"]);
        let whole = format!("Name,Phone\nAda,1\n\"{}\",2\nAlan,3\n", "x\n".repeat(30_000));
        assert_eq!(found(whole).last().map(String::as_str), Some("30004 Alan: 3"));
    }

    #[test]
    fn a_line_that_is_too_long_is_an_error_and_skipped() {
        for long in [",".repeat(2000), "9".repeat(1_000_000)] {
            let text = format!("Ada,+11001234501\n{long}\nAlan,+11001234502\n");
            let expected =
                ["1 Ada: +11001234501", "2 ! a line with more than 64 KiB or 1,024 fields", "3 Alan: +11001234502"];
            assert_eq!(found(text), expected);
        }
    }
}
