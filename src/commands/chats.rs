//! What `get` and `request` share: where the chats come from, and their journal.

use std::ffi::OsString;
use std::path::Path;

use jiff::Timestamp;

use crate::batch::input::{Input, Source};
use crate::batch::journal::{Journal, JournalFilter, Requested};
use crate::batch::writer::RunConfig;
use crate::chat_id::Rule;
use crate::cli::ListArgs;
use crate::commands::Context;
use crate::commands::files::Files;
use crate::contacts::{self, account};
use crate::failure::{Error, Failure};
use crate::greenapi::client::Client;
use crate::pictures::Pictures;
use crate::settings::{Flags, Settings};
use crate::shutdown::StopFlag;

impl ListArgs {
    /// The sources named on the command line: arguments, then files. [`ListArgs::add_contacts`] adds the account's chats.
    pub fn sources(&self, flags: &Flags) -> Result<Vec<Source>, Error> {
        let is_stdin = |text: &OsString| text == "-";
        let named = self.chats.iter().filter(|chat| is_stdin(chat)).count()
            + self.from.iter().filter(|path| *path == Path::new("-")).count()
            + usize::from(flags.token_from_stdin());
        if named > 1 {
            return Err(stdin_named_twice());
        }
        let arguments =
            self.chats.iter().map(|chat| if is_stdin(chat) { Source::Stdin } else { Source::Argument(chat.clone()) });
        let files = self
            .from
            .iter()
            .map(|path| if path == Path::new("-") { Source::Stdin } else { Source::File(path.clone()) });
        Ok(arguments.chain(files).collect())
    }

    /// Checks that no file is both read and written, or written twice. `others`: files that the command writes besides
    /// the journal and standard output.
    pub fn check_files(&self, sources: &[Source], others: &[(&str, Option<&Path>)]) -> Result<(), Error> {
        let mut files = Files::of_streams(sources.iter().any(|source| matches!(source, Source::Stdin)))?;
        for source in sources {
            if let Source::File(path) = source {
                files.add("list", path, false)?;
            }
        }
        for (what, path) in others.iter().copied().chain([("journal", self.journal.as_deref())]) {
            if let Some(path) = path {
                files.add(what, path, true)?;
            }
        }
        Ok(())
    }

    /// With `--contacts`, fetches the account's contacts and adds them to the sources.
    pub fn add_contacts(
        &self,
        sources: &mut Vec<Source>,
        client: &Client<'_>,
        settings: &Settings,
        stop: &StopFlag,
        context: &Context<'_>,
    ) -> Result<(), Failure> {
        let Some(which) = self.contacts else { return Ok(()) };
        let mut chats = Vec::new();
        account::fetch(client, which, settings.retries, stop, context.output, &mut |chat| {
            chats.push((chat.key(), chat.name().and_then(contacts::clean_name)));
            true
        })?;
        sources.push(Source::Chats(chats.into_iter()));
        Ok(())
    }

    pub fn rule(&self, settings: &Settings) -> Result<Rule, Error> {
        Ok(if settings.is_lenient(self.lenient)? { Rule::Lenient } else { Rule::Strict })
    }

    /// Whether there is exactly one chat id, given as an argument.
    pub fn is_single(&self) -> bool {
        self.from.is_empty() && self.chats.len() == 1 && self.chats[0] != "-"
    }

    pub fn run_config(&self, retries: u32) -> RunConfig {
        RunConfig {
            rate: self.rate,
            concurrency: self.concurrency.into(),
            retries,
            give_up_after: self.give_up_after,
            is_single: self.is_single(),
            has_summary: true,
            only_changes: false,
            saved_to: None,
        }
    }

    /// Opens the journal, then the list without the chats that are done. Returns also the chats that an earlier run
    /// requested and that have no result yet. `accepted_is_done`, `pictures`: see [`JournalFilter`].
    pub fn open(
        &self,
        sources: Vec<Source>,
        command: &str,
        settings: &Settings,
        accepted_is_done: bool,
        pictures: Option<&Pictures<'_>>,
    ) -> Result<(Input, Option<Journal>, Vec<Requested>), Error> {
        check_stdin(&sources, settings)?;
        let id_instance = &settings.instance.id;
        let filter = JournalFilter { command, id_instance, max_age: self.max_age, accepted_is_done, pictures };
        let open = |path| Journal::open(path, filter, Timestamp::now());
        let (journal, done, requested) = match self.journal.as_deref().map(open).transpose()? {
            Some(state) => (Some(state.journal), Some(state.done), state.requested),
            None => (None, None, Vec::new()),
        };
        Ok((Input::open(sources, self.rule(settings)?, done)?, journal, requested))
    }
}

/// Fails if both the token and a list are read from standard input. Checked once the settings are read: the token's
/// source may be a variable.
pub fn check_stdin(sources: &[Source], settings: &Settings) -> Result<(), Error> {
    let is_stdin = |source: &Source| matches!(source, Source::Stdin);
    if settings.token_is_from_stdin() && sources.iter().any(is_stdin) { Err(stdin_named_twice()) } else { Ok(()) }
}

pub fn stdin_named_twice() -> Error {
    Error::Usage("standard input (-) is named more than once".into())
}
