//! The address book of the account: the same in every sandbox.

use serde_json::{Value, json};

/// Chat id, name and contactName of each contact. `None`: the service leaves the key out, as it may.
const BOOK: [(&str, Option<&str>, Option<&str>); 14] = [
    ("11001234567@c.us", Some("Ada Lovelace"), Some("Ada (work)")),
    ("11001234568@c.us", Some("Grace Hopper"), Some("")),
    ("11001234569@c.us", Some(""), Some("Zoë Müller")),
    ("11001234570@c.us", None, Some("Анна Петрова")),
    ("11001234571@c.us", Some(""), Some("")),
    ("11001234901@c.us", Some("Alan Turing"), Some("Alan")),
    ("11001234902@c.us", Some("Katherine Johnson"), None),
    ("11001234903@c.us", Some(""), Some("Old number")),
    ("11001234913@c.us", Some(""), Some("Older number")),
    ("11001234920@c.us", Some("Margaret Hamilton"), Some("Margaret")),
    ("210987654321@lid", Some("Edsger"), Some("")),
    ("null@c.us", Some(""), None),
    ("120363043968066561@g.us", Some("Family"), None),
    ("11001234567-1479621234@g.us", Some("Book club"), None),
];

/// The body of getContacts: all contacts, or only groups, or only people.
pub fn contacts(groups: Option<bool>, count: usize) -> String {
    let wanted = BOOK.iter().filter(|(id, ..)| groups.is_none_or(|groups| groups == is_group(id)));
    let contacts = wanted.take(count).map(|(id, name, contact_name)| {
        let mut contact = json!({"id": id, "type": kind(id)});
        name.inspect(|name| contact["name"] = json!(name));
        contact_name.inspect(|name| contact["contactName"] = json!(name));
        contact
    });
    contacts.collect::<Value>().to_string()
}

/// The body of getChats: the chats with everybody in the book, the last one first. The `@lid` has replaced an older one.
pub fn chats(count: usize) -> String {
    let chats = BOOK.iter().rev().take(count).map(|(id, name, _)| {
        let mut chat = json!({
            "id": id,
            "name": name.unwrap_or_default(),
            "type": kind(id),
            "archive": false,
            "ephemeralExpiration": 0,
            "ephemeralSettingTimestamp": 0,
        });
        if id.ends_with("@lid") {
            chat["newChatId"] = json!(id);
            chat["id"] = json!("200987654321@lid");
        }
        chat
    });
    chats.collect::<Value>().to_string()
}

fn is_group(id: &str) -> bool {
    id.ends_with("@g.us")
}

fn kind(id: &str) -> &'static str {
    if is_group(id) { "group" } else { "user" }
}
