//! Which hosts pictures are downloaded from, and that requests to them contain nothing of the account.

use crate::support::pictures::JPEG;
use crate::support::queue::method;
use crate::support::tls::Authority;
use crate::support::{
    Answer, CHAT, Cli, GROUP, Gate, INSTANCE, Proxy, Request, Server, TOKEN, chat, in_parallel, json,
};

const HOST: &str = "pps.whatsapp.net";

/// An answer of getAvatar with this URL, and a cookie that must not be sent anywhere.
fn finds(url: &str) -> Answer {
    let cookie = "session=of-green-api; Path=/; SameSite=None";
    Answer::status(200).header("Set-Cookie", cookie).body(serde_json::json!({ "urlAvatar": url }).to_string())
}

/// Checks that a download contains nothing of GREEN-API or the user.
#[track_caller]
fn assert_anonymous(seen: &Request) {
    assert_eq!((seen.method.as_str(), seen.body.as_str()), ("GET", ""));
    let mut names: Vec<_> = seen.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    let known = ["accept", "accept-encoding", "connection", "host", "user-agent"];
    assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
    let whole = format!("{} {:?}", seen.path, seen.headers).to_lowercase();
    for secret in [TOKEN, INSTANCE, "of-green-api", "green-api", "11001234567"] {
        assert!(!whole.contains(secret), "{secret} is in {whole}");
    }
}

#[test]
fn downloads_contain_nothing_of_green_api() {
    let authority = Authority::new();
    let answer = Answer::status(200).header("Set-Cookie", "seen=before").body(JPEG);
    let host = Server::tls(authority.server(HOST), answer);
    let proxy = Proxy::http(host.address());
    let service = Server::always(finds(&format!("https://{HOST}/v/t61.24694-24/x.jpg?ccb=11-4&oe=615A60EB")));
    let cli = Cli::on(&service).env("https_proxy", format!("http://{}", proxy.address()));
    let cli = cli.file("ca.pem", authority.pem()).args(["--cacert", "ca.pem", "get", "-q", "--dir", "d", CHAT, GROUP]);
    let output = cli.run();
    assert!(output.path(&format!("d/{CHAT}.jpg")).exists() && output.path(&format!("d/{GROUP}.jpg")).exists());
    assert!(proxy.targets().iter().all(|target| *target == format!("{HOST}:443")), "{:?}", proxy.targets());
    let seen = host.requests();
    assert_eq!(seen.len(), 2);
    for seen in &seen {
        assert_eq!(seen.path, "/v/t61.24694-24/x.jpg?ccb=11-4&oe=615A60EB");
        assert_eq!(seen.header("host"), Some(HOST));
        assert_anonymous(seen);
    }
    assert!(service.requests().iter().all(|seen| seen.header("cookie").is_none()));
}

#[test]
fn a_host_with_the_certificate_of_another_gets_no_request() {
    let authority = Authority::new();
    let host = Server::tls(authority.server("other.whatsapp.net"), Answer::status(200).body(JPEG)).times(0);
    let proxy = Proxy::http(host.address());
    let service = Server::always(finds(&format!("https://{HOST}/x.jpg")));
    let cli = Cli::on(&service).env("https_proxy", format!("http://{}", proxy.address()));
    let args = ["--cacert", "ca.pem", "get", "--json", "--dir", "d", CHAT];
    let output = cli.file("ca.pem", authority.pem()).args(args).exits(69).any_stdout().run();
    assert_eq!(json(&output.stdout)["error"]["code"], "unreachable");
}

#[test]
fn a_host_that_is_not_whatsapps_is_not_connected_to() {
    let stranger = Server::unasked();
    let (address, port) = (stranger.address(), stranger.address().port());
    let proxy = Proxy::http(address);
    let urls = [
        format!("http://{HOST}/x.jpg"),
        format!("https://{HOST}:{port}/x.jpg"),
        "https://whatsapp.net/x.jpg".to_owned(),
        "https://evilwhatsapp.net/x.jpg".to_owned(),
        format!("https://{HOST}.evil.example/x.jpg"),
        format!("https://evil.example/{HOST}"),
        format!("https://evil.example#.{HOST}/"),
        format!("https://evil.example\\.{HOST}/x.jpg"),
        format!("https://{HOST}@evil.example/x.jpg"),
        format!("https://evil.example@{HOST}/x.jpg"),
        format!("http://{address}/x.jpg"),
        format!("https://{address}/x.jpg"),
        format!("https://localhost:{port}/x.jpg"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://[::1]/x.jpg".to_owned(),
        "https://2130706433/x.jpg".to_owned(),
        "https:///x.jpg".to_owned(),
    ];
    in_parallel(urls, |url| {
        let service = Server::answering([finds(&url)]);
        let cli = Cli::on(&service).env("https_proxy", format!("http://{}", proxy.address()));
        let output = cli.args(["get", "--json", "--dir", "d", CHAT]).exits(76).any_stdout().run();
        let line = json(&output.stdout);
        assert_eq!(line["error"]["code"], "bad-picture", "{url}: {line}");
        assert!(std::fs::read_dir(output.path("d")).expect("a directory").next().is_none(), "{url}");
    });
    assert!(proxy.targets().is_empty(), "{:?}", proxy.targets());
}

#[test]
fn an_allowed_name_may_resolve_to_a_private_address() {
    let authority = Authority::new();
    let secure = Server::tls(authority.server("localhost"), Answer::status(200).body(JPEG)).times(1);
    let plain = Server::always(Answer::status(200).body(JPEG)).times(1);
    for url in [secure.url(), format!("http://localhost:{}", plain.address().port())] {
        let service = Server::answering([finds(&format!("{url}/x.jpg"))]);
        let args = ["--cacert", "ca.pem", "get", "-q", "--allow-host", "localhost", "--dir", "d", CHAT];
        let output = Cli::on(&service).file("ca.pem", authority.pem()).args(args).run();
        assert_eq!(std::fs::read(output.path(&format!("d/{CHAT}.jpg"))).expect("a picture"), JPEG);
    }
}

#[test]
fn pictures_of_a_service_on_this_machine_are_allowed() {
    let other = Server::unasked();
    let service = Server::with(move |seen| match (method(seen), seen.body.contains(CHAT)) {
        ("getAvatar", true) => finds(&format!("http://{}/pictures/1", seen.header("host").expect("a host"))),
        ("getAvatar", false) => finds(&format!("http://{}/pictures/1", other.address())),
        _ => Answer::status(200).body(JPEG),
    })
    .times(3);
    let cli = Cli::on(&service).args(["get", "--json", "--dir", "d", CHAT, GROUP]).exits(1);
    let output = cli.any_stdout().any_stderr().run();
    assert_eq!(std::fs::read(output.path(&format!("d/{CHAT}.jpg"))).expect("a picture"), JPEG);
    assert!(output.stdout.contains("bad-picture"), "another port is another server: {}", output.stdout);
}

#[test]
fn an_allowed_address_is_used_and_on_loopback_without_tls() {
    let host = Server::always(Answer::status(200).body(JPEG));
    let address = host.address();
    let url = format!("http://{address}/x.jpg");
    for allowed in ["127.0.0.1".to_owned(), address.to_string()] {
        let service = Server::answering([finds(&url)]);
        let output = Cli::on(&service).args(["get", "-q", "--allow-host", &allowed, "-o", "x", CHAT]).run();
        assert_eq!(std::fs::read(output.path("x")).expect("a picture"), JPEG);
    }
    host.requests().iter().for_each(assert_anonymous);
    assert_eq!(host.requests().len(), 2);
    for other in ["127.0.0.2", "127.0.0.1:1", "localhost", "192.168.0.1"] {
        let service = Server::answering([finds(&url)]);
        let cli = Cli::on(&service).args(["get", "-q", "--allow-host", other, "-o", "x", CHAT]);
        cli.exits(76).stderr_has("not").run();
    }
    assert_eq!(host.requests().len(), 2);
    for wrong in ["", "http://127.0.0.1", "a/b", "two words", "127.0.0.1:0", "*.example"] {
        let cli = Cli::on(&Server::unasked()).args(["get", "--allow-host", wrong, CHAT]);
        cli.exits(2).any_stderr().run();
    }
}

#[test]
fn an_allowed_host_needs_https_unless_it_is_loopback() {
    for url in ["http://192.0.2.1/x.jpg".to_owned(), format!("http://{HOST}/x.jpg")] {
        let service = Server::answering([finds(&url)]);
        let cli = Cli::on(&service).args(["get", "--json", "--allow-host", "192.0.2.1", "-o", "x", CHAT]);
        let output = cli.exits(76).any_stdout().run();
        let error = &json(&output.stdout)["error"];
        assert_eq!(error["message"], "picture URL rejected: it is not https");
        assert_eq!(error.get("hint"), None, "--allow-host does not change that");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::unasked();
    let target = format!("http://{}/x.jpg", elsewhere.address());
    for status in [301, 302, 303, 307, 308] {
        let target = target.clone();
        let service = Server::with(move |seen| match method(seen) {
            "getAvatar" => finds(&format!("http://{}/pictures/1", seen.header("host").expect("a host"))),
            _ => Answer::status(status).header("Location", &target).body(JPEG),
        })
        .times(2);
        let cli = Cli::on(&service).args(["get", "--json", "--allow-host", "127.0.0.1", "--dir", "d", CHAT]);
        let output = cli.exits(76).any_stdout().run();
        assert_eq!(json(&output.stdout)["error"]["code"], "unexpected-response");
    }
}

#[test]
fn pictures_of_a_list_use_one_connection_a_worker() {
    let gate = Gate::default();
    let held = gate.clone();
    let host = Server::with(move |_| Answer::status(200).body(JPEG).held(&held)).times(40).opening(&gate);
    let service = Server::with({
        let url = format!("{}/x.jpg", host.url());
        move |_| finds(&url)
    })
    .times(40);
    let args = ["get", "-q", "--rate", "0", "--concurrency", "4", "--allow-host", "127.0.0.1", "--dir", "d"];
    let running = Cli::on(&service).args(args).args((0..40).map(chat)).start();
    // No request is answered before each worker has sent one.
    host.wait_for(4);
    gate.open();
    running.finish();
    assert_eq!(host.connections(), 4);
}
