//! What is refused: calls that the service would refuse, rates, pictures out of date, requests that are none.

use super::{advance, ask, path, raw, send, start};

#[test]
fn what_the_service_refuses_is_refused_in_its_words() {
    let sandbox = start(|_| {});
    let (id, token) = (sandbox.id_instance(), sandbox.token());
    let good = path(&sandbox, "getAvatarAsync");
    let chat = br#"{"chatId":"11001234567@c.us"}"#.as_slice();
    let timeout = format!("{}?receiveTimeout=61", path(&sandbox, "receiveNotification"));
    let large = vec![b' '; 200_000];
    for (verb, path, body, status, expected) in [
        ("POST", format!("/waInstance{id}/getAvatarAsync/{token}0"), chat, 401, ""),
        ("POST", format!("/waInstance9/getAvatarAsync/{token}"), chat, 403, "<center>nginx</center>"),
        ("GET", good.clone(), b"", 404, "Cannot GET /waInstance"),
        ("POST", format!("/waInstance{id}/nothing/{token}"), chat, 404, "Cannot POST /waInstance"),
        ("GET", "/".to_owned(), b"", 404, "Cannot GET /"),
        ("POST", good.clone(), b"{oops", 400, "Unexpected token o in JSON at position 1"),
        ("POST", good.clone(), b"{}", 400, "'chatId' is required"),
        ("POST", good.clone(), br#"{"chatId":"1@c.us"}"#, 400, "must be one of the next formats"),
        ("POST", good.clone(), br#"{"chatId":"11001234567@c.us","a":1}"#, 400, "'a' is not allowed"),
        ("POST", good.clone(), &large, 413, "request entity too large"),
        ("GET", timeout, b"", 400, "'receiveTimeout' must be less than"),
        ("DELETE", format!("/waInstance{id}/deleteNotification/{token}/x"), b"", 400, "must be a Number"),
    ] {
        let answer = send(&sandbox, verb, &path, body);
        assert_eq!(answer.status, status, "{verb} {path}");
        assert!(answer.text().contains(expected), "{verb} {path}: {}", answer.text());
        if status == 400 {
            assert_eq!(answer.json()["path"], path, "the path is echoed, token and all");
        }
        assert_eq!(answer.body.is_empty(), status == 401);
    }
}

#[test]
fn requests_that_are_no_http_do_not_end_it() {
    let sandbox = start(|_| {});
    for request in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        &[b'a'; 600_000],
    ] {
        raw(&sandbox, request);
    }
    assert_eq!(ask(&sandbox, "getAvatar", "11001234567@c.us").status, 200);
}

#[test]
fn the_rates_are_kept_unless_told_otherwise() {
    let sandbox = start(|options| options.rate_limit = true);
    let state = path(&sandbox, "getStateInstance");
    let first = send(&sandbox, "GET", &state, b"");
    assert_eq!(first.json(), serde_json::json!({"stateInstance": "authorized"}));
    assert_eq!(send(&sandbox, "GET", &state, b"").status, 429);
    let settings = send(&sandbox, "GET", &path(&sandbox, "getSettings"), b"").json();
    assert_eq!((settings["webhookUrl"].as_str(), settings["incomingWebhook"].as_str()), (Some(""), Some("yes")));
    advance(&sandbox, 1);
    assert_eq!(send(&sandbox, "GET", &state, b"").status, 200);
}

#[test]
fn a_picture_is_a_jpeg_until_its_url_expires_or_is_changed() {
    let sandbox = start(|_| {});
    let url = ask(&sandbox, "getAvatar", "11001234567@c.us").json()["urlAvatar"].as_str().expect("a URL").to_owned();
    let path = url.strip_prefix(&sandbox.api_url()).expect("it is the sandbox's own").to_owned();
    let preview = send(&sandbox, "GET", &format!("{path}&stp=dst-jpg_s96x96"), b"");
    assert!(preview.head.contains("content-type: image/jpeg") && preview.body.starts_with(&[0xff, 0xd8, 0xff]));
    let changed = send(&sandbox, "GET", &path.replace("oe=", "oe=7"), b"");
    assert_eq!((changed.status, changed.text()), (403, "URL signature expired"));
    advance(&sandbox, 9 * 24 * 60 * 60);
    let expired = send(&sandbox, "GET", &path, b"");
    assert_eq!((expired.status, expired.text()), (403, "URL signature expired"));
}
