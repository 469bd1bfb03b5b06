//! `gallery`: writes an HTML page that shows the pictures of a directory.

use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::batch::input::{Entry, Input, Next, Source};
use crate::chat_id::{ChatId, Rule};
use crate::cli::contacts::GalleryArgs;
use crate::commands::files::Files;
use crate::commands::{Context, show_reading};
use crate::failure::{Error, Failure, Kind};
use crate::gallery::{self, page};
use crate::output::Output;
use crate::pictures::download::Format;
use crate::pictures::folder;
use crate::platform::parent;
use crate::settings::precedence::shown_input;
use crate::shutdown::{self, SLICE};
use crate::text::{sanitize, sanitize_json};
use crate::token::Masked;

pub fn run(args: &GalleryArgs, context: &Context<'_>) -> Result<u8, Error> {
    let output = context.output;
    let file = args.output.clone().unwrap_or_else(|| args.dir.join("index.html"));
    if file == Path::new("-") {
        return Err(Error::Usage("-o needs a file: the links in the page are relative to it".into()));
    }
    if Format::ALL.iter().any(|format| file.extension().is_some_and(|extension| extension == format.extension())) {
        return Err(Error::Usage("-o names a picture, which the page would replace: name an HTML file".into()));
    }
    let names = args.names.as_deref();
    let is_stdin = names == Some(Path::new("-"));
    check_files(names.filter(|_| !is_stdin), &file, is_stdin)?;
    let named = names.map(|path| read_names(path, output)).transpose()?.unwrap_or_default();
    let chats = gallery::read(&args.dir, named)?;
    let dir = absolute(&args.dir)?;
    let title = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy();
    let page = Masked::new(page::render(&chats, &title, &prefix(&file, &dir)?));
    if shutdown::signal().is_some() {
        return Ok(0);
    }
    folder::write_text(&file, &page, output)?;
    if output.is_silent() {
        return Ok(0);
    }
    let shown = file.to_string_lossy();
    let line = if output.is_json() {
        let (file, chats, pictures) = (Value::from(&*shown), chats.len(), page::count(&chats));
        sanitize_json(format!(r#"{{"file":{file},"chats":{chats},"pictures":{pictures}}}"#))
    } else {
        sanitize(&shown)
    };
    output.write_last(&Masked::new(line + "\n"))?;
    Ok(0)
}

/// Fails if a file is both read and written. Closes the files: Windows does not replace a page that is open.
fn check_files(names: Option<&Path>, page: &Path, is_stdin: bool) -> Result<(), Failure> {
    let mut files = Files::of_streams(is_stdin)?;
    if let Some(names) = names {
        files.add("list", names, false)?;
    }
    files.add("page", page, true)
}

/// Reads a list of names. Lines without a chat id are left out, with one warning.
fn read_names(path: &Path, output: &Output) -> Result<Vec<ChatId>, Failure> {
    let source = if path == Path::new("-") { Source::Stdin } else { Source::File(path.to_owned()) };
    let mut input = Input::open(vec![source], Rule::Lenient, None)?;
    let wait = show_reading(path, output);
    let (mut named, mut invalid) = (Vec::new(), Vec::new());
    while shutdown::signal().is_none() {
        match input.next(Some(Instant::now() + SLICE))? {
            Next::Item(Entry::Chat(chat)) => named.push(chat),
            Next::Item(Entry::Invalid { line, .. }) => invalid.extend(line),
            Next::Waiting => {}
            Next::End => break,
        }
    }
    drop(wait);
    if let Some(first) = invalid.first() {
        let (count, name) = (invalid.len(), shown_input(path));
        let what = match count {
            1 => format!("{name}: line {first} has no chat id and is left out"),
            _ => format!("{name}: {count} lines without a chat id are left out, the first is line {first}"),
        };
        output.warn(&what, "a line is a chat id, a tab and a name, as `greenavatar contacts` prints it");
    }
    Ok(named)
}

/// The relative URL from the page to the directory with the pictures.
fn prefix(file: &Path, dir: &Path) -> Result<String, Failure> {
    page::prefix(&absolute(parent(file))?, dir).ok_or_else(|| {
        let what = format!("no relative link leads from {} to {}", file.to_string_lossy(), dir.to_string_lossy());
        Failure::new(Kind::BadSettings, what).hint("write the page to the same drive as the pictures")
    })
}

/// The path as a browser sees it: symbolic links keep their names, except before a `..`.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let has_parent = path.components().any(|component| component == Component::ParentDir);
    let absolute = if has_parent { path.canonicalize() } else { std::path::absolute(path) };
    absolute.map_err(|error| {
        Failure::new(Kind::InputUnreadable, format!("cannot find {}", path.to_string_lossy())).because(error)
    })
}
