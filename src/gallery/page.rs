//! The HTML of a gallery: one file that loads nothing but the pictures.
//!
//! Names are not trusted: they are escaped, and isolated from the direction of the text around them. The browser
//! runs only the style and the script whose hashes are in the page's Content-Security-Policy.

use std::fmt::Write;
use std::path::{Component, Path};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};

use super::{Chat, Picture};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page. `prefix` leads from the page's directory to that of the pictures: empty, or a relative URL with a slash at
/// its end.
pub fn render(chats: &[Chat], title: &str, prefix: &str) -> String {
    // A browser drops carriage returns, which a checkout on Windows may have added, before it hashes.
    let (style, script) = (STYLE.replace('\r', ""), SCRIPT.replace('\r', ""));
    let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let none = if chats.is_empty() { "No pictures here yet: greenavatar get … --dir saves them." } else { "" };
    let hidden = if chats.is_empty() { "" } else { " hidden" };
    let count = format!("{}, {}", plural(chats.len(), "chat"), plural(count(chats), "picture"));
    let mut page = String::with_capacity(TEMPLATE.len() + STYLE.len() + SCRIPT.len() + chats.len() * 512);
    // Piece by piece, so that a name that looks like a placeholder is a name.
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once('{') {
        let (placeholder, after) = after.split_once('}').expect("each { of the template has its }");
        page.push_str(before);
        match placeholder {
            "style" => page.push_str(&style),
            "style-hash" => page.push_str(&hash(&style)),
            "script" => page.push_str(&script),
            "script-hash" => page.push_str(&hash(&script)),
            "title" => page.push_str(&html(title)),
            "count" => page.push_str(&count),
            "none" => page.push_str(none),
            "none-hidden" => page.push_str(hidden),
            _ => chats.iter().for_each(|chat| write_chat(&mut page, chat, prefix)),
        }
        rest = after;
    }
    page + rest
}

/// The number of pictures on a page, the earlier ones included.
pub fn count(chats: &[Chat]) -> usize {
    chats.iter().map(|chat| chat.earlier.len() + usize::from(chat.current.is_some())).sum()
}

fn plural(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn write_chat(page: &mut String, chat: &Chat, prefix: &str) {
    let id = chat.id.as_str();
    let name = chat.id.name().map(html);
    let shown = name.as_deref().unwrap_or(id);
    page.push_str(&format!("<li id=\"{id}\">"));
    match &chat.current {
        Some(picture) => write_bytes(page, picture, prefix, 160, &format!("Picture of {shown}")),
        None => {
            let initials = html(&initials(chat.id.name().unwrap_or_default()));
            let _ = write!(page, "<div class=\"initials\" aria-hidden=\"true\"><bdi>{initials}</bdi></div>");
        }
    }
    // A line may break before the @.
    let breakable = id.replace('@', "<wbr>@");
    let _ = match &name {
        Some(name) => write!(page, "<h2><bdi>{name}</bdi></h2><p>{breakable}</p>"),
        None => write!(page, "<h2>{breakable}</h2>"),
    };
    match &chat.current {
        Some(Picture { saved, .. }) => {
            let _ = write!(page, "<p><time datetime=\"{saved:.0}\">{}</time></p>", saved.strftime("%Y-%m-%d"));
        }
        None => page.push_str(if chat.earlier.is_empty() { "<p>No picture</p>" } else { "<p>No picture now</p>" }),
    }
    if !chat.earlier.is_empty() {
        let _ = write!(page, "<ul class=\"earlier\" aria-label=\"Earlier pictures\">");
        for picture in &chat.earlier {
            page.push_str("<li>");
            let day = picture.saved.strftime("%Y-%m-%d");
            write_bytes(page, picture, prefix, 40, &format!("Earlier picture of {shown}, {day}"));
            page.push_str("</li>");
        }
        page.push_str("</ul>");
    }
    page.push_str("</li>\n");
}

fn write_bytes(page: &mut String, picture: &Picture, prefix: &str, size: u32, text: &str) {
    let url = url(&picture.path);
    let _ = write!(
        page,
        "<a href=\"{prefix}{url}\" title=\"{}\"><img src=\"{prefix}{url}\" alt=\"{text}\" width=\"{size}\" height=\"{size}\" loading=\"lazy\"></a>",
        picture.saved.strftime("%Y-%m-%d %H:%M UTC"),
    );
}

/// The first letters of the first and the last word of a name.
fn initials(name: &str) -> String {
    let mut letters = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = letters.next().unwrap_or('–');
    first.to_uppercase().chain(letters.next_back().into_iter().flat_map(char::to_uppercase)).collect()
}

/// A text as HTML, also in an attribute. Control characters and those that change the direction of text are left out.
fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn url(path: &Path) -> String {
    let mut url = String::new();
    for component in path.components() {
        if !url.is_empty() {
            url.push('/');
        }
        for &byte in component.as_os_str().as_encoded_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => url.push(byte.into()),
                _ => _ = write!(url, "%{byte:02X}"),
            }
        }
    }
    url
}

/// The prefix of [`render`] that leads from a directory to another one. Both are absolute; `None` if there is no way,
/// as between two drives.
pub fn prefix(from: &Path, to: &Path) -> Option<String> {
    let (mut from, mut to) = (from.components().peekable(), to.components().peekable());
    let mut has_common = false;
    while from.peek().is_some() && from.peek() == to.peek() {
        (has_common, _, _) = (true, from.next(), to.next());
    }
    let is_named = |rest: &Component<'_>| matches!(rest, Component::Normal(_));
    if !has_common || !from.clone().all(|rest| is_named(&rest)) || !to.clone().all(|rest| is_named(&rest)) {
        return None;
    }
    let mut prefix = "../".repeat(from.count());
    for component in to {
        prefix.push_str(&url(component.as_ref()));
        prefix.push('/');
    }
    Some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(html("<script>\"'&\u{202e}\u{0}é</script>"), "&lt;script&gt;&quot;&#39;&amp;é&lt;/script&gt;");
    }

    #[test]
    fn initials_are_those_of_the_first_and_the_last_word() {
        for (name, wanted) in [
            ("Ada Lovelace", "AL"),
            ("ada", "A"),
            ("Анна Мария (дом) иванова", "АИ"),
            ("🙂 (Bo)", "B"),
            ("דוד כהן", "דכ"),
            ("🙂", "–"),
            ("", "–"),
        ] {
            assert_eq!(initials(name), wanted, "{name}");
        }
    }

    #[test]
    fn special_characters_in_a_url_are_encoded() {
        assert_eq!(url(Path::new("a b/c?#%:\"/1@c.us.jpg")), "a%20b/c%3F%23%25%3A%22/1@c.us.jpg");
    }

    #[test]
    fn a_prefix_leads_from_the_page_to_the_pictures() {
        let prefix = |from: &str, to: &str| prefix(Path::new(from), Path::new(to));
        assert_eq!(prefix("/a/b", "/a/b").as_deref(), Some(""));
        assert_eq!(prefix("/a", "/a/b c").as_deref(), Some("b%20c/"));
        assert_eq!(prefix("/a/b/c", "/a/d").as_deref(), Some("../../d/"));
        assert_eq!(prefix("/a", "/").as_deref(), Some("../"));
        assert_eq!(prefix("a", "b"), None);
    }
}
