//! `get`: asks with getAvatar, prints the answers, and saves, prints or draws the pictures.

use std::io::IsTerminal;
use std::path::Path;

use crate::batch::job::{Attempt, Job, RunHandle};
use crate::batch::workers;
use crate::batch::writer::RunContext;
use crate::chat_id::ChatId;
use crate::cli::GetArgs;
use crate::commands::Context;
use crate::failure::{Error, Failure};
use crate::greenapi::client::Client;
use crate::output::Output;
use crate::pictures::Pictures;
use crate::pictures::download::Format;
use crate::pictures::folder::Destination;
use crate::pictures::show::Canvas;
use crate::pictures::url;
use crate::record::Record;
use crate::shutdown::StopFlag;

pub fn run(args: &GetArgs, context: &Context<'_>) -> Result<u8, Error> {
    let no_notes = Context { flags: context.flags, output: &context.output.without_notes() };
    let context = if args.only_changes { &no_notes } else { context };
    let output = context.output;
    let is_stdout = args.output.as_deref() == Some(Path::new("-"));
    if args.output.is_some() && !args.chats.is_single() {
        let wrong = "--output is for exactly one chat; use --dir for several";
        return Err(Error::Usage(wrong.into()));
    }
    let print = if is_stdout {
        Print::Picture
    } else if args.show && !output.is_json() && std::io::stdout().is_terminal() {
        Print::Drawing(Canvas::of(&|name| std::env::var(name).ok()))
    } else {
        Print::Nothing
    };
    let destination = match (&args.output, &args.save.dir) {
        (Some(_), _) if is_stdout => Some(Destination::Memory),
        (Some(file), _) => Some(Destination::File(file.clone())),
        (None, Some(dir)) => Some(Destination::Dir { dir: dir.clone(), history: args.save.history }),
        (None, None) if matches!(print, Print::Drawing(_)) => Some(Destination::Memory),
        (None, None) => None,
    };
    let mut sources = args.chats.sources(context.flags)?;
    args.chats.check_files(&sources, &[("picture", args.output.as_deref().filter(|_| !is_stdout))])?;
    let session = context.open()?;
    let settings = &session.settings;
    let mut config = args.chats.run_config(settings.retries);
    if matches!(print, Print::Drawing(_)) {
        // One worker, so that each picture is drawn just above its line.
        config.concurrency = 1;
    }
    config.only_changes = args.only_changes;
    config.saved_to = args.save.dir.clone();
    let pictures = destination
        .map(|destination| session.pictures(destination, &args.save.allow_host, config.concurrency, None, context))
        .transpose()?;
    let client = session.client(config.concurrency, context);
    let stop = StopFlag::default();
    args.chats.add_contacts(&mut sources, &client, settings, &stop, context)?;
    let job = GetJob { args, client, pictures, print, output };
    let has_files = args.save.dir.is_some() || (args.output.is_some() && !is_stdout);
    let files = job.pictures.as_ref().filter(|_| has_files);
    let (list, journal, _) = args.chats.open(sources, "get", settings, true, files)?;
    let no_lines = is_stdout.then(|| output.without_lines());
    let output = no_lines.as_ref().unwrap_or(output);
    workers::run(list, &job, None, config, RunContext { output, journal: journal.as_ref(), stop: &stop })
}

/// What is written to standard output besides the result lines.
enum Print {
    Nothing,
    /// The picture instead of the lines.
    Picture,
    /// A drawing of the picture above its line; `None` if this terminal cannot show pictures.
    Drawing(Option<Canvas>),
}

struct GetJob<'a> {
    args: &'a GetArgs,
    client: Client<'a>,
    pictures: Option<Pictures<'a>>,
    print: Print,
    output: &'a Output,
}

impl Job for GetJob<'_> {
    fn skips(&self, chat: &ChatId) -> bool {
        self.args.skip_existing && self.pictures.as_ref().is_some_and(|pictures| pictures.has_file(chat))
    }

    fn attempt(&self, chat: &ChatId, _: Attempt) -> Result<Record, Failure> {
        let mut record = Record::of_avatar(chat.as_str(), self.client.get_avatar(chat)?);
        url::annotate(&mut record);
        Ok(record)
    }

    fn after_response(
        &self,
        chat: &ChatId,
        mut record: Record,
        run: &RunHandle<'_>,
    ) -> Result<Option<Record>, Failure> {
        let Some(pictures) = &self.pictures else { return Ok(Some(record)) };
        let picture = pictures.save(chat, &mut record, run.stop())?;
        self.note(&record, picture.as_deref());
        if let Some(picture) = picture.filter(|_| !self.args.only_changes || record.is_news()) {
            self.print(chat, &picture, run)?;
        }
        Ok(Some(record))
    }
}

impl GetJob<'_> {
    /// With `-o`, notes a missing picture or an extension that does not match its type.
    fn note(&self, record: &Record, picture: Option<&[u8]>) {
        let Some(file) = &self.args.output else { return };
        match picture.and_then(Format::of) {
            None => {
                let Record { chat_id, status, .. } = record;
                self.output.note(&format!("{chat_id}: {}, so there is no picture to save", status.word()));
            }
            Some(format) if format.contradicts(file) => {
                let (file, extension) = (file.to_string_lossy(), format.extension());
                self.output
                    .note(&format!("the picture in {file} is of another type, its extension would be {extension}"));
            }
            Some(_) => {}
        }
    }

    fn print(&self, chat: &ChatId, picture: &[u8], run: &RunHandle<'_>) -> Result<(), Failure> {
        match &self.print {
            Print::Nothing => Ok(()),
            Print::Drawing(canvas) => {
                match canvas.and_then(|canvas| canvas.draw(picture)) {
                    Some(drawing) => run.print_text(drawing),
                    None => {
                        self.output.note(&format!("{chat}: this terminal cannot show the picture; -o FILE saves it"))
                    }
                }
                Ok(())
            }
            Print::Picture => match self.output.write_bytes(picture) {
                Err(Error::Failure(failure)) => Err(failure),
                Ok(()) | Err(Error::BrokenPipe | Error::Usage(_)) => Ok(()),
            },
        }
    }
}
