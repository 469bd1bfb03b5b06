//! `receive` and the notifications of other programs: they stop the run, or go to the spool with all their bytes.

use crate::receive::receive;
use crate::support::queue::{method, plain};
use crate::support::{Answer, Queue, Server, chat, json, sample};

/// Notifications of other programs, and a part of the message about each.
fn foreign() -> Vec<(String, &'static str)> {
    vec![
        (sample("incoming-message.json"), "incomingMessageReceived"),
        (sample("device-info.json"), "deviceInfo"),
        (sample("message-status-duplicate-key.json"), "outgoingMessageStatus"),
        (r#"{"typeWebhook":"deviceInfo","avatarInfo":{"chatId":false,"urlAvatar":""}}"#.to_owned(), "deviceInfo"),
        (r#"{"typeWebhook":"avatarInfo","avatarInfo":{"chatId":120363043968066561}}"#.to_owned(), "avatarInfo"),
        (r#"{"typeWebhook":"avatarInfo","avatarInfo":{"urlAvatar":""}}"#.to_owned(), "avatarInfo"),
        (r#"{"typeWebhook":"avatarInfo","avatarInfo":null}"#.to_owned(), "avatarInfo"),
        (r#"{"typeWebhook":"avatarInfo","avatarInfo":"11001234567@c.us"}"#.to_owned(), "avatarInfo"),
        (r#"{"typeWebhook":"x\u001b[31m\u202e\ny"}"#.to_owned(), "x"),
        (r#"{"typeWebhook":7}"#.to_owned(), "without a type"),
        ("{}".to_owned(), "without a type"),
    ]
}

#[test]
fn the_run_stops_at_a_foreign_notification_and_does_not_delete_it() {
    for (body, name) in foreign() {
        let queue = Queue::of([plain(1), body.clone(), plain(2)]);
        let server = queue.serve();
        let output = receive(&server, ["--json"]).exits(75).stdout_has(chat(1)).any_stderr().run();
        assert_eq!(output.stdout.lines().count(), 1, "{body}");
        let error = &json(&output.stderr)["error"];
        assert_eq!(error["code"], "foreign-notification", "{body}");
        assert!(error["message"].as_str().expect("a message").contains(name), "{body}: {error}");
        assert!(error["hint"].as_str().expect("a hint").contains("--spool"), "{body}: {error}");
        assert_eq!((queue.deleted(), queue.left()), (vec![1], 2), "{body}");
    }
    let body = sample("receive-trailing-comma.txt");
    let server = Server::answering([Answer::status(200).body(body)]);
    receive(&server, []).exits(75).stderr_has("cannot be read").run();
}

#[test]
fn with_a_spool_foreign_notifications_are_kept_and_the_run_continues() {
    let bodies: Vec<_> = foreign().into_iter().map(|(body, _)| body.trim().to_owned()).collect();
    let queue = Queue::of(bodies.iter().cloned().chain([plain(1)]));
    let server = queue.serve();
    let output = receive(&server, ["--spool", "spool"]).stdout(format!("{}\tnone\n", chat(1))).run();
    assert_eq!(output.read("spool"), bodies.join("\n") + "\n");
    assert_eq!(queue.left(), 0);
}

#[test]
fn a_spooled_notification_keeps_its_bytes_but_for_newlines_between_tokens() {
    let body = "{ \"typeWebhook\" : \"x\",\r\n\t\"n\": 123456789012345678901234567890, \"n\":1.0e+400,\n\n  \"n\": -0.0,\n \
                \"text\": \"a\\nb \\u00e9\\/ é \\ud83d\\ude00\",\n \"n\" : [1 , 2]\n}";
    let kept = "{ \"typeWebhook\" : \"x\",\t\"n\": 123456789012345678901234567890, \"n\":1.0e+400,  \"n\": -0.0, \
                \"text\": \"a\\nb \\u00e9\\/ é \\ud83d\\ude00\", \"n\" : [1 , 2]}\n";
    let queue = Queue::of([body]);
    let server = queue.serve();
    // The first line that is appended does not continue a torn one.
    let cli = receive(&server, ["--spool", "spool"]).file("spool", "{\"before\":1}\n{\"torn");
    assert_eq!(cli.run().read("spool"), format!("{{\"before\":1}}\n{{\"torn\n{kept}"));
    assert_eq!(queue.deleted(), [1]);
}

#[test]
fn a_head_that_is_not_json_does_not_block_the_queue() {
    let body = sample("receive-trailing-comma.txt");
    for (body, receipt) in [
        (body.clone(), "1234567"),
        (r#"{"body":{"receiptId":1,"a":"\"receiptId\":2",},"receiptId":"77"}"#.to_owned(), "77"),
        ("{\"receiptId\":5,\"body\":{\"text\":\"a\nb\",}}".to_owned(), "5"),
    ] {
        let server = Server::answering([
            Answer::status(200).body(body.as_str()),
            Answer::status(200).body(r#"{"result":true,"reason":""}"#),
            Answer::status(200).body("null"),
        ]);
        let output = receive(&server, ["--spool", "spool"]).run();
        let deleted = &server.requests()[1];
        assert!(method(deleted) == "deleteNotification" && deleted.path.ends_with(&format!("/{receipt}")), "{body}");
        assert_eq!(output.read("spool"), body.replace('\n', "\\n") + "\n");
    }
}
