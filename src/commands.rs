//! The commands, one file each, and what they share. They connect modules and contain no logic of their own; no command
//! uses another one.

pub mod chats;
pub mod completions;
pub mod contacts;
pub mod doctor;
pub mod files;
pub mod gallery;
pub mod get;
pub mod listen;
pub mod man;
pub mod receive;
pub mod request;
pub mod sandbox;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use crate::batch::workers;
use crate::cli::{Command, SaveArgs};
use crate::failure::{Error, Failure, Kind};
use crate::greenapi::client::{Client, Instance};
use crate::http::{Options, Origin};
use crate::output::{Output, Wait};
use crate::pictures::folder::Destination;
use crate::pictures::url::AllowedHost;
use crate::pictures::{self, Pictures};
use crate::results::queue::CALL_TIMEOUT;
use crate::results::save::{DOWNLOAD_LIMIT, Saver};
use crate::sandbox::{Config, Sandbox};
use crate::settings::precedence::shown_input;
use crate::settings::{Flags, Settings};
use crate::token::Token;

pub fn run(command: &Command, context: &Context<'_>) -> Result<u8, Error> {
    context.output.check_stdout()?;
    workers::check_file_limit()?;
    match command {
        Command::Request(args) => request::run(args, context),
        Command::Receive(args) => receive::run(args, context),
        Command::Listen(args) => listen::run(args, context),
        Command::Get(args) => get::run(args, context),
        Command::Contacts(args) => contacts::run(args, context),
        Command::Gallery(args) => gallery::run(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Sandbox(args) => sandbox::run(args, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Man(args) => man::run(args, context),
    }
}

#[derive(Debug)]
pub struct Context<'a> {
    pub flags: &'a Flags,
    pub output: &'a Output,
}

/// The settings and, with `--sandbox`, the sandbox that they belong to.
pub struct Session {
    pub settings: Settings,
    sandbox: Option<Sandbox>,
}

impl Session {
    pub fn client<'a>(&'a self, connections: usize, context: &Context<'a>) -> Client<'a> {
        self.client_with(Options { connections, ..self.settings.http.clone() }, context)
    }

    /// A client for long polls of the queue.
    pub fn poll_client<'a>(&'a self, context: &Context<'a>) -> Client<'a> {
        let timeout = self.settings.http.timeout.max(CALL_TIMEOUT);
        self.client_with(Options { timeout, connections: 1, ..self.settings.http.clone() }, context)
    }

    /// Downloads and saves pictures. `allowed`: hosts besides WhatsApp's; the API's own host is allowed if it is on this
    /// machine. `time_limit`: the limit for one download with its retries.
    pub fn pictures<'a>(
        &self,
        destination: Destination,
        allowed: &[AllowedHost],
        connections: usize,
        time_limit: Option<Duration>,
        context: &Context<'a>,
    ) -> Result<Pictures<'a>, Failure> {
        let Settings { http, retries, instance, .. } = &self.settings;
        let own_host = AllowedHost::loopback(&instance.origin);
        let options = pictures::Options {
            allowed: allowed.iter().cloned().chain(own_host).collect(),
            http: Options { connections, ..http.clone() },
            // The sandbox in this process is reached without a proxy.
            uses_proxy: self.sandbox.is_none(),
            retries: *retries,
            time_limit,
        };
        Pictures::new(destination, options, context.output)
    }

    /// Saves the pictures of results, if `--dir` is given.
    pub fn saver<'a>(
        &self,
        args: &SaveArgs,
        connections: usize,
        context: &Context<'a>,
    ) -> Result<Option<Saver<'a>>, Failure> {
        let Some(dir) = args.dir.clone() else { return Ok(None) };
        let destination = Destination::Dir { dir, history: args.history };
        let pictures = self.pictures(destination, &args.allow_host, connections, Some(DOWNLOAD_LIMIT), context)?;
        Ok(Some(Saver::new(pictures)))
    }

    fn client_with<'a>(&'a self, options: Options, context: &Context<'a>) -> Client<'a> {
        Client::new(&self.settings.instance, &options, context.output)
    }
}

/// Shows on a terminal that an input is read, which may be a slow pipe; not if a person types it there.
fn show_reading(path: &Path, output: &Output) -> Option<Wait> {
    let is_typed = path == Path::new("-") && io::stdin().is_terminal();
    (!is_typed).then(|| output.wait(format!("reading {}", shown_input(path)), None))
}

impl Context<'_> {
    /// Reads the settings or, with `--sandbox`, starts a sandbox in this process.
    pub fn open(&self) -> Result<Session, Error> {
        if !self.flags.sandbox {
            return Ok(Session { settings: Settings::read(self.flags, self.output)?, sandbox: None });
        }
        let sandbox = start_sandbox(Config::default())?;
        let instance = Instance {
            api_url: sandbox.api_url().to_owned(),
            origin: Origin::parse(sandbox.api_url()).expect("a URL with an address"),
            id: sandbox.id_instance().to_owned(),
            token: Token::parse(sandbox.token()).expect("the sandbox's own token has a token's shape"),
        };
        self.output.note(&format!("sandbox at {}, nothing leaves this machine", instance.api_url));
        Ok(Session { settings: Settings::of_sandbox(instance, self.flags), sandbox: Some(sandbox) })
    }
}

/// Starts a sandbox that serves until it is dropped.
fn start_sandbox(config: Config) -> Result<Sandbox, Error> {
    Sandbox::start(config).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Error::Usage(error.to_string()),
        // Only a thread that cannot be started.
        io::ErrorKind::WouldBlock => Failure::no_thread(error).into(),
        kind => {
            let is_taken = kind == io::ErrorKind::AddrInUse;
            let failure = Failure::new(Kind::BadSettings, "the sandbox cannot start").because(error);
            if is_taken { failure.hint("--bind 127.0.0.1:0 takes a free port") } else { failure }.into()
        }
    })
}
