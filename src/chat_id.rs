//! Chat ids: `<11-12 digits>@c.us`, `<digits>@g.us`, `<digits>-<digits>@g.us`, as GREEN-API documents them.
//!
//! A [`ChatId`] was checked: it may be sent, and it is a safe file name. With [`Rule::Lenient`] newer forms are
//! accepted too: 7 to 16 digits and `<digits>@lid`. For a text that is not a chat id, the error says what it may have
//! meant.

pub mod phone;

use std::fmt;
use std::hash::{Hash, Hasher};

use self::phone::{Number, Unclear};

/// The longest part before the `@`: the longest documented one has 23 characters, and up to 35 fit a [`ChatKey`].
const LONGEST_NAME: usize = 35;
/// The hint for a number of which the id is not certain. It never holds an id.
const COUNTRY_CODE: &str = "write the number with its country code: digits only, then @c.us";

/// A chat id of the right form, with the name that its list gives it. Two with the same id are equal.
#[derive(Clone)]
pub struct ChatId {
    id: Box<str>,
    name: Option<Box<str>>,
}

/// A chat id packed without loss, for sets of millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatKey(u128);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The documented forms.
    Strict,
    /// Also 7 to 16 digits and `@lid`.
    Lenient,
}

/// Why a text is not a chat id, and what it may have meant.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAChatId {
    /// What is wrong, without the text itself.
    pub message: &'static str,
    pub hint: Option<String>,
}

impl ChatId {
    /// Parses one id, exactly: nothing is trimmed or folded.
    pub fn parse(text: &str, rule: Rule) -> Result<ChatId, NotAChatId> {
        match strictest_rule(text) {
            Some(needed) if needed == Rule::Strict || rule == Rule::Lenient => {
                Ok(ChatId { id: text.into(), name: None })
            }
            Some(_) => Err(NotAChatId {
                message: "a chat id that only --lenient or GREEN_API_LENIENT=1 accepts",
                hint: Some(
                    "--lenient or GREEN_API_LENIENT=1 accepts 7 to 16 digits and @lid; not every instance does".into(),
                ),
            }),
            None => Err(explain(text, rule)),
        }
    }

    pub fn named(self, name: Option<Box<str>>) -> ChatId {
        ChatId { name, ..self }
    }

    pub fn is_group(&self) -> bool {
        self.id.ends_with("@g.us")
    }

    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// The name that the chat has in its list.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The id packed: two ids have the same key if and only if they are the same.
    pub fn key(&self) -> ChatKey {
        let (name, domain) = self.id.split_once('@').expect("a chat id holds an @");
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
    pub fn chat_id(self) -> ChatId {
        let mut name = Vec::new();
        let mut rest = self.0;
        while rest > 3 {
            name.push(b"0123456789-"[(rest % 11) as usize]);
            rest /= 11;
        }
        name.reverse();
        let domain = ["c.us", "g.us", "lid"][rest as usize - 1];
        ChatId { id: format!("{}@{domain}", String::from_utf8_lossy(&name)).into(), name: None }
    }
}

impl PartialEq for ChatId {
    fn eq(&self, other: &ChatId) -> bool {
        self.id == other.id
    }
}

impl Eq for ChatId {}

impl Hash for ChatId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl fmt::Debug for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// The strictest rule that accepts the text.
fn strictest_rule(text: &str) -> Option<Rule> {
    let (name, domain) = text.split_once('@')?;
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if name.len() > LONGEST_NAME {
        return None;
    }
    match domain {
        "c.us" if !digits(name) || name.starts_with('0') => None,
        "c.us" if (11..=12).contains(&name.len()) => Some(Rule::Strict),
        "c.us" if (7..=16).contains(&name.len()) => Some(Rule::Lenient),
        "g.us" if digits(name) => Some(Rule::Strict),
        "g.us" => {
            let (owner, made) = name.split_once('-')?;
            (digits(owner) && digits(made)).then_some(Rule::Strict)
        }
        "lid" if digits(name) => Some(Rule::Lenient),
        _ => None,
    }
}

/// What is wrong with a text, and the id that it meant if there is only one.
fn explain(text: &str, rule: Rule) -> NotAChatId {
    let bad = |message, hint: &str| NotAChatId { message, hint: (!hint.is_empty()).then(|| hint.to_owned()) };
    if text.is_empty() {
        return bad("an empty chat id", "a chat id looks like 11001234567@c.us");
    }
    if looks_like_duration(text) {
        return NotAChatId {
            message: "a duration instead of a chat id",
            hint: Some(format!("the value of this option needs an equals sign: --wait={text}")),
        };
    }
    let plain = phone::fold(text);
    if let Some(needed) = strictest_rule(&plain) {
        return did_you_mean(&plain, needed, rule);
    }
    if plain.contains("@newsletter") || plain.contains("@broadcast") {
        return bad("channels and broadcasts have no picture", "");
    }
    let name = plain.strip_suffix("@c.us").or(plain.strip_suffix("@s.whatsapp.net")).unwrap_or(&plain);
    let read = Number::read(name);
    let meant = read.as_ref().ok().and_then(|number| Some(format!("{}@c.us", number.international()?)));
    if let Some(id) = meant
        && let Some(needed) = strictest_rule(&id)
    {
        return did_you_mean(&id, needed, rule);
    }
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    match read {
        Err(Unclear::Exponent) => bad(
            "a number that a spreadsheet shortened: its last digits may be lost",
            "format the column as text and export it again",
        ),
        Ok(number) if number.digits.starts_with('0') => bad("a number without its country code", COUNTRY_CODE),
        Ok(_) if digits < 7 => bad(
            "too few digits for a chat id: 11 or 12 are needed",
            "write the number with its country code, as in 11001234567@c.us",
        ),
        Ok(_) if digits > 16 => {
            let may_be_group = name.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            let hint = if may_be_group { "the id of a group ends in @g.us" } else { COUNTRY_CODE };
            bad("too many digits for a chat id: 11 or 12 are needed", hint)
        }
        Ok(_) => bad("not a chat id", COUNTRY_CODE),
        Err(_) if digits >= 7 && !name.contains('@') => bad("not a chat id", COUNTRY_CODE),
        Err(_) => bad("not a chat id", "a chat id is 11 or 12 digits and @c.us, or digits and @g.us"),
    }
}

fn did_you_mean(id: &str, needed: Rule, rule: Rule) -> NotAChatId {
    let flag = match (needed, rule) {
        (Rule::Lenient, Rule::Strict) => "? --lenient or GREEN_API_LENIENT=1 accepts 7 to 16 digits and @lid",
        _ => "",
    };
    NotAChatId { message: "not a chat id", hint: Some(format!("did you mean {id}{flag}")) }
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
    fn the_documented_forms_are_accepted() {
        for id in ["11001234567@c.us", "110012345678@c.us", "120363043968066561@g.us", "11001234567-1586700802@g.us"] {
            assert_eq!(ChatId::parse(id, Rule::Strict).expect(id).as_str(), id);
        }
    }

    #[test]
    fn the_newer_forms_need_the_lenient_rule() {
        for id in ["6581234567@c.us", "1234567@c.us", "1100123456789012@c.us", "123456789@lid"] {
            assert!(hint(id).contains("--lenient") && hint(id).contains("GREEN_API_LENIENT"), "{id}");
            assert!(ChatId::parse(id, Rule::Lenient).is_ok(), "{id}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            " ",
            "@c.us",
            "1@c.us",
            "110012@c.us",
            "01001234567@c.us",
            "0100123456789@c.us",
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
    fn a_hint_shows_the_id_if_there_is_one_reading() {
        for text in [
            "+1 100 123-45-67",
            "11001234567",
            "+11001234567@c.us",
            "11001234567@C.US",
            "１１００１２３４５６７@c.us",
            "0011001234567",
            "0011001234567@c.us",
            "(1100) 123.45.67",
            "11001234567.0",
            "11001234567@s.whatsapp.net",
            " 11001234567@c.us\n",
            "\u{feff}11001234567@c.us",
            "\u{200e}11001234567\u{202a}",
            "tel:+11001234567",
        ] {
            assert_eq!(hint(text), "did you mean 11001234567@c.us", "{text:?}");
        }
        assert_eq!(hint("120363043968066561@G.US"), "did you mean 120363043968066561@g.us");
    }

    #[test]
    fn a_hint_shows_no_id_if_there_is_another_reading() {
        for text in [
            "07700 900123",
            "01001234567@c.us",
            "8 (900) 123-45-67",
            "8 (900) 123-45-67@c.us",
            "11001234567/8",
            "11001234567 ext. 5",
            "11001234567 11001234568",
            "11001234567.5",
            "1100123456-7",
            "81234567",
            "4915123456789",
        ] {
            assert_eq!(hint(text), COUNTRY_CODE, "{text:?}");
        }
        assert!(hint("1.10012E+10").contains("format the column as text"));
        for group in ["120363043968066561", "11001234567-1586700802", "120363043968066561@c.us"] {
            assert_eq!(hint(group), "the id of a group ends in @g.us");
        }
    }

    #[test]
    fn a_hinted_id_of_a_newer_form_names_the_flag() {
        for text in ["+49 1512 3456789", "004915123456789", "4915123456789@C.US"] {
            assert!(
                hint(text).starts_with("did you mean 4915123456789@c.us? --lenient or GREEN_API_LENIENT"),
                "{text:?}"
            );
            let hint = ChatId::parse(text, Rule::Lenient).expect_err(text).hint;
            assert_eq!(hint.as_deref(), Some("did you mean 4915123456789@c.us"), "{text:?}");
        }
        assert!(hint("+65 8123 4567").starts_with("did you mean 6581234567@c.us? --lenient"));
    }

    #[test]
    fn a_duration_has_the_hint_to_write_it_after_wait() {
        assert!(hint("2m").contains("--wait=2m"));
        assert!(hint("500ms").contains("--wait=500ms"));
    }

    #[test]
    fn different_ids_have_different_keys() {
        let key = |id| ChatId::parse(id, Rule::Lenient).expect(id).key();
        let ids = [
            "11001234567@c.us",
            "110012345670@c.us",
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
