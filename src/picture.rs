//! The pictures themselves: which URLs may be followed, and how one becomes a file, whole or not at all.
//!
//! It knows neither GREEN-API's credentials nor who asks for a picture: what goes to a picture's host is a plain
//! GET, and what comes from it is trusted in nothing but its first bytes.

pub mod avatar_url;
mod disk;
mod download;
mod file;
mod folder;
mod format;
pub mod show;
mod unnamed;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use self::avatar_url::{AllowedHost, Target};
use self::disk::Synced;
pub use self::download::Unsaved;
use self::file::{Incoming, Landing, OnDisk};
use self::folder::Folder;
use self::format::Format;
use crate::chat_id::ChatId;
use crate::escape::escape;
use crate::failure::{Failure, Kind};
use crate::http::proxy::Proxy;
use crate::http::{Agent, Options};
use crate::record::Record;
use crate::report::Report;

/// Looks up a variable of the environment: which proxy there is depends on each picture's host.
pub type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where pictures go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Into this directory, as `<chatId>.<ext>`.
    Dir(PathBuf),
    /// Into this file, whatever its name ends in.
    File(PathBuf),
    /// Into memory alone.
    Memory,
}

/// What is followed, and what becomes of it.
pub struct Rules {
    /// Where pictures go.
    pub destination: Destination,
    /// A file that holds the same bytes already is left untouched.
    pub if_changed: bool,
    /// Whether somebody wants to know each picture's digest.
    pub digests: bool,
    /// Hosts beside WhatsApp's.
    pub allowed: Vec<AllowedHost>,
    /// Time limits, connections and certificates; proxy and address rule are decided here for each picture.
    pub http: Options,
    /// Where the proxy's variables are looked up.
    pub environment: Environment,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("destination", &self.destination)
            .field("if_changed", &self.if_changed)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

/// A picture that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Its file; `None` where it was kept in memory.
    pub file: Option<PathBuf>,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal, where it was asked for.
    pub sha256: Option<String>,
    /// Whether other bytes, or none, stood there before.
    pub changed: bool,
    /// The picture itself, where it was kept in memory.
    pub picture: Option<Vec<u8>>,
}

impl Saved {
    /// Adds the picture to the line of its chat.
    pub fn annotate(self, record: &mut Record) {
        // Without a file nothing stood there before.
        record.changed = self.file.is_some().then_some(self.changed);
        record.file = self.file.map(|file| file.to_string_lossy().into_owned());
        record.bytes = Some(self.bytes);
        record.sha256 = self.sha256;
    }
}

/// A picture that was downloaded, and is not yet where it belongs. Dropped, it is gone.
#[derive(Debug)]
pub struct Fetched {
    chat: ChatId,
    format: Format,
    saved: Saved,
    landing: Landing,
}

/// A [`Destination`] that can take pictures.
#[derive(Debug)]
enum Place {
    Folder(Folder),
    File(PathBuf),
    Memory,
}

/// Downloads and saves pictures. Shared by all workers.
#[derive(Debug)]
pub struct Pictures<'a> {
    place: Place,
    rules: Rules,
    report: &'a Report,
    /// One agent a way: direct, through the proxy for https, through the one for http.
    agents: [OnceLock<Agent>; 3],
    /// Names came to the directory or went, and are not on disk.
    is_unsynced: AtomicBool,
}

impl<'a> Pictures<'a> {
    /// Makes the directory where there is none, readable by its owner alone, and fails where nothing can be saved.
    pub fn new(rules: Rules, report: &'a Report) -> Result<Pictures<'a>, Failure> {
        let place = match &rules.destination {
            Destination::Dir(dir) => Folder::open(dir).map(Place::Folder).map_err(|error| unwritten(dir, error))?,
            Destination::File(path) => {
                disk::could_write(path).map_err(|error| unwritten(path, error))?;
                Place::File(path.clone())
            }
            Destination::Memory => Place::Memory,
        };
        Ok(Pictures { place, rules, report, agents: Default::default(), is_unsynced: AtomicBool::new(false) })
    }

    /// Downloads the picture of a chat; [`Pictures::keep`] then puts it where it belongs.
    ///
    /// A URL that has ended is `picture-expired`, and a disk that is full `output-failed`.
    pub fn fetch(&self, chat: &ChatId, url: &str) -> Result<Fetched, Unsaved> {
        let target = avatar_url::check(url, &self.rules.allowed).map_err(|why| {
            Failure::new(Kind::BadPicture, format!("the picture is not followed: {why}"))
                .hint("--allow-host HOST adds a host")
        })?;
        let spill = self.folder().map(|folder| folder.dir.as_path());
        let mut incoming = Incoming::new(spill);
        let agent = self.agent(&target)?;
        let result = download::download(agent, &target, self.rules.http.timeout, self.report, &mut incoming);
        if let (Some(error), Some(dir)) = (incoming.unwritten.take(), spill) {
            return Err(unwritten(dir, error).into());
        }
        let format = result?;
        let (bytes, keep_same) = (incoming.len(), self.rules.if_changed);
        let sha256 = self.rules.digests.then(|| incoming.sha256());
        let mut saved = Saved { file: None, bytes, sha256, changed: true, picture: None };
        let (path, landing) = match &self.place {
            Place::Memory => {
                saved.picture = Some(incoming.into_bytes());
                return Ok(Fetched { chat: chat.clone(), format, saved, landing: Landing::Done { changed: true } });
            }
            Place::Folder(folder) => {
                let path = folder.path(chat, format);
                let landing = folder.write(&path, format, incoming, keep_same);
                (path, landing)
            }
            Place::File(path) => (path.clone(), incoming.write(path, keep_same, false)),
        };
        let landing = landing.map_err(|error| unwritten(&path, error))?;
        saved.file = Some(path);
        Ok(Fetched { chat: chat.clone(), format, saved, landing })
    }

    /// Puts pictures where they belong, whole or not at all: on disk together, then each under its name.
    ///
    /// Their names are on disk after [`Pictures::secure`].
    pub fn keep(&self, fetched: Vec<Fetched>) -> Vec<Result<Saved, Failure>> {
        let is_unnamed = |fetched: &&Fetched| matches!(fetched.landing, Landing::Unnamed(_));
        // Nobody else's files are written for one of ours.
        let are_many = fetched.iter().filter(is_unnamed).nth(1).is_some();
        let synced = self.folder().filter(|_| are_many).and_then(Folder::sync_together);
        fetched.into_iter().map(|fetched| self.name(fetched, synced.as_ref())).collect()
    }

    /// Names a picture, which is put on disk before unless everything was.
    fn name(&self, fetched: Fetched, synced: Option<&Synced>) -> Result<Saved, Failure> {
        let Fetched { chat, format, mut saved, landing } = fetched;
        let Some(path) = &saved.file else { return Ok(saved) };
        let failed = |error| unwritten(path, error);
        saved.changed = match landing {
            Landing::Done { changed } => changed,
            Landing::Unnamed(written) => {
                let on_disk = match synced {
                    Some(synced) => Ok(written.synced(synced)),
                    None => written.sync(),
                };
                on_disk.and_then(OnDisk::name).map_err(failed)?
            }
        };
        let others = self.folder().map_or(Ok(false), |folder| folder.remove_others(&chat, format));
        let had_others = others.map_err(failed)?;
        self.note_unsynced(saved.changed || had_others);
        Ok(saved)
    }

    fn folder(&self) -> Option<&Folder> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::File(_) | Place::Memory => None,
        }
    }

    /// Remembers what [`Pictures::secure`] has to do: a file was replaced, unless --if-changed left it as it was.
    fn note_unsynced(&self, has_changed: bool) {
        if has_changed || !self.rules.if_changed {
            self.is_unsynced.store(true, Ordering::SeqCst);
        }
    }

    /// Puts the names of all pictures on disk that were saved before, so that they survive a loss of power, too.
    ///
    /// One sync serves them all: with one for each, a list waits most of its time for the disk.
    pub fn secure(&self) -> Result<(), Failure> {
        let dir = match &self.place {
            Place::Folder(folder) => folder.dir.as_path(),
            Place::File(path) => disk::parent(path),
            Place::Memory => return Ok(()),
        };
        if !self.is_unsynced.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        disk::sync_dir(dir).map_err(|error| unwritten(dir, error))
    }

    /// The agent for a host: direct or through its proxy, behind which only scheme and host can be checked.
    fn agent(&self, target: &Target<'_>) -> Result<&Agent, Failure> {
        let proxy = Proxy::for_host(target.is_https, &target.host, &self.rules.environment).map_err(|malformed| {
            Failure::new(Kind::BadSettings, format!("{} is no proxy that can be used", malformed.variable))
                .hint("a proxy looks like http://proxy.example:3128")
        })?;
        let way = match (&proxy, target.is_https) {
            (None, _) => 0,
            (Some(_), true) => 1,
            (Some(_), false) => 2,
        };
        Ok(self.agents[way]
            .get_or_init(|| Agent::new(&Options { proxy, public_addresses_only: true, ..self.rules.http.clone() })))
    }
}

fn unwritten(path: &Path, error: io::Error) -> Failure {
    let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let what = format!("cannot write {}", escape(&path.to_string_lossy()));
    let failure = Failure::caused(Kind::OutputFailed, anyhow::Error::from(error).context(what));
    if is_full { failure.hint("make room and run it again") } else { failure }
}

#[cfg(test)]
mod tests;
