//! The rows of the table, and what their answers say.

use super::{advance, ask, delete, receive, send, start};
use std::time::{Duration, Instant};

#[test]
fn accepted_is_an_empty_200_and_the_result_a_notification_until_it_is_deleted() {
    let sandbox = start(|_| {});
    let accepted = ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    assert_eq!((accepted.status, accepted.text()), (200, ""));
    let first = receive(&sandbox);
    assert_eq!(first["receiptId"], 1);
    assert_eq!(first["body"]["typeWebhook"], "deviceInfo");
    assert_eq!(first["body"]["avatarInfo"]["chatId"], "11001234567@c.us");
    let url = first["body"]["avatarInfo"]["urlAvatar"].as_str().expect("a URL");
    assert!(url.starts_with(&format!("{}/pictures/11001234567.jpg?", sandbox.api_url())), "{url}");
    assert!(!url.contains(sandbox.token()), "{url}");
    assert_eq!(receive(&sandbox), first);
    assert_eq!(delete(&sandbox, "1")["result"], true);
    assert_eq!(delete(&sandbox, "1")["result"], false);
    ask(&sandbox, "getAvatarAsync", "120363043968066561@g.us");
    assert_eq!(receive(&sandbox)["receiptId"], 2);
}

#[test]
fn literal_docs_answer_success_with_an_empty_400() {
    let sandbox = start(|options| options.literal_docs = true);
    let accepted = ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    assert_eq!((accepted.status, accepted.text()), (400, ""));
    assert_eq!(receive(&sandbox)["body"]["avatarInfo"]["chatId"], "11001234567@c.us");
}

#[test]
fn a_status_row_answers_its_status_on_both_methods_and_notifies_nobody() {
    let sandbox = start(|_| {});
    for method in ["getAvatarAsync", "getAvatar"] {
        for status in [400, 401, 403, 404, 466, 499, 500, 502] {
            let answer = ask(&sandbox, method, &format!("11001234{status}@c.us"));
            assert_eq!(answer.status, status, "{method}");
            assert_eq!(answer.body.is_empty(), status == 401, "{method} {status}");
        }
    }
    assert_eq!(send(&sandbox, "GET", "/_sandbox/notifications", b"").json()["waiting"], 0);
}

#[test]
fn two_failures_then_well_and_the_count_starts_again() {
    let sandbox = start(|_| {});
    for method in ["getAvatarAsync", "getAvatar"] {
        for (chat_id, status) in [("11001234429@c.us", 429), ("11001234503@c.us", 503)] {
            for _ in 0..2 {
                let statuses = [(); 3].map(|()| ask(&sandbox, method, chat_id).status);
                assert_eq!(statuses, [status, status, 200], "{method}");
            }
        }
    }
    let answer = ask(&sandbox, "getAvatar", "11001234429@c.us");
    assert!(answer.head.contains("retry-after: 1\r\n"), "{}", answer.head);
}

#[test]
fn results_differ_by_row() {
    let sandbox = start(|_| {});
    for row in ["901", "902", "903", "904", "905", "906"] {
        assert_eq!(ask(&sandbox, "getAvatarAsync", &format!("11001234{row}@c.us")).status, 200);
    }
    let mut results = Vec::new();
    while send(&sandbox, "GET", "/_sandbox/notifications", b"").json()["waiting"] != 0 {
        let head = receive(&sandbox);
        delete(&sandbox, &head["receiptId"].to_string());
        results.push(head["body"].clone());
    }
    let rows: Vec<_> = results
        .iter()
        .map(|body| body["avatarInfo"]["chatId"].as_str().expect("a chat id")[8..11].to_owned())
        .collect();
    assert_eq!(rows, ["901", "902", "903", "905", "905", "906"]);
    assert_eq!(results[0]["avatarInfo"]["urlAvatar"], "");
    assert_eq!(results[2]["avatarInfo"]["existsWhatsapp"], false);
    assert_eq!(results[3], results[4]);
    assert_eq!(results[5]["avatarInfo"]["reason"], "get avatar timeout limit exceeded");
}

#[test]
fn get_avatar_says_at_once_what_it_found() {
    let sandbox = start(|_| {});
    let avatar = |row: &str| ask(&sandbox, "getAvatar", &format!("11001234{row}@c.us")).json();
    assert_eq!(avatar("567")["available"], true);
    assert!(avatar("904")["urlAvatar"].as_str().is_some_and(|url| url.starts_with("http://")));
    assert_eq!(avatar("901"), serde_json::json!({"urlAvatar": "", "available": true}));
    assert_eq!(avatar("902"), serde_json::json!({"urlAvatar": "", "available": false}));
    assert_eq!(avatar("903"), serde_json::json!({"existsWhatsapp": false, "urlAvatar": ""}));
    assert_eq!(avatar("906")["reason"], "get avatar timeout limit exceeded");
}

#[test]
fn a_late_answer_takes_three_seconds_of_the_clock() {
    let sandbox = start(|_| {});
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| ask(&sandbox, "getAvatar", "11001234907@c.us"));
        let waits = || send(&sandbox, "GET", "/_sandbox/requests", b"").json()[0]["status"].is_null();
        while send(&sandbox, "GET", "/_sandbox/requests", b"").json().as_array().is_none_or(Vec::is_empty) {}
        assert!(waits());
        advance(&sandbox, 3);
        assert_eq!(late.join().expect("no panic").status, 200);
    });
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_connection_is_dropped_half_way_through_the_answer() {
    let sandbox = start(|_| {});
    for method in ["getAvatarAsync", "getAvatar"] {
        let answer = ask(&sandbox, method, "11001234908@c.us");
        let promised = answer.head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let promised: usize = promised.parse().expect("a number");
        assert_eq!((answer.status, answer.body.len()), (200, promised / 2), "{method}");
        assert!(!answer.body.is_empty());
    }
}
