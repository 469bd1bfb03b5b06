//! Text from a server or a file, made safe to print.
//!
//! Such text may contain control characters that move the cursor, and bidirectional marks that reorder what is shown.
//! They are escaped before the text is written to a terminal, a log or a line of JSON.

/// The longest text of a server that is shown, in characters.
const LONGEST: usize = 300;

/// The text on one line, with every control, invisible and bidirectional character escaped as `\u{…}`.
pub fn sanitize(text: &str) -> String {
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

/// [`sanitize`], cut at 300 characters with an ellipsis.
pub fn sanitize_short(text: &str) -> String {
    shorten(&sanitize(text), LONGEST)
}

/// Cuts the text after `most` characters; `...` marks the cut.
pub fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// Writes the same characters of a JSON text as JSON escapes; its meaning stays the same.
pub fn sanitize_json(json: String) -> String {
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

/// Whether a character is a control, bidirectional, line-separator or invisible one (Unicode's
/// `Default_Ignorable_Code_Point`).
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
        assert_eq!(sanitize("a\u{1b}[31mb\u{202e}c\u{9b}d\ne"), "a\\u{1b}[31mb\\u{202e}c\\u{9b}d\\ne");
    }

    #[test]
    fn letters_of_every_script_stay() {
        assert_eq!(sanitize("Привет, 世界 — ok"), "Привет, 世界 — ok");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shorten("ééé", 2), "éé...");
        assert_eq!(shorten("ééé", 3), "ééé");
    }
}
