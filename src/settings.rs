//! Which instance is called and how: flag before process environment before `.env`, and where each value came from.
//!
//! Nothing is written back to the environment, and no message holds the value of a secret. This file reads settings;
//! what they are used for it does not know.

pub mod api_url;
pub mod env_file;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::duration::parse_timeout;
use crate::escape::escape;
use crate::failure::{Failure, Kind};
use crate::greenapi::client::Instance;
use crate::http::{self, Proxy, Roots};
use crate::report::Report;
use crate::token::{Token, could_be_a_token};

use self::api_url::{forbid_plain_http, forbid_strange_host, origin_of, parse_url};
use self::env_file::EnvFile;

const DEFAULT_URL: &str = "https://api.green-api.com";
const URL_NAMES: &[&str] = &["GREEN_API_URL"];
/// The second names are those of GREEN-API's official samples.
const ID_NAMES: &[&str] = &["GREEN_API_ID_INSTANCE", "ID_INSTANCE"];
const TOKEN_NAMES: &[&str] = &["GREEN_API_TOKEN_INSTANCE", "API_TOKEN_INSTANCE"];
const TOKEN_FILE_NAMES: &[&str] = &["GREEN_API_TOKEN_FILE"];

/// The flags that say which instance is called and how. They work before and after the command's name.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// The instance's API URL [default: https://api.green-api.com] [env: GREEN_API_URL]
    #[arg(long, global = true, hide_short_help = true, value_name = "URL")]
    pub api_url: Option<OsString>,
    /// The instance's number [env: GREEN_API_ID_INSTANCE, ID_INSTANCE]
    #[arg(long, global = true, hide_short_help = true, value_name = "ID", allow_hyphen_values = true)]
    pub id_instance: Option<OsString>,
    /// The instance's token; as a flag it shows in the process list, so prefer the environment, a .env or a file [env: GREEN_API_TOKEN_INSTANCE, API_TOKEN_INSTANCE]
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "TOKEN",
        allow_hyphen_values = true,
        conflicts_with = "api_token_file"
    )]
    pub api_token_instance: Option<OsString>,
    /// Read the token from a file's first line, - for standard input [env: GREEN_API_TOKEN_FILE]
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub api_token_file: Option<PathBuf>,
    /// Read settings from this file instead of the .env here or in the nearest parent
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE", conflicts_with = "no_env_file")]
    pub env_file: Option<PathBuf>,
    /// Read no .env
    #[arg(long, global = true, hide_short_help = true)]
    pub no_env_file: bool,
    /// Run against a sandbox inside this process: no account needed, nothing leaves the machine
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// Longest time for one request, like 500ms, 30s or 2m
    #[arg(long, global = true, hide_short_help = true, value_name = "DURATION", value_parser = parse_timeout, default_value = "60s")]
    pub timeout: Duration,
    /// Longest time to connect
    #[arg(long, global = true, hide_short_help = true, value_name = "DURATION", value_parser = parse_timeout, default_value = "10s")]
    pub connect_timeout: Duration,
    /// How often a request that may go well later is repeated, after 1 s, 2 s, 4 s ...
    #[arg(long, global = true, hide_short_help = true, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100), default_value = "3")]
    pub retries: u32,
    /// Trust the certificates of this PEM file instead of the built-in ones
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Allow http: to other hosts than this one; the token then travels in the clear
    #[arg(long, global = true, hide_short_help = true)]
    pub insecure_http: bool,
}

impl Flags {
    /// Whether the token is to be read from standard input.
    pub fn token_from_stdin(&self) -> bool {
        self.api_token_file.as_deref() == Some(Path::new("-"))
    }
}

/// What went wrong with the settings: a flag of the wrong shape, or anything else.
#[derive(Debug)]
pub enum Error {
    /// A usage error; the text never holds a secret.
    Usage(String),
    /// A failure with a code word.
    Failure(Failure),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::Failure(failure)
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag, by its name.
    Flag(&'static str),
    /// A variable of the process environment.
    Environment(&'static str),
    /// A `.env`; true: found by search, not named. Then the variable.
    EnvFile(PathBuf, bool, &'static str),
    /// The first line of a file that one of the others named.
    TokenFile(PathBuf, Box<Source>),
    /// Nobody said anything else.
    Default,
    /// The sandbox's own.
    Sandbox,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Flag(name) => write!(f, "{name}"),
            Source::Environment(name) => write!(f, "environment variable {name}"),
            Source::EnvFile(path, ..) => write!(f, "{}", escape(&path.display().to_string())),
            Source::TokenFile(path, named_by) => {
                write!(f, "{}, named by {named_by}", escape(&path.display().to_string()))
            }
            Source::Default => write!(f, "default"),
            Source::Sandbox => write!(f, "sandbox"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

/// Everything that is needed to call an instance.
#[derive(Debug)]
pub struct Settings {
    /// The instance.
    pub instance: Instance,
    /// Where the URL came from.
    pub url_source: Source,
    /// Where the id came from.
    pub id_source: Source,
    /// Where the token came from.
    pub token_source: Source,
    /// How it is reached.
    pub http: http::Options,
    /// How often a request is repeated.
    pub retries: u32,
}

impl Settings {
    /// Whether the token was read from standard input.
    pub fn token_is_from_stdin(&self) -> bool {
        matches!(&self.token_source, Source::TokenFile(path, _) if path == Path::new("-"))
    }

    /// Reads the settings of a real instance. Warnings go to the report.
    pub fn read(flags: &Flags, report: &Report) -> Result<Settings, Error> {
        let mut sources = Sources::open(flags, report)?;
        let url = sources.look_up("--api-url", flags.api_url.as_ref(), URL_NAMES)?;
        let id = sources.look_up("--id-instance", flags.id_instance.as_ref(), ID_NAMES)?;
        let token = sources.token()?;
        let url = url.unwrap_or(Sourced { value: DEFAULT_URL.into(), source: Source::Default });
        let api_url = checked(&url, parse_url, "an API URL, like https://api.green-api.com")?;
        let (Some(id), Some(token)) = (id.as_ref(), token) else {
            return Err(missing(id.is_none()).into());
        };
        let id_value = checked(id, parse_id, "an instance's number, digits alone")?;
        forbid_plain_http(&api_url, flags.insecure_http)?;
        forbid_strange_host(&api_url, &url.source, &token.source)?;
        let mut settings = Settings {
            http: http_options(flags, &api_url)?,
            instance: Instance { api_url, id: id_value, token: token.value },
            url_source: url.source,
            id_source: id.source.clone(),
            token_source: token.source,
            retries: flags.retries,
        };
        settings.http.timeout = flags.timeout;
        settings.http.connect_timeout = flags.connect_timeout;
        Ok(settings)
    }

    /// The settings of a sandbox in this process. No other source is looked at, and no proxy.
    pub fn of_sandbox(instance: Instance, flags: &Flags) -> Settings {
        Settings {
            instance,
            url_source: Source::Sandbox,
            id_source: Source::Sandbox,
            token_source: Source::Sandbox,
            http: http::Options {
                timeout: flags.timeout,
                connect_timeout: flags.connect_timeout,
                ..http::Options::default()
            },
            retries: flags.retries,
        }
    }
}

/// The webhook's token: from the environment, then from the `.env`. An empty one is one too, for its user to refuse: taken
/// for none, it would let everybody in.
pub fn webhook_token(flags: &Flags, report: &Report) -> Result<Option<String>, Failure> {
    const NAME: &str = "GREEN_API_WEBHOOK_TOKEN";
    let named = Sources::open(flags, report)?.env_file;
    if let Some(token) = std::env::var_os(NAME) {
        return Ok(Some(token.to_string_lossy().into_owned()));
    }
    let file = named.map_or_else(|| EnvFile::open(flags, report), Ok)?;
    Ok(file.raw(NAME).map(str::to_owned))
}

/// The three sources; a `.env` that was not named is read when something is first needed from it.
struct Sources<'a> {
    flags: &'a Flags,
    report: &'a Report,
    env_file: Option<EnvFile>,
}

impl<'a> Sources<'a> {
    /// Reads the `.env` that was named.
    fn open(flags: &'a Flags, report: &'a Report) -> Result<Sources<'a>, Failure> {
        let named = flags.env_file.is_some().then(|| EnvFile::open(flags, report));
        Ok(Sources { flags, report, env_file: named.transpose()? })
    }

    fn look_up(
        &mut self,
        flag: &'static str,
        given: Option<&OsString>,
        names: &'static [&'static str],
    ) -> Result<Option<Sourced<String>>, Error> {
        if let Some(value) = given {
            // Bytes that are no UTF-8 become a character that no setting may hold.
            let value = value.to_string_lossy().into_owned();
            return Ok(Some(Sourced { value, source: Source::Flag(flag) }));
        }
        for name in names {
            if let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) {
                let value = value.to_string_lossy().into_owned();
                return Ok(Some(Sourced { value, source: Source::Environment(name) }));
            }
        }
        if self.env_file.is_none() {
            self.env_file = Some(EnvFile::open(self.flags, self.report)?);
        }
        Ok(self.env_file.as_ref().and_then(|file| {
            let (name, value) = names.iter().find_map(|name| Some((name, file.value(name)?)))?;
            let source = Source::EnvFile(file.path.clone(), file.was_searched, name);
            Some(Sourced { value: value.to_owned(), source })
        }))
    }

    fn token(&mut self) -> Result<Option<Sourced<Token>>, Error> {
        if let Some(path) = &self.flags.api_token_file {
            return read_token_file(path, Source::Flag("--api-token-file")).map(Some).map_err(Error::from);
        }
        // A token itself comes before a file that holds one, but a nearer source before a farther one.
        let token = self.look_up("--api-token-instance", self.flags.api_token_instance.as_ref(), TOKEN_NAMES)?;
        let is_near = |found: &Option<Sourced<String>>| {
            found.as_ref().is_some_and(|found| !matches!(found.source, Source::EnvFile(..)))
        };
        if !is_near(&token) {
            let file = self.look_up("", None, TOKEN_FILE_NAMES)?;
            if let Some(file) = file.filter(|file| token.is_none() || !matches!(file.source, Source::EnvFile(..))) {
                return read_token_file(Path::new(&file.value), file.source).map(Some).map_err(Error::from);
            }
        }
        let Some(token) = token else { return Ok(None) };
        let value = checked_secret(&token)?;
        Ok(Some(Sourced { value, source: token.source }))
    }
}

/// The token in a file's first line.
fn read_token_file(path: &Path, named_by: Source) -> Result<Sourced<Token>, Failure> {
    let line = read_first_line(path).map_err(|error| match could_be_a_token(path) {
        // A token in place of its file's name: the message must not hold it.
        true => Failure::new(Kind::InputUnreadable, format!("{named_by} names no file that can be read"))
            .hint("it takes the name of a file with the token in it, not the token"),
        false => Failure::caused(Kind::InputUnreadable, error),
    })?;
    let value = Token::parse(&line).ok_or_else(|| {
        let name = if path == Path::new("-") { "standard input".into() } else { escape(&path.display().to_string()) };
        Failure::new(Kind::BadSettings, format!("the first line of {name} is not a token"))
            .hint("a token is 8 to 128 letters, digits, - and _")
    })?;
    Ok(Sourced { value, source: Source::TokenFile(path.to_owned(), Box::new(named_by)) })
}

/// A file's first line without its end and surrounding blanks, `-` for standard input; at most 4 KiB are read.
pub fn read_first_line(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    // No further than the line's end: what comes after it may never come, as at a terminal.
    let mut read = |from: &mut dyn BufRead| from.take(4096).read_until(b'\n', &mut bytes);
    if path == Path::new("-") {
        read(&mut std::io::stdin().lock()).context("cannot read standard input")?;
    } else {
        let name = || format!("cannot read {}", escape(&path.display().to_string()));
        std::fs::File::open(path).and_then(|file| read(&mut BufReader::new(file))).with_context(name)?;
    }
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    Ok(line.trim_start_matches('\u{feff}').trim().to_owned())
}

/// The parsed value, or the error that fits its source: a flag's is a usage error.
fn checked<T>(found: &Sourced<String>, parse: fn(&str) -> Option<T>, wanted: &str) -> Result<T, Error> {
    parse(&found.value).ok_or_else(|| match &found.source {
        Source::Flag(flag) => Error::Usage(format!("the value of {flag} is not {wanted}")),
        Source::EnvFile(_, _, name) => {
            Failure::new(Kind::BadSettings, format!("{name} from {} is not {wanted}", found.source)).into()
        }
        source => Failure::new(Kind::BadSettings, format!("the value from {source} is not {wanted}")).into(),
    })
}

/// [`checked`] for the token, whose usual mishap in a `.env` is worth a hint.
fn checked_secret(found: &Sourced<String>) -> Result<Token, Error> {
    const WANTED: &str = "a token: 8 to 128 letters, digits, - and _";
    Token::parse(&found.value).ok_or_else(|| match &found.source {
        Source::Flag(flag) => Error::Usage(format!("the value of {flag} is not {WANTED}")),
        Source::EnvFile(_, _, name) => {
            Failure::new(Kind::BadSettings, format!("{name} from {} is not {WANTED}", found.source))
                .hint("put it in single quotes: outside of them $ and # mean something")
                .into()
        }
        source => Failure::new(Kind::BadSettings, format!("the value from {source} is not {WANTED}"))
            .hint("compare it with apiTokenInstance in GREEN-API's console")
            .into(),
    })
}

fn missing(id_is_missing: bool) -> Failure {
    let what = if id_is_missing { "no instance is given" } else { "no token is given" };
    Failure::new(Kind::MissingCredentials, what).hint(
        "set GREEN_API_ID_INSTANCE and GREEN_API_TOKEN_INSTANCE in the environment or a .env, \
         or try it without an account: greenavatar --sandbox request 11001234567@c.us",
    )
}

fn parse_id(text: &str) -> Option<String> {
    let fits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.to_owned())
}

fn http_options(flags: &Flags, api_url: &str) -> Result<http::Options, Failure> {
    let mut options = http::Options::default();
    if let Some(path) = &flags.cacert {
        options.roots = Roots::read(path).map_err(|error| {
            let kind = if error.is::<std::io::Error>() || error.chain().any(|link| link.is::<std::io::Error>()) {
                Kind::InputUnreadable
            } else {
                Kind::BadSettings
            };
            Failure::caused(kind, error).hint("--cacert wants a file of certificates in PEM form")
        })?;
    }
    options.proxy = proxy_for(api_url)?;
    Ok(options)
}

/// The proxy for a URL, from the process environment as curl reads it.
pub fn proxy_for(url: &str) -> Result<Option<Proxy>, Failure> {
    let env = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let origin = origin_of(url);
    Proxy::for_host(origin.is_https, &origin.host, &env).map_err(|malformed| {
        Failure::new(Kind::BadSettings, format!("the environment variable {} is not a proxy", malformed.variable))
            .hint("write it like http://host:port or socks5h://host:port, or unset it")
    })
}
