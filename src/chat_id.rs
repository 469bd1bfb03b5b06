//! What names a chat: `<11-12 digits>@c.us`, `<digits>@g.us`, `<digits>-<digits>@g.us`.
//!
//! Parsed once, at the edge; whoever holds a [`ChatId`] holds one that may be sent and that makes a safe file name.
//! With [`Rule::Lenient`] the newer forms count too: 13-16 digits and `<digits>@lid`. The shapes are those that
//! GREEN-API documents. This file knows nothing of lists: it says what is wrong with one id and what it might have meant.

use std::fmt;

/// The longest part before the `@`: the longest documented one has 23 characters, and up to 35 fit a [`ChatKey`].
const LONGEST_NAME: usize = 35;

/// A chat id of the right form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChatId(Box<str>);

/// A chat id packed without loss, for sets of millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatKey(u128);

/// Which forms count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The documented forms.
    Strict,
    /// Also 13-16 digits and `@lid`.
    Lenient,
}

/// Why a text is no chat id, and what it might have meant.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAChatId {
    /// What is wrong, without the text itself.
    pub message: &'static str,
    /// The way out, where there is one.
    pub hint: Option<String>,
}

impl ChatId {
    /// Parses one id, exactly: nothing is trimmed or folded.
    pub fn parse(text: &str, rule: Rule) -> Result<ChatId, NotAChatId> {
        match Form::of(text) {
            Some(Form::Documented) => Ok(ChatId(text.into())),
            Some(Form::Newer) if rule == Rule::Lenient => Ok(ChatId(text.into())),
            Some(Form::Newer) => Err(NotAChatId {
                message: "a chat id of a newer form, which --lenient takes",
                hint: Some("--lenient takes 13 to 16 digits and @lid, which only newer instances know".into()),
            }),
            None => Err(explain(text, rule)),
        }
    }

    /// The id as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id packed: two ids have the same key if and only if they are the same.
    pub fn key(&self) -> ChatKey {
        let (name, domain) = self.0.split_once('@').expect("a chat id holds an @");
        let domain = match domain {
            "c.us" => 1,
            "g.us" => 2,
            _ => 3,
        };
        // Digits to the base 11 with the hyphen as ten; the leading domain keeps leading zeros apart.
        ChatKey(name.bytes().fold(domain, |key, b| key * 11 + if b == b'-' { 10 } else { u128::from(b - b'0') }))
    }
}

impl ChatKey {
    /// The id that was packed.
    pub fn chat_id(self) -> ChatId {
        let mut name = Vec::new();
        let mut rest = self.0;
        while rest > 3 {
            name.push(b"0123456789-"[(rest % 11) as usize]);
            rest /= 11;
        }
        name.reverse();
        let domain = ["c.us", "g.us", "lid"][rest as usize - 1];
        ChatId(format!("{}@{domain}", String::from_utf8_lossy(&name)).into())
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

enum Form {
    Documented,
    Newer,
}

impl Form {
    fn of(text: &str) -> Option<Form> {
        let (name, domain) = text.split_once('@')?;
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if name.len() > LONGEST_NAME {
            return None;
        }
        match domain {
            "c.us" if digits(name) && (11..=12).contains(&name.len()) => Some(Form::Documented),
            "c.us" if digits(name) && (13..=16).contains(&name.len()) => Some(Form::Newer),
            "g.us" if digits(name) => Some(Form::Documented),
            "g.us" => {
                let (owner, made) = name.split_once('-')?;
                (digits(owner) && digits(made)).then_some(Form::Documented)
            }
            "lid" if digits(name) => Some(Form::Newer),
            _ => None,
        }
    }
}

/// What is wrong with a text, and the id or the flag that it probably meant.
fn explain(text: &str, rule: Rule) -> NotAChatId {
    let bad = |message, hint: Option<String>| NotAChatId { message, hint };
    if text.is_empty() {
        return bad("an empty chat id", Some("a chat id looks like 11001234567@c.us".into()));
    }
    if looks_like_duration(text) {
        return bad(
            "a duration where a chat id should be",
            Some(format!("a flag's optional value needs an equals sign: --wait={text}")),
        );
    }
    match meant(text) {
        Some((id, Form::Newer)) if rule == Rule::Strict => {
            return bad("not a chat id", Some(format!("did you mean {id}? --lenient takes 13 to 16 digits")));
        }
        Some((id, _)) => return bad("not a chat id", Some(format!("did you mean {id}"))),
        None => {}
    }
    if text.contains("@newsletter") || text.contains("@broadcast") {
        return bad("channels and broadcasts have no avatar that GREEN-API gives", None);
    }
    let name = text.split('@').next().unwrap_or_default();
    let all_digits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    if all_digits && name.len() < 11 && (text == name || text.ends_with("@c.us")) {
        return bad(
            "too few digits for a chat id: 11 or 12 are needed",
            Some("write the number with its country code, as in 11001234567@c.us".into()),
        );
    }
    if all_digits && name.len() > 12 && text.ends_with("@c.us") {
        return bad("too many digits for a chat id: 11 or 12 are needed, with --lenient up to 16", None);
    }
    bad("not a chat id", Some("a chat id is 11 or 12 digits and @c.us, or digits and @g.us".into()))
}

/// The id that a phone number, a capital letter or a fullwidth digit stands for, if it is clear.
fn meant(text: &str) -> Option<(String, Form)> {
    let plain: String = text.trim().chars().map(fold).collect::<String>().to_lowercase();
    let (name, domain) = match plain.split_once('@') {
        Some((name, "c.us" | "s.whatsapp.net")) => (name, "c.us"),
        Some((name, "g.us")) => (name, "g.us"),
        Some(_) => return None,
        None => (plain.as_str(), "c.us"),
    };
    let name = if domain == "c.us" { phone_digits(name)? } else { name.to_owned() };
    let id = format!("{name}@{domain}");
    let form = Form::of(&id).filter(|_| id != text)?;
    Some((id, form))
}

/// The digits of a phone number as people write it; `None` where something else stands in it.
fn phone_digits(name: &str) -> Option<String> {
    let name = name.strip_prefix("tel:").unwrap_or(name);
    let name = name.rsplit("wa.me/").next().unwrap_or(name);
    let mut digits = String::new();
    for c in name.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' | '(' | ')' | '-' | '.' | ' ' | '/' => {}
            _ => return None,
        }
    }
    Some(match digits.strip_prefix("00") {
        Some(rest) => rest.to_owned(),
        None => digits,
    })
}

/// Fullwidth forms to ASCII, and every kind of space and hyphen to the plain one.
fn fold(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

fn looks_like_duration(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    unit.len() < text.len() && matches!(unit, "ms" | "s" | "m" | "h" | "d")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(text: &str) -> String {
        ChatId::parse(text, Rule::Strict).expect_err(text).hint.unwrap_or_default()
    }

    #[test]
    fn the_documented_forms_are_taken() {
        for id in ["11001234567@c.us", "110012345678@c.us", "120363043968066561@g.us", "11001234567-1586700802@g.us"] {
            assert_eq!(ChatId::parse(id, Rule::Strict).expect(id).as_str(), id);
        }
    }

    #[test]
    fn the_newer_forms_need_the_lenient_rule() {
        for id in ["1100123456789@c.us", "1100123456789012@c.us", "123456789@lid"] {
            assert!(hint(id).contains("--lenient"), "{id}");
            assert!(ChatId::parse(id, Rule::Lenient).is_ok(), "{id}");
        }
    }

    #[test]
    fn nothing_else_is_taken() {
        for bad in [
            "",
            " ",
            "@c.us",
            "1@c.us",
            "1100123456@c.us",
            "11001234567@C.US",
            "11001234567@c.us ",
            "11001234567@c.us\n",
            "11001234567 @c.us",
            "+11001234567@c.us",
            "11001234567",
            "11001234567@c.us@g.us",
            "１１００１２３４５６７@c.us",
            "11001234567@g.us/../x",
            "-5@g.us",
            "5-@g.us",
            "5-6-7@g.us",
            "11001234567@newsletter",
            "11001234567\0@c.us",
            "11001234567890123@c.us",
            "x@lid",
        ] {
            for rule in [Rule::Strict, Rule::Lenient] {
                assert!(ChatId::parse(bad, rule).is_err(), "{bad:?}");
            }
        }
        let long = format!("{}@g.us", "1".repeat(36));
        assert!(ChatId::parse(&long, Rule::Lenient).is_err());
    }

    #[test]
    fn what_people_write_gets_the_id_it_would_be() {
        for text in [
            "+1 100 123-45-67",
            "11001234567",
            "+11001234567@c.us",
            "11001234567@C.US",
            "１１００１２３４５６７@c.us",
            "0011001234567",
            "(1100) 123.45.67",
            "11001234567@s.whatsapp.net",
            " 11001234567@c.us\n",
            "tel:+11001234567",
        ] {
            assert_eq!(hint(text), "did you mean 11001234567@c.us", "{text:?}");
        }
        assert_eq!(hint("120363043968066561@G.US"), "did you mean 120363043968066561@g.us");
    }

    #[test]
    fn a_number_of_a_newer_form_gets_its_id_and_the_flag_that_takes_it() {
        for text in ["+49 1512 3456789", "4915123456789", "004915123456789", "4915123456789@C.US"] {
            assert_eq!(hint(text), "did you mean 4915123456789@c.us? --lenient takes 13 to 16 digits", "{text:?}");
            let hint = ChatId::parse(text, Rule::Lenient).expect_err(text).hint;
            assert_eq!(hint.as_deref(), Some("did you mean 4915123456789@c.us"), "{text:?}");
        }
    }

    #[test]
    fn a_duration_is_known_for_what_it_is() {
        assert!(hint("2m").contains("--wait=2m"));
        assert!(hint("500ms").contains("--wait=500ms"));
    }

    #[test]
    fn keys_tell_ids_apart() {
        let key = |id| ChatId::parse(id, Rule::Lenient).expect(id).key();
        let ids = [
            "11001234567@c.us",
            "011001234567@c.us",
            "11001234567@g.us",
            "1-1001234567@g.us",
            "11001234567@lid",
            "0@g.us",
            "00@g.us",
        ];
        for (i, a) in ids.iter().enumerate() {
            for b in &ids[i + 1..] {
                assert_ne!(key(a), key(b), "{a} {b}");
            }
        }
        for id in ids {
            assert_eq!(key(id).chat_id().as_str(), id);
        }
        let longest = "9".repeat(35) + "@lid";
        assert_ne!(key(&longest), key(&("9".repeat(34) + "8@lid")));
    }
}
