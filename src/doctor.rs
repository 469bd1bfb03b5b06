//! `doctor`: checks settings, name, connection, state and notifications, in this order. Each check says what was found
//! and what to do. Nothing is changed, here or at GREEN-API.

use std::net::IpAddr;
use std::time::Instant;

use serde_json::{Value, json};

use crate::duration::show_duration;
use crate::failure::{Error, Failure, Kind};
use crate::greenapi::client::Client;
use crate::http::{self, HttpError};
use crate::output::Output;
use crate::retry::RetryPolicy;
use crate::settings::{Settings, Source};
use crate::shutdown::{self, StopFlag};
use crate::text::sanitize;
use crate::token::{MASK, Masked};

/// How often a rate-limited call is repeated: these methods may be called once a second.
const RETRIES: u32 = 2;

type MakeCheck = fn(&mut Doctor<'_>) -> Check;

/// The checks in their order. `connection` makes the call whose answer `state` looks at.
const CHECKS: [(&str, MakeCheck); 5] = [
    ("settings", |doctor| check_settings(doctor.settings)),
    ("name", |doctor| check_name(doctor.settings)),
    ("connection", check_connection),
    ("state", check_state),
    ("notifications", check_notifications),
];

/// Makes all checks and prints a line for each. Returns the exit status of the first one that failed.
pub fn run(settings: &Settings, output: &Output) -> Result<u8, Error> {
    let client = Client::new(&settings.instance, &settings.http, output);
    let mut doctor = Doctor { settings, client, state: None };
    let _wait = output.wait("waiting for GREEN-API's answer", None);
    let mut exit = 0;
    let mut skipped = None;
    for (name, make) in CHECKS {
        skipped = skipped.or(shutdown::signal().map(|_| "interrupted"));
        let check = skipped.map_or_else(|| make(&mut doctor), Check::skipped);
        if let (0, Some(failure)) = (exit, &check.failure) {
            exit = failure.kind.exit();
        }
        print(name, &check, output)?;
        skipped = skipped.or(check.skips_rest);
    }
    Ok(exit)
}

/// Prints the checks if the settings are not usable. Returns the exit status.
pub fn run_without_settings(failure: Failure, output: &Output) -> Result<u8, Error> {
    let exit = failure.kind.exit();
    print("settings", &Check::failed(failure), output)?;
    for (name, _) in &CHECKS[1..] {
        print(name, &Check::skipped("the settings are not usable"), output)?;
    }
    Ok(exit)
}

struct Doctor<'a> {
    settings: &'a Settings,
    client: Client<'a>,
    /// The answer to the call that checks the connection.
    state: Option<Result<String, Failure>>,
}

#[derive(Debug)]
struct Check {
    /// `ok`, `warning`, `failed` or `skipped`.
    status: &'static str,
    found: String,
    hint: Option<String>,
    failure: Option<Failure>,
    /// Settings with their sources, as JSON.
    settings: Option<Value>,
    /// Why the checks that follow cannot be made.
    skips_rest: Option<&'static str>,
}

impl Check {
    fn new(status: &'static str, found: impl Into<String>) -> Check {
        Check { status, found: found.into(), hint: None, failure: None, settings: None, skips_rest: None }
    }

    fn ok(found: impl Into<String>) -> Check {
        Check::new("ok", found)
    }

    fn warning(found: impl Into<String>, hint: &str) -> Check {
        Check { hint: Some(hint.to_owned()), ..Check::new("warning", found) }
    }

    fn skipped(why: &str) -> Check {
        Check::new("skipped", format!("not tried: {why}"))
    }

    fn failed(failure: Failure) -> Check {
        let check = Check::new("failed", failure.message());
        Check { hint: failure.hint.clone(), failure: Some(failure), ..check }
    }

    fn skipping_rest(mut self, why: &'static str) -> Check {
        self.skips_rest = Some(why);
        self
    }

    fn json(&self, name: &str) -> String {
        let mut line = json!({ "check": name, "status": self.status, "found": self.found });
        if let Some(hint) = &self.hint {
            line["hint"] = json!(hint);
        }
        if let Some(failure) = &self.failure {
            line["error"] = json!(failure.body());
        }
        if let Some(settings) = &self.settings {
            line["settings"] = settings.clone();
        }
        line.to_string()
    }

    fn text(&self, name: &str) -> String {
        let word = match self.status {
            "warning" => "warn",
            "failed" => "FAIL",
            "skipped" => "skip",
            word => word,
        };
        let hint = self.hint.as_ref().map(|hint| format!("\n      hint: {}", sanitize(hint))).unwrap_or_default();
        format!("{word:<5} {name:<14} {}{hint}", sanitize(&self.found))
    }
}

fn print(name: &str, check: &Check, output: &Output) -> Result<(), Error> {
    if output.is_silent() && check.failure.is_none() {
        return Ok(());
    }
    let line = if output.is_json() { check.json(name) } else { check.text(name) };
    output.write(&Masked::new(line + "\n"))
}

fn check_settings(settings: &Settings) -> Check {
    if let Err(Error::Failure(failure)) = settings.is_lenient(false) {
        return Check::failed(failure);
    }
    let rows = [
        ("apiUrl", settings.instance.api_url.as_str(), &settings.url_source),
        ("idInstance", &settings.instance.id, &settings.id_source),
        ("apiTokenInstance", MASK, &settings.token_source),
    ];
    let text = rows.map(|(name, value, source)| format!("{name} {value} ({source})")).join(", ");
    let json =
        |(name, value, source): (_, _, &Source)| json!({ "name": name, "value": value, "source": source.to_string() });
    Check { settings: Some(rows.map(json).into()), ..Check::ok(text) }
}

fn check_name(settings: &Settings) -> Check {
    if let Some(proxy) = &settings.http.proxy {
        return Check::skipped(&format!("the proxy {} looks it up", proxy.describe()));
    }
    let origin = &settings.instance.origin;
    let host = &origin.host;
    if origin.address().is_some() {
        return Check::ok(format!("{host} is an address"));
    }
    match http::look_up(origin, settings.http.connect_timeout) {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            Check::ok(format!("{host} is {}", addresses.join(", ")))
        }
        Err(error) => {
            let (kind, why) = match error {
                HttpError::Timeout => {
                    let limit = show_duration(settings.http.connect_timeout);
                    (Kind::Timeout, format!("no answer within {limit}"))
                }
                HttpError::Unreachable(why) => (Kind::Unreachable, why),
                other => (Kind::Unreachable, format!("{other:?}")),
            };
            let failure = Failure::new(kind, format!("{host} cannot be looked up"))
                .because_text(why)
                .hint("check the spelling of --api-url, and the network");
            Check::failed(failure).skipping_rest("the host is not known")
        }
    }
}

fn check_connection(doctor: &mut Doctor<'_>) -> Check {
    let began = Instant::now();
    let state = retry(|| doctor.client.state_instance());
    let took = began.elapsed().as_millis();
    match state {
        // Without a status, there was no HTTP answer.
        Err(failure) if failure.http_status.is_none() => Check::failed(failure).skipping_rest("there is no connection"),
        state => {
            doctor.state = Some(state);
            let way = match &doctor.settings.http.proxy {
                Some(proxy) => format!("through the proxy {}", proxy.describe()),
                None => "directly".to_owned(),
            };
            let tls = if doctor.settings.instance.origin.is_https { "with a good certificate" } else { "without TLS" };
            Check::ok(format!("an answer {way}, {tls}, after {took} ms"))
        }
    }
}

fn check_state(doctor: &mut Doctor<'_>) -> Check {
    let state = match doctor.state.take().expect("the check of the connection has set it") {
        Ok(state) => state,
        // Credentials that are refused once are refused again; an instance without a phone still has settings.
        Err(failure) if failure.kind.ends_run() && failure.kind != Kind::InstanceNotAuthorized => {
            return Check::failed(failure).skipping_rest("GREEN-API refuses the first call");
        }
        Err(failure) => return Check::failed(failure),
    };
    let failed =
        |kind, meaning: &str, hint: &str| Check::failed(Failure::new(kind, format!("{state}: {meaning}")).hint(hint));
    match state.as_str() {
        "authorized" => Check::ok(state),
        "notAuthorized" => failed(
            Kind::InstanceNotAuthorized,
            "no phone is connected to the instance",
            "scan the QR code in GREEN-API's console",
        ),
        "blocked" => failed(
            Kind::InstanceNotAuthorized,
            "WhatsApp has banned the account",
            "connect another number in GREEN-API's console",
        ),
        "suspended" => failed(
            Kind::InstanceNotAuthorized,
            "WhatsApp has suspended the account temporarily",
            "wait until WhatsApp lifts it, or connect another number in GREEN-API's console",
        ),
        "sleepMode" => failed(
            Kind::InstanceStarting,
            "the phone is switched off",
            "switch the phone on; the instance is ready within five minutes",
        ),
        "starting" => failed(Kind::InstanceStarting, "the instance is starting", "try again in five minutes"),
        "yellowCard" => Check::warning(
            format!("{state}: WhatsApp restricts the account, and requests still work"),
            "send fewer requests until the restriction is lifted",
        ),
        "" => Check::warning("GREEN-API reports no state", "run it again in a minute"),
        _ => Check::warning(format!("{state}: not a known state"), "see GREEN-API's console"),
    }
}

fn check_notifications(doctor: &mut Doctor<'_>) -> Check {
    let settings = match retry(|| doctor.client.settings()) {
        Ok(settings) => settings,
        Err(failure) => return Check::failed(failure),
    };
    let on = match settings.notifications.as_slice() {
        [] => "no notifications are on".to_owned(),
        on => format!("on: {}", on.join(", ")),
    };
    match settings.webhook {
        Some(webhook) => Check::warning(
            format!("webhookUrl is set ({webhook}), so the queue cannot be read; {on}"),
            "clear it in GREEN-API's console to use `receive` and `request --wait`, or run `greenavatar listen` at that URL",
        ),
        None => {
            let hint = "`receive` stops at notifications that are not results, unless --spool FILE is given";
            let hint = (!settings.notifications.is_empty()).then(|| hint.to_owned());
            Check { hint, ..Check::ok(format!("webhookUrl is not set; {on}")) }
        }
    }
}

/// Repeats a call while GREEN-API answers that there are too many requests.
fn retry<T>(call: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    RetryPolicy::new(RETRIES).run(&StopFlag::default(), || {
        call().map_err(|failure| Failure { is_final: failure.kind != Kind::TooManyRequests, ..failure })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_one_object_or_a_line_with_its_hint() {
        let failure = Failure::new(Kind::Unauthorized, "GREEN-API refuses the token").hint("compare it");
        let check = Check::failed(failure);
        assert_eq!(check.text("state"), "FAIL  state          GREEN-API refuses the token\n      hint: compare it");
        let json: Value = serde_json::from_str(&check.json("state")).expect("an object");
        assert_eq!(json["status"], "failed");
        assert_eq!(json["error"]["code"], "unauthorized");
        assert_eq!(json["hint"], "compare it");
    }
}
