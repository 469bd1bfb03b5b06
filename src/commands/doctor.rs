//! `doctor`: checks credentials, instance state and settings, one after the other, each with what was found and the
//! way on. It changes nothing, at GREEN-API or here.
//!
//! It is handed settings that are fit to be shown: no secret gets here. Each method is called once, so that the
//! limit of one call a second is kept; a run that follows another too fast waits and asks again.

mod finding;

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use self::finding::{Finding, Form, Sheet, Status};
use crate::cli::setup::DoctorArgs;
use crate::commands::Context;
use crate::duration::show_duration;
use crate::failure::{Failure, Kind};
use crate::greenapi::client::Client;
use crate::greenapi::state::{InstanceSettings, State};
use crate::http::{Agent, Options, Origin};
use crate::output::{Output, OutputError};
use crate::report::Report;
use crate::settings;
use crate::settings::api_url::origin_of;
use crate::shutdown;
use crate::token::MASK;

/// The pause before a call that came too fast is repeated, where GREEN-API names none: the limit is one a second.
const PAUSE: Duration = Duration::from_millis(1_100);
const REPEATS: u32 = 2;

/// Runs the command.
pub fn run(_: &DoctorArgs, context: &Context<'_>) -> Result<u8, settings::Error> {
    let Context { output, report, .. } = *context;
    let checked = match context.open() {
        Ok(session) => {
            let found = &session.settings;
            let client = Client::new(&found.instance, Agent::new(&found.http), found.http.timeout, report);
            check(Settings::Complete { shown: shown(found), client: &client, http: &found.http }, output, report)
        }
        Err(settings::Error::Failure(failure)) => check(Settings::Broken(failure), output, report),
        Err(error) => return Err(error),
    };
    Ok(checked?)
}

fn shown(found: &settings::Settings) -> Vec<Setting> {
    let setting = |name, value: &str, source: &settings::Source| Setting {
        name,
        value: value.to_owned(),
        source: source.to_string(),
    };
    vec![
        setting("apiUrl", &found.instance.api_url, &found.url_source),
        setting("idInstance", &found.instance.id, &found.id_source),
        setting("apiTokenInstance", MASK, &found.token_source),
    ]
}

/// A setting as it may be shown, and where it came from.
#[derive(Clone, Debug)]
pub struct Setting {
    /// As `idInstance`.
    pub name: &'static str,
    /// The value; of a secret its mask.
    pub value: String,
    /// As `environment variable GREEN_API_ID_INSTANCE`.
    pub source: String,
}

/// What the settings came to.
#[derive(Debug)]
pub enum Settings<'a> {
    /// All that is needed is there.
    Complete {
        /// Each setting.
        shown: Vec<Setting>,
        /// The instance.
        client: &'a Client<'a>,
        /// How it is reached.
        http: &'a Options,
    },
    /// Something is missing or malformed: the only check that can be made.
    Broken(Failure),
}

/// Makes the checks and writes a line for each. The exit status: that of the first check that failed.
pub fn check(settings: Settings<'_>, output: &Output, report: &Report) -> Result<u8, OutputError> {
    let form = match (report.is_json(), report.is_quiet()) {
        (true, _) => Form::Json,
        (false, true) => Form::Failures,
        (false, false) => Form::Text,
    };
    let mut sink = |line: &_| output.write(line);
    let mut sheet = Sheet { form, sink: &mut sink, exit: 0 };
    examine(settings, &mut sheet)?;
    Ok(sheet.exit)
}

fn examine(settings: Settings<'_>, sheet: &mut Sheet<'_>) -> Result<(), OutputError> {
    let (shown, client, http) = match settings {
        Settings::Complete { shown, client, http } => (shown, client, http),
        Settings::Broken(failure) => {
            sheet.write(Finding::failed("settings", failure))?;
            for check in ["name", "connection", "state", "notifications"] {
                sheet.write(Finding::skipped(check, "there are no usable settings"))?;
            }
            return Ok(());
        }
    };
    sheet.write(of_settings(&shown))?;
    let name = of_name(&client.instance().api_url, http);
    let is_known = name.status != Status::Failed;
    sheet.write(name)?;
    if !is_known {
        for check in ["connection", "state", "notifications"] {
            sheet.write(Finding::skipped(check, "the host is not known"))?;
        }
        return Ok(());
    }
    let began = Instant::now();
    let state = patiently(|| client.state_instance());
    match state {
        // No status: nothing that speaks HTTP has answered.
        Err(failure) if failure.http_status.is_none() => {
            sheet.write(Finding::failed("connection", failure))?;
            for check in ["state", "notifications"] {
                sheet.write(Finding::skipped(check, "there is no connection"))?;
            }
            return Ok(());
        }
        state => {
            sheet.write(of_connection(&client.instance().api_url, http, began.elapsed()))?;
            let is_ours = !matches!(&state, Err(failure) if failure.kind.ends_run() && !is_about_state(failure.kind));
            sheet.write(state.map_or_else(|failure| Finding::failed("state", failure), of_state))?;
            if !is_ours {
                sheet.write(Finding::skipped("notifications", "GREEN-API refuses the first call"))?;
                return Ok(());
            }
        }
    }
    if shutdown::signal().is_some() {
        sheet.write(Finding::skipped("notifications", "interrupted"))?;
        return Ok(());
    }
    let settings = patiently(|| client.settings());
    sheet.write(settings.map_or_else(|failure| Finding::failed("notifications", failure), of_notifications))
}

fn of_settings(shown: &[Setting]) -> Finding {
    let one = |setting: &Setting| format!("{} {} ({})", setting.name, setting.value, setting.source);
    let found = shown.iter().map(one).collect::<Vec<_>>().join(", ");
    Finding { settings: shown.to_vec(), ..Finding::ok("settings", found) }
}

fn of_name(api_url: &str, http: &Options) -> Finding {
    const CHECK: &str = "name";
    if let Some(proxy) = &http.proxy {
        return Finding::skipped(CHECK, &format!("the proxy {} looks it up", proxy.describe()));
    }
    let Origin { host, port, .. } = origin_of(api_url);
    if host.parse::<IpAddr>().is_ok() {
        return Finding::ok(CHECK, format!("{host} is an address"));
    }
    let unknown = |kind, why: String| {
        let error = anyhow::Error::msg(why).context(format!("the name {host} leads nowhere"));
        Finding::failed(CHECK, Failure::caused(kind, error).hint("check the spelling of --api-url, and the network"))
    };
    match look_up(host.clone(), port, http.connect_timeout) {
        Ok(addresses) if addresses.is_empty() => unknown(Kind::Unreachable, "it has no address".to_owned()),
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            Finding::ok(CHECK, format!("{host} is {}", addresses.join(", ")))
        }
        Err(Some(error)) => unknown(Kind::Unreachable, error),
        Err(None) => unknown(Kind::Timeout, format!("no answer within {}", show_duration(http.connect_timeout))),
    }
}

/// The addresses of a name; an error of the lookup, or none when time ran out. The thread then outlives it, idle.
fn look_up(host: String, port: u16, timeout: Duration) -> Result<Vec<IpAddr>, Option<String>> {
    let (tell, told) = sync_channel(1);
    let spawned = std::thread::Builder::new().name("resolver".into()).spawn(move || {
        let _ = tell.send((host.as_str(), port).to_socket_addrs());
    });
    spawned.map_err(|error| Some(error.to_string()))?;
    match told.recv_timeout(timeout) {
        Ok(Ok(addresses)) => {
            let mut found: Vec<IpAddr> = Vec::new();
            for address in addresses.map(|address| address.ip()) {
                if !found.contains(&address) {
                    found.push(address);
                }
            }
            Ok(found)
        }
        Ok(Err(error)) => Err(Some(error.to_string())),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(None),
    }
}

fn of_connection(api_url: &str, http: &Options, took: Duration) -> Finding {
    let way = match &http.proxy {
        Some(proxy) => format!("through the proxy {}", proxy.describe()),
        None => "directly".to_owned(),
    };
    let tls = if origin_of(api_url).is_https { "with a good certificate" } else { "without TLS" };
    Finding::ok("connection", format!("an answer {way}, {tls}, after {} ms", took.as_millis()))
}

/// Kinds that speak of the instance's state and not of its credentials.
fn is_about_state(kind: Kind) -> bool {
    matches!(kind, Kind::InstanceNotAuthorized)
}

fn of_state(state: State) -> Finding {
    const CHECK: &str = "state";
    let word = state.word().to_owned();
    let failed = |kind, meaning: &str, hint: &str| {
        Finding::failed(CHECK, Failure::new(kind, format!("{word}: {meaning}")).hint(hint))
    };
    match &state {
        State::Authorized => Finding::ok(CHECK, word),
        State::NotAuthorized => failed(
            Kind::InstanceNotAuthorized,
            "no phone is connected to the instance",
            "scan the QR code in GREEN-API's console",
        ),
        State::Blocked => failed(
            Kind::InstanceNotAuthorized,
            "WhatsApp has banned the account",
            "connect another number in GREEN-API's console",
        ),
        State::Suspended => failed(
            Kind::InstanceNotAuthorized,
            "WhatsApp has suspended the account for a while",
            "wait until WhatsApp lifts it, or connect another number in GREEN-API's console",
        ),
        State::SleepMode => failed(
            Kind::InstanceStarting,
            "the phone is switched off",
            "switch the phone on; the instance follows within five minutes",
        ),
        State::Starting => {
            failed(Kind::InstanceStarting, "the instance is starting", "try again in up to five minutes")
        }
        State::YellowCard => Finding::warning(
            CHECK,
            format!("{word}: WhatsApp restricts the account, and requests still work"),
            "send less and slower until the restriction is lifted",
        ),
        State::Other(_) => {
            Finding::warning(CHECK, format!("{word}: a state not known here"), "see GREEN-API's console")
        }
        State::Unknown => Finding::warning(CHECK, "GREEN-API gives none", "run it again in a minute"),
    }
}

fn of_notifications(settings: InstanceSettings) -> Finding {
    const CHECK: &str = "notifications";
    let on = match settings.notifications.as_slice() {
        [] => "none is on".to_owned(),
        on => format!("on: {}", on.join(", ")),
    };
    match settings.webhook {
        Some(webhook) => Finding::warning(
            CHECK,
            format!("webhookUrl is set ({webhook}), so the queue cannot be read; {on}"),
            "for `receive` and `request --wait` clear it in GREEN-API's console, or run `greenavatar listen` behind it",
        ),
        None if settings.notifications.is_empty() => Finding::ok(CHECK, format!("webhookUrl is not set; {on}")),
        None => Finding {
            hint: Some("what is no avatar stops `receive` unless --spool FILE keeps it".to_owned()),
            ..Finding::ok(CHECK, format!("webhookUrl is not set; {on}"))
        },
    }
}

/// Calls, and calls again after a pause while GREEN-API says that it was too fast.
fn patiently<T>(call: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut repeats = 0;
    loop {
        match call() {
            Err(failure) if failure.kind == Kind::TooManyRequests && repeats < REPEATS => {
                repeats += 1;
                if !shutdown::StopFlag::default().sleep(failure.retry_after.unwrap_or(PAUSE)) {
                    return Err(failure);
                }
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
