//! What `get` does about each chat, for the workers of a list to carry out: the request, and what follows an answer.
//!
//! Pace, repeated requests and lines are theirs; what may be downloaded and where it goes is the picture room's.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use crate::batch::group::Group;
use crate::batch::job::{Floor, Job, Turn};
use crate::chat_id::ChatId;
use crate::failure::Failure;
use crate::greenapi::client::Client;
use crate::interrupt;
use crate::output::{Output, Unwritten};
use crate::picture::avatar_url;
use crate::picture::show::Canvas;
use crate::picture::{Fetched, Pictures, Rules, Saved, Unsaved};
use crate::record::{Record, Status};
use crate::report::Report;

/// What becomes of a saved picture beside its file.
#[derive(Clone, Copy, Debug)]
pub enum After<'a> {
    /// Nothing.
    Nothing,
    /// It is kept for standard output, until the run is over.
    Keep,
    /// It is drawn there, above its line; `None`: the terminal cannot.
    Draw(&'a Output, Option<Canvas>),
}

/// How often a download that may go well later is repeated, and how long after it failed so many times.
#[derive(Clone, Copy, Debug)]
pub struct Repeats {
    /// Zero: never.
    pub most: u32,
    /// The pause after the n-th failure, counted from 1, where so long a one was asked for.
    pub pause: fn(u32, Option<Duration>) -> Duration,
}

/// What is done about each chat. Shared by all workers.
#[derive(Debug)]
pub struct GetJob<'a> {
    client: &'a Client<'a>,
    pictures: Option<Pictures<'a>>,
    after: After<'a>,
    kept: Mutex<Option<Vec<u8>>>,
    repeats: Repeats,
    /// Where pictures of many chats are put on disk together; `None`: each by its worker, before that goes on.
    together: Option<Group<Downloaded>>,
    report: &'a Report,
}

/// A chat whose picture was downloaded.
#[derive(Debug)]
struct Downloaded {
    record: Record,
    fetched: Fetched,
    answered: Instant,
}

/// How many pictures may wait for the disk: each has a file open, as have those that are on their way there.
fn most_waiting() -> usize {
    const MOST: u64 = 64;
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // An eighth for either; the rest is for connections.
    (limit / 8).clamp(1, MOST) as usize
}

impl Job for GetJob<'_> {
    fn attempt(&self, chat: &ChatId, _: Turn) -> Result<Record, Failure> {
        let mut record = self.client.get_avatar(chat)?.record(chat);
        avatar_url::annotate(&mut record);
        Ok(record)
    }

    fn finish(&self, chat: &ChatId, record: Record, floor: &dyn Floor) -> Result<Option<Record>, Failure> {
        let answered = Instant::now();
        let (record, fetched) = self.fetch(chat, record, &|chat| floor.again(chat))?;
        match (fetched, &self.together) {
            (None, _) => Ok(Some(record)),
            (Some(fetched), None) => self.keep(record, fetched).map(Some),
            (Some(fetched), Some(together)) => {
                let piece = Downloaded { record, fetched, answered };
                together.hand_in(piece, |pieces| self.keep_together(pieces, floor));
                Ok(None)
            }
        }
    }

    fn secure(&self) -> Result<(), Failure> {
        self.pictures.as_ref().map_or(Ok(()), Pictures::secure)
    }
}

impl<'a> GetJob<'a> {
    /// A job that saves pictures where there are rules for it. Fails where nothing could be written.
    pub fn new(
        client: &'a Client<'a>,
        rules: Option<Rules>,
        after: After<'a>,
        repeats: Repeats,
        report: &'a Report,
    ) -> Result<GetJob<'a>, Failure> {
        let pictures = rules.map(|rules| Pictures::new(rules, report)).transpose()?;
        Ok(GetJob { client, pictures, after, kept: Mutex::default(), repeats, together: None, report })
    }

    /// The same job, whose workers go on while pictures wait for the disk. Not with a journal: it knows of those chats
    /// only afterwards, and a kill must cost no more chats than there are workers.
    pub fn together(self) -> GetJob<'a> {
        GetJob { together: Some(Group::new(most_waiting())), ..self }
    }

    /// What follows an answer: the download. A URL that has ended is asked for anew once, by `again`, and is one
    /// more request to GREEN-API. `None`: there is nothing to download.
    fn fetch(
        &self,
        chat: &ChatId,
        record: Record,
        again: &dyn Fn(&ChatId) -> Result<Record, Failure>,
    ) -> Result<(Record, Option<Fetched>), Failure> {
        let Some(pictures) = &self.pictures else { return Ok((record, None)) };
        let (record, fetched) = match self.download(pictures, chat, &record) {
            Err(unsaved) if unsaved.is_url_spent => {
                let Record { attempts, elapsed_ms, .. } = record;
                let record = Record { attempts, elapsed_ms, ..again(chat)? };
                let fetched = self.download(pictures, chat, &record);
                (record, fetched)
            }
            fetched => (record, fetched),
        };
        Ok((record, fetched.map_err(|unsaved| unsaved.failure)?))
    }

    /// Puts one picture where it belongs, and adds it to the line of its chat.
    fn keep(&self, record: Record, fetched: Fetched) -> Result<Record, Failure> {
        let pictures = self.pictures.as_ref().expect("something was fetched");
        let saved = pictures.keep(vec![fetched]).pop().expect("one for one")?;
        self.finished(record, saved)
    }

    /// The same for pictures of many chats, whose lines are handed in.
    fn keep_together(&self, pieces: Vec<Downloaded>, floor: &dyn Floor) {
        let pictures = self.pictures.as_ref().expect("something was fetched");
        let (mut lines, mut fetched) = (Vec::new(), Vec::new());
        for piece in pieces {
            lines.push((piece.record, piece.answered));
            fetched.push(piece.fetched);
        }
        for ((mut record, answered), saved) in lines.into_iter().zip(pictures.keep(fetched)) {
            let after = answered.elapsed().as_millis() as u64;
            record.elapsed_ms = record.elapsed_ms.map(|before| before + after);
            match saved {
                Ok(saved) => {
                    saved.annotate(&mut record);
                    floor.settle(&record, None);
                }
                Err(failure) => {
                    let failed = Record::failed(record.chat_id.as_str(), &failure);
                    let Record { attempts, elapsed_ms, .. } = record;
                    floor.settle(&Record { attempts, elapsed_ms, ..failed }, Some(failure));
                }
            }
        }
    }

    /// The picture for standard output, once the run is over.
    pub fn picture(&self) -> Option<Vec<u8>> {
        self.kept.lock().expect("no holder of this lock panics").take()
    }

    fn download(&self, pictures: &Pictures<'_>, chat: &ChatId, record: &Record) -> Result<Option<Fetched>, Unsaved> {
        let Some(url) = record.url_avatar.as_deref().filter(|_| record.status == Status::Found) else {
            if matches!(self.after, After::Keep) {
                self.report.note(&format!("{chat}: {}, so there is no picture", record.status.word()));
            }
            return Ok(None);
        };
        let mut failed = 0;
        loop {
            match pictures.fetch(chat, url) {
                Err(unsaved) if unsaved.failure.is_retried() && failed < self.repeats.most => {
                    failed += 1;
                    let pause = (self.repeats.pause)(failed, unsaved.failure.retry_after);
                    if !interrupt::sleep_until(Instant::now() + pause) {
                        return Err(unsaved);
                    }
                }
                result => return result.map(Some),
            }
        }
    }

    /// What is done with a picture that was saved.
    fn finished(&self, mut record: Record, mut saved: Saved) -> Result<Record, Failure> {
        match self.after {
            After::Nothing => {}
            After::Keep => *self.kept.lock().expect("no holder of this lock panics") = saved.picture.take(),
            After::Draw(output, canvas) => self.draw(output, canvas, &record.chat_id, &saved)?,
        }
        saved.annotate(&mut record);
        Ok(record)
    }

    fn draw(&self, output: &Output, canvas: Option<Canvas>, chat: &str, saved: &Saved) -> Result<(), Failure> {
        let read = saved.file.as_ref().and_then(|file| std::fs::read(file).ok());
        let drawn = canvas.zip(saved.picture.as_deref().or(read.as_deref()));
        match drawn.and_then(|(canvas, picture)| canvas.draw(picture)) {
            Some(drawn) => match self.report.around_bar(&std::io::stdout(), || output.write(&drawn)) {
                Err(Unwritten::Failed(failure)) => Err(failure),
                // The line that follows finds the same, and ends the run.
                Ok(()) | Err(Unwritten::PipeClosed) => Ok(()),
            },
            None => {
                self.report.note(&format!("{chat}: this terminal cannot show the picture; -o FILE saves it"));
                Ok(())
            }
        }
    }
}
