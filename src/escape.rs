//! Foreign text made fit for a terminal, a log and a line of JSON.
//!
//! Whatever a server or a list sent may hold control characters that move the cursor and bidirectional
//! marks that turn text round: none of them is ever written raw. This file knows nothing of what the text means.

/// The longest piece of a server's text that is shown, in characters.
const LONGEST: usize = 300;

/// The text on one line, with every control, invisible and bidirectional character escaped as `\u{…}`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// [`escape`], cut at 300 characters with an ellipsis.
pub fn escape_short(text: &str) -> String {
    shorten(&escape(text), LONGEST)
}

/// At most `most` characters of the text; a cut shows as an ellipsis.
pub fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// A JSON text with the same characters in JSON's own escapes, so that it still says the same.
pub fn escape_json(json: String) -> String {
    if !json.contains(is_unsafe) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that act on a terminal or a reader instead of being seen: control, bidirectional and line-separator
/// characters, and those that Unicode's `Default_Ignorable_Code_Point` calls invisible.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidirectional_characters_are_escaped() {
        assert_eq!(escape("a\u{1b}[31mb\u{202e}c\u{9b}d\ne"), "a\\u{1b}[31mb\\u{202e}c\\u{9b}d\\ne");
    }

    #[test]
    fn letters_of_every_script_stay() {
        assert_eq!(escape("Привет, 世界 — ok"), "Привет, 世界 — ok");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shorten("ééé", 2), "éé...");
        assert_eq!(shorten("ééé", 3), "ééé");
    }
}
