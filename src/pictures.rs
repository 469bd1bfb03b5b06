//! Pictures: from the URL in a record to a saved file.
//!
//! Independent of lists and commands. The host of a picture gets a plain GET, and of its answer only the bytes of the
//! picture are trusted.

pub mod download;
pub mod folder;
pub mod show;
pub mod url;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};

use self::download::Format;
use self::folder::{Destination, Folder};
use self::url::{AllowedHost, Target};
use crate::chat_id::ChatId;
use crate::failure::Failure;
use crate::http::{self, Agent, Proxy};
use crate::output::Output;
use crate::record::{Change, Record, Status};
use crate::retry::RetryPolicy;
use crate::shutdown::StopFlag;

#[derive(Clone, Debug)]
pub struct Options {
    /// Hosts that are allowed besides WhatsApp's.
    pub allowed: Vec<AllowedHost>,
    /// Time limits, connections and certificates. Proxy and address rule depend on the picture's host.
    pub http: http::Options,
    /// Whether the environment's proxy is used.
    pub uses_proxy: bool,
    pub retries: u32,
    /// The time that one download may take, with its retries.
    pub time_limit: Option<Duration>,
}

/// Downloads and saves pictures. Shared by all workers.
#[derive(Debug)]
pub struct Pictures<'a> {
    folder: Folder<'a>,
    options: Options,
    output: &'a Output,
    /// Indexed by how the host is reached (directly, by the https proxy, by the http proxy), then by whether the user
    /// allowed the host.
    agents: [[OnceLock<Agent>; 2]; 3],
}

impl<'a> Pictures<'a> {
    /// Prepares the destination; fails if nothing can be saved there.
    pub fn new(destination: Destination, options: Options, output: &'a Output) -> Result<Pictures<'a>, Failure> {
        let folder = Folder::open(destination, output)?;
        Ok(Pictures { folder, options, output, agents: Default::default() })
    }

    pub fn has_file(&self, chat: &ChatId) -> bool {
        !self.folder.destination.files(chat).is_empty()
    }

    /// Downloads and saves the picture of a record, or notes that it is gone, and adds to the record what became of the
    /// file. When this returns, that is on disk. Returns the picture, if the record has one.
    pub fn save(&self, chat: &ChatId, record: &mut Record, stop: &StopFlag) -> Result<Option<Vec<u8>>, Failure> {
        match (record.status, &record.url_avatar) {
            (Status::Found, Some(url)) => {
                let (format, bytes) = self.download(url, stop)?;
                if let Some((file, change)) = self.folder.save(chat, format, &bytes)? {
                    record.file = Some(file.to_string_lossy().into_owned());
                    record.change = Some(change);
                }
                record.bytes = Some(bytes.len() as u64);
                record.sha256 = Some(sha256(&bytes));
                Ok(Some(bytes))
            }
            (Status::None | Status::Hidden | Status::NoAccount, _) => {
                record.change = self.folder.remove_gone(chat)?.then_some(Change::Gone);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Downloads a picture, again if that may help.
    fn download(&self, url: &str, stop: &StopFlag) -> Result<(Format, Vec<u8>), Failure> {
        let target = url::check(url, &self.options.allowed)?;
        let agent = self.agent(&target)?;
        let Options { http, retries, time_limit, .. } = &self.options;
        let (mut retries, began) = (RetryPolicy::new(*retries), Instant::now());
        let _wait = self.output.wait("downloading a picture", None);
        loop {
            let left = time_limit.map(|limit| limit.saturating_sub(began.elapsed()));
            let timeout = left.unwrap_or(http.timeout).min(http.timeout);
            let failure = match download::download(agent, &target, timeout, self.output) {
                Err(failure) => failure,
                downloaded => return downloaded,
            };
            match retries.pause_after(&failure) {
                Some(pause) if time_limit.is_none_or(|limit| began.elapsed() + pause < limit) => {
                    let _wait = self.output.wait_for_retry(&failure, Instant::now() + pause);
                    if !stop.sleep(pause) {
                        return Err(failure);
                    }
                }
                _ => return Err(failure),
            }
        }
    }

    /// The agent for a host. Through a proxy only scheme and host can be checked.
    fn agent(&self, target: &Target<'_>) -> Result<&Agent, Failure> {
        let Options { uses_proxy, http, .. } = &self.options;
        let proxy = if *uses_proxy { Proxy::of_environment(&target.origin)? } else { None };
        let way = match (&proxy, target.origin.is_https) {
            (None, _) => 0,
            (Some(_), true) => 1,
            (Some(_), false) => 2,
        };
        let public_addresses_only = !target.is_allowed;
        Ok(self.agents[way][usize::from(target.is_allowed)]
            .get_or_init(|| Agent::new(&http::Options { proxy, public_addresses_only, ..http.clone() })))
    }
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;
    use crate::http::Origin;

    #[test]
    fn the_time_limit_is_for_all_attempts_together() {
        use crate::testing::{Server, answer};
        let busy = b"HTTP/1.1 503 X\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
        let server = Server::start([answer(503, b""), busy]);
        let url = format!("{}/x.jpg", server.url());
        let output = Output::default();
        let options = |time_limit| Options {
            allowed: AllowedHost::loopback(&Origin::parse(&url).expect("a URL")).into_iter().collect(),
            http: http::Options::default(),
            uses_proxy: false,
            retries: 3,
            time_limit: Some(time_limit),
        };
        for time_limit in [0.5, 0.9].map(Duration::from_secs_f64) {
            let pictures =
                Pictures::new(Destination::Memory, options(time_limit), &output).expect("nothing to prepare");
            let began = Instant::now();
            let failure = pictures.download(&url, &StopFlag::default()).expect_err("it always fails");
            assert!(failure.kind == Kind::ServerError && began.elapsed() < time_limit, "{:?}", began.elapsed());
        }
        server.requests();
    }

    #[test]
    fn a_digest_is_hexadecimal() {
        let digest = "6e568e1f67fba258184c78181539e5e8fdee447e49bb706fc0ea34fbf12336a5";
        assert_eq!(sha256(b"\xff\xd8\xff"), digest);
    }
}
