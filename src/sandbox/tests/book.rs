//! The lists of contacts and chats, and getWaSettings, which reports how far they are loaded.

use serde_json::json;

use super::{get, path, send, start};

#[test]
fn the_book_has_people_groups_a_lid_and_an_unusable_id() {
    let sandbox = start(|_| {});
    let ids = |query: &str| {
        let contacts = send(&sandbox, "GET", &(path(&sandbox, "getContacts") + query), b"{}").json();
        let contacts = contacts.as_array().expect("an array");
        contacts.iter().map(|contact| contact["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let (all, groups, people) = (ids(""), ids("?group=true"), ids("?group=false"));
    assert!(groups.len() >= 2 && groups.iter().all(|id| id.ends_with("@g.us")));
    assert_eq!(people.len() + groups.len(), all.len());
    assert!(people.iter().any(|id| id.ends_with("@lid")) && people.contains(&"null@c.us".to_owned()));
    for row in ["567", "901", "902", "903", "913", "920"] {
        assert!(people.contains(&format!("11001234{row}@c.us")), "{row}");
    }
    assert_eq!(ids("?group=false&count=3"), people[..3]);
    assert_eq!(ids("?count=0"), all);
}

#[test]
fn chats_come_in_another_order_and_with_new_ids() {
    let sandbox = start(|_| {});
    let chats = get(&sandbox, "getChats").json();
    assert_eq!(chats[0]["type"], "group");
    let chats = chats.as_array().expect("an array");
    assert!(chats.iter().any(|chat| chat["newChatId"] == "210987654321@lid"));
    assert_eq!(send(&sandbox, "GET", &(path(&sandbox, "getChats") + "?count=2"), b"").json(), json!(chats[..2]));
}

#[test]
fn a_count_that_is_not_an_integer_is_refused() {
    let sandbox = start(|_| {});
    for query in ["count=x", "count=", "count=1.5", "group=yes"] {
        let answer = send(&sandbox, "GET", &format!("{}?{query}", path(&sandbox, "getContacts")), b"");
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains("json: cannot unmarshal"), "{query}: {}", answer.text());
    }
}

#[test]
fn late_lists_are_empty_twice() {
    let sandbox = start(|config| config.contacts_late = true);
    let progress = || get(&sandbox, "getWaSettings").json()["historySyncProgress"].take();
    for (method, before) in [("getContacts", 40), ("getChats", 100)] {
        assert_eq!(get(&sandbox, method).json(), json!([]));
        assert_eq!(get(&sandbox, method).json(), json!([]));
        assert_eq!(progress(), before);
        assert_ne!(get(&sandbox, method).json(), json!([]));
        assert_eq!(progress(), 100);
    }
}
