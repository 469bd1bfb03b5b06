//! Settings: which instance is called, how it is reached, and the source of each value.
//!
//! The environment is never changed, and no message contains the value of a secret.

pub mod api_url;
pub mod env_file;
pub mod precedence;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::api_url::{forbid_plain_http, forbid_strange_host, parse_url, without_method};
pub use self::precedence::{Source, Sourced};
use self::precedence::{Sources, in_environment, shown_input, user_file};
use crate::failure::{Error, Failure, Kind};
use crate::greenapi::client::Instance;
use crate::http::{self, Proxy};
use crate::output::Output;
use crate::platform::check_stdin;
use crate::token::{Token, could_be_a_token, shown_path};

const DEFAULT_URL: &str = "https://api.green-api.com";
const CONSOLE: &str = "the instance's values are in https://console.green-api.com";

/// The options that say which instance is called and how.
#[derive(Debug, Default)]
pub struct Flags {
    pub api_url: Option<OsString>,
    pub id_instance: Option<OsString>,
    pub api_token_instance: Option<OsString>,
    /// `--api-token-file`; `-` is standard input.
    pub api_token_file: Option<PathBuf>,
    pub env_file: Option<PathBuf>,
    pub no_env_file: bool,
    pub sandbox: bool,
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub retries: u32,
    pub cacert: Option<PathBuf>,
    pub insecure_http: bool,
}

impl Flags {
    pub fn token_from_stdin(&self) -> bool {
        self.api_token_file.as_deref() == Some(Path::new("-"))
    }
}

#[derive(Debug)]
pub struct Settings {
    pub instance: Instance,
    pub url_source: Source,
    pub id_source: Source,
    pub token_source: Source,
    pub http: http::Options,
    pub retries: u32,
    /// GREEN_API_LENIENT. Not parsed yet: only commands with chat ids use it.
    lenient: Option<Sourced<String>>,
}

impl Settings {
    /// Reads the settings of a real instance. Warnings are printed to `output`.
    pub fn read(flags: &Flags, output: &Output) -> Result<Settings, Error> {
        let mut sources = Sources::open(flags.env_file.as_deref(), flags.no_env_file, output)?;
        let mut find = |flag, given: &Option<OsString>, names| match given {
            Some(value) => Ok(Some(Sourced::flag(flag, value))),
            None => sources.find(names),
        };
        let url = find("--api-url", &flags.api_url, precedence::URL)?;
        let id = find("--id-instance", &flags.id_instance, precedence::ID)?;
        let token = match &flags.api_token_file {
            Some(path) => Some(read_token_file(path, Source::Flag("--api-token-file"))?),
            None => find("--api-token-instance", &flags.api_token_instance, precedence::TOKEN)?
                .map(|found| match found.source.variable() {
                    Some(precedence::TOKEN_FILE) => Ok(read_token_file(Path::new(&found.value), found.source)?),
                    _ => parse(found, Token::parse, "a token: 8 to 128 letters, digits, - and _", CONSOLE),
                })
                .transpose()?,
        };
        let url = url.unwrap_or(Sourced { value: DEFAULT_URL.into(), source: Source::Default });
        if let Some(shorter) = without_method(&url.value) {
            let message = format!("{} contains /waInstance, which is added for each call", url.source);
            return Err(Failure::new(Kind::BadSettings, message).hint(format!("write it as {shorter}")).into());
        }
        let url = parse(url, parse_url, "an API URL, like https://api.green-api.com", CONSOLE)?;
        let Sourced { value: (api_url, origin), source: url_source } = url;
        let id = id.map(|id| parse(id, parse_id, "the number of an instance: 1 to 20 digits", CONSOLE)).transpose()?;
        // Last, so that a malformed flag is a usage error whatever is missing.
        let (id, token) = match (id, token) {
            (Some(id), Some(token)) => (id, token),
            (None, _) => return Err(missing("no instance is given").into()),
            (_, None) => return Err(missing("no token is given").into()),
        };
        forbid_plain_http(&origin, flags.insecure_http)?;
        forbid_strange_host(&origin, &url_source, &token.source)?;
        let mut http = http_options(flags);
        if let Some(path) = &flags.cacert {
            http.roots = http::read_roots(path)?;
        }
        http.proxy = Proxy::of_environment(&origin)?;
        Ok(Settings {
            instance: Instance { api_url, origin, id: id.value, token: token.value },
            url_source,
            id_source: id.source,
            token_source: token.source,
            http,
            retries: flags.retries,
            // Optional: a file that cannot be read is not an error here.
            lenient: sources.find(precedence::LENIENT).unwrap_or_default(),
        })
    }

    /// The settings of a sandbox in this process. Reads no file and uses no proxy.
    pub fn of_sandbox(instance: Instance, flags: &Flags) -> Settings {
        Settings {
            instance,
            url_source: Source::Sandbox,
            id_source: Source::Sandbox,
            token_source: Source::Sandbox,
            http: http_options(flags),
            retries: flags.retries,
            lenient: in_environment(precedence::LENIENT),
        }
    }

    pub fn token_is_from_stdin(&self) -> bool {
        matches!(&self.token_source, Source::TokenFile(path, _) if path == Path::new("-"))
    }

    /// Whether `--lenient` is in effect: by the option, otherwise by GREEN_API_LENIENT.
    pub fn is_lenient(&self, flag: bool) -> Result<bool, Error> {
        match &self.lenient {
            Some(found) if !flag => {
                let parsed =
                    parse(found.clone(), parse_bool, "1, true, yes, 0, false or no", "unset it, or use --lenient");
                parsed.map(|lenient| lenient.value)
            }
            _ => Ok(flag),
        }
    }
}

/// The webhook's token. It may be empty: the caller refuses that.
pub fn webhook_token(flags: &Flags, output: &Output) -> Result<Option<String>, Failure> {
    let mut sources = Sources::open(flags.env_file.as_deref(), flags.no_env_file, output)?;
    Ok(sources.find(precedence::WEBHOOK_TOKEN)?.map(|found| found.value))
}

/// Reads a token from the first line of a file.
fn read_token_file(path: &Path, named_by: Source) -> Result<Sourced<Token>, Failure> {
    let line = read_first_line(path).map_err(|failure| match could_be_a_token(path) {
        true => failure.hint(format!("{named_by} takes the name of a file with the token in it, not the token")),
        false => failure,
    })?;
    let value = Token::parse(&line).ok_or_else(|| {
        Failure::new(Kind::BadSettings, format!("the first line of {} is not a token", shown_input(path)))
            .hint("a token is 8 to 128 letters, digits, - and _")
    })?;
    Ok(Sourced { value, source: Source::TokenFile(path.to_owned(), Box::new(named_by)) })
}

/// The first line of a file (`-`: standard input), trimmed. At most 4 KiB are read.
pub fn read_first_line(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // Stops at the end of the line: on a terminal, nothing may follow it.
    let mut read = |from: &mut dyn BufRead| from.take(4096).read_until(b'\n', &mut bytes);
    let result = match path == Path::new("-") {
        true => check_stdin().and_then(|()| read(&mut io::stdin().lock())),
        false => File::open(path).and_then(|file| read(&mut BufReader::new(file))),
    };
    result.map_err(|error| {
        Failure::new(Kind::InputUnreadable, format!("cannot read {}", shown_input(path))).because(error)
    })?;
    Ok(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').trim().to_owned())
}

/// Parses a value. A malformed one is a usage error if it is an option's, otherwise bad-settings.
fn parse<T>(
    found: Sourced<String>,
    parse: fn(&str) -> Option<T>,
    wanted: &str,
    hint: &str,
) -> Result<Sourced<T>, Error> {
    let Sourced { value, source } = found;
    match (parse(&value), &source) {
        (Some(value), _) => Ok(Sourced { value, source }),
        (None, Source::Flag(flag)) => Err(Error::Usage(format!("the value of {flag} is not {wanted}"))),
        (None, _) => Err(Failure::new(Kind::BadSettings, format!("{source} is not {wanted}")).hint(hint).into()),
    }
}

fn missing(what: &'static str) -> Failure {
    let file = user_file().map(|path| format!(" or {}", shown_path(&path))).unwrap_or_default();
    Failure::new(Kind::MissingCredentials, what).hint(format!(
        "an instance is a WhatsApp account connected to GREEN-API; its idInstance and apiTokenInstance are in \
         https://console.green-api.com: set GREEN_API_ID_INSTANCE and GREEN_API_TOKEN_INSTANCE to them in the \
         environment, a .env{file}; or try it without an account: greenavatar --sandbox request 11001234567@c.us"
    ))
}

fn parse_id(text: &str) -> Option<String> {
    let fits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.to_owned())
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Some(true),
        "0" | "false" | "no" => Some(false),
        _ => None,
    }
}

fn http_options(flags: &Flags) -> http::Options {
    http::Options { timeout: flags.timeout, connect_timeout: flags.connect_timeout, ..http::Options::default() }
}
