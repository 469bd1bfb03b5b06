//! Pictures: from the URL in a record to a saved file.
//!
//! Independent of lists and commands. A picture's host gets a plain GET, and nothing that it sends is trusted but the
//! picture's own bytes.

pub mod download;
pub mod folder;
pub mod show;
pub mod url;

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use ring::digest::{SHA256, digest};

use self::download::{DownloadError, Downloaded};
use self::folder::Destination;
use self::url::{AllowedHost, Target};
use crate::chat_id::ChatId;
use crate::escape::escape;
use crate::failure::{Failure, Kind};
use crate::http::proxy::Proxy;
use crate::http::{self, Agent};
use crate::record::{Record, Status};
use crate::report::Report;
use crate::retry::RetryPolicy;
use crate::shutdown::StopFlag;

/// Which pictures are downloaded, and where they are saved.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where pictures are saved.
    pub destination: Destination,
    /// Leave a file untouched that has the same content.
    pub if_changed: bool,
    /// Hosts that are allowed besides WhatsApp's.
    pub allowed: Vec<AllowedHost>,
    /// Time limits, connections and certificates. Proxy and address rule depend on the picture's host.
    pub http: http::Options,
    /// Looks up the proxy variables.
    pub env: fn(&str) -> Option<String>,
    /// Retries of a download.
    pub retries: u32,
}

/// Downloads and saves pictures. Shared by all workers.
#[derive(Debug)]
pub struct Pictures<'a> {
    options: Options,
    report: &'a Report,
    /// For a direct connection, through the proxy for https, through the one for http.
    agents: [OnceLock<Agent>; 3],
}

impl<'a> Pictures<'a> {
    /// Prepares the destination; fails if nothing can be saved there.
    pub fn new(options: Options, report: &'a Report) -> Result<Pictures<'a>, Failure> {
        options.destination.prepare().map_err(|error| match &options.destination {
            Destination::Dir(path) | Destination::File(path) => write_failure(path, error),
            Destination::Memory => write_failure(Path::new("-"), error),
        })?;
        Ok(Pictures { options, report, agents: Default::default() })
    }

    /// Downloads and saves the picture of a record, if it has one, and adds to the record what is known of the file.
    /// When this returns the picture is on disk.
    pub fn save(&self, chat: &ChatId, record: &mut Record, stop: &StopFlag) -> Result<Option<Vec<u8>>, DownloadError> {
        let Some(url) = record.url_avatar.as_deref().filter(|_| record.status == Status::Found) else {
            return Ok(None);
        };
        let Downloaded { format, bytes } = self.download(url, stop)?;
        let Options { destination, if_changed, .. } = &self.options;
        let (file, changed) =
            destination.save(chat, format, &bytes, *if_changed).map_err(|(path, error)| write_failure(&path, error))?;
        record.changed = file.is_some().then_some(changed);
        record.file = file.map(|file| file.to_string_lossy().into_owned());
        record.bytes = Some(bytes.len() as u64);
        record.sha256 = Some(sha256(&bytes));
        Ok(Some(bytes))
    }

    /// Downloads a picture, again if that may help.
    fn download(&self, url: &str, stop: &StopFlag) -> Result<Downloaded, DownloadError> {
        let target = url::check(url, &self.options.allowed).map_err(|why| {
            Failure::new(Kind::BadPicture, format!("picture URL rejected: {why}"))
                .hint("--allow-host HOST allows a host")
        })?;
        let agent = self.agent(&target)?;
        let mut retries = RetryPolicy::new(self.options.retries);
        loop {
            match download::download(agent, &target, self.options.http.timeout, self.report) {
                Err(error) => match retries.pause_after(&error.failure) {
                    Some(pause) if stop.sleep(pause) => {}
                    _ => return Err(error),
                },
                downloaded => return downloaded,
            }
        }
    }

    /// The agent for a host. Through a proxy only scheme and host can be checked.
    fn agent(&self, target: &Target<'_>) -> Result<&Agent, Failure> {
        let Options { env, http, .. } = &self.options;
        let proxy = Proxy::for_host(target.origin.is_https, &target.origin.host, env).map_err(|malformed| {
            Failure::new(Kind::BadSettings, format!("{} is not a usable proxy", malformed.variable))
                .hint("a proxy looks like http://proxy.example:3128")
        })?;
        let agent = match (&proxy, target.origin.is_https) {
            (None, _) => 0,
            (Some(_), true) => 1,
            (Some(_), false) => 2,
        };
        Ok(self.agents[agent]
            .get_or_init(|| Agent::new(&http::Options { proxy, public_addresses_only: true, ..http.clone() })))
    }
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn write_failure(path: &Path, error: io::Error) -> Failure {
    let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let what = format!("cannot write {}", escape(&path.to_string_lossy()));
    let failure = Failure::caused(Kind::OutputFailed, anyhow::Error::from(error).context(what));
    if is_full { failure.hint("make room and run it again") } else { failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_hexadecimal() {
        let digest = "6e568e1f67fba258184c78181539e5e8fdee447e49bb706fc0ea34fbf12336a5";
        assert_eq!(sha256(b"\xff\xd8\xff"), digest);
    }
}
