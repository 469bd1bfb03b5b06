//! The files in a directory after each step.

use std::time::Duration;

use super::*;
use crate::chat_id::Rule;

const JPEG: &[u8] = b"\xff\xd8\xff a picture";
const PNG: &[u8] = b"\x89PNG a picture";

fn chat() -> ChatId {
    ChatId::parse("11001234567@c.us", Rule::Strict).expect("a chat id")
}

/// The files below a directory, hidden ones included, with their contents.
fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        if entry.path().is_dir() {
            files.extend(tree(&entry.path()).into_iter().map(|(file, content)| (format!("{name}/{file}"), content)));
        } else {
            files.push((name, fs::read(entry.path()).expect("a file")));
        }
    }
    files.sort();
    files
}

fn names(dir: &Path) -> Vec<String> {
    tree(dir).into_iter().map(|(name, _)| name).collect()
}

fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options().write(true).open(path).expect("a file").set_modified(time).expect("a time");
}

fn save(destination: Destination, format: Format, picture: &[u8]) -> (PathBuf, Change) {
    let output = Output::default();
    let folder = Folder::open(destination, &output).expect("writable");
    folder.save(&chat(), format, picture).expect("saved").expect("a file")
}

#[test]
fn a_temporary_file_is_removed_unless_a_run_has_locked_it() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in [".greenavatar-abc123.part", ".greenavatar-abc123", "greenavatar-x.part", "x.jpg"] {
        fs::write(dir.path().join(name), b"half").expect("written");
    }
    let live = temporary_file(dir.path()).expect("a file");
    let history = dir.path().join("history").join("11001234567@c.us");
    fs::create_dir_all(&history).expect("a directory");
    fs::write(history.join(".greenavatar-abc123.part"), b"half").expect("written");
    let output = Output::default();
    Folder::open(Destination::Dir { dir: dir.path().into(), history: true }, &output).expect("writable");
    assert!(live.path().exists());
    assert_eq!(names(dir.path()).len(), 4);
    drop(live);
    assert_eq!(names(dir.path()), [".greenavatar-abc123", "greenavatar-x.part", "x.jpg"]);
}

#[test]
fn a_replaced_and_a_gone_picture_are_in_the_history_under_their_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let destination = || Destination::Dir { dir: dir.path().into(), history: true };
    let (jpeg, png) = (dir.path().join(format!("{}.jpg", chat())), dir.path().join(format!("{}.png", chat())));
    assert_eq!(save(destination(), Format::Jpeg, JPEG), (jpeg.clone(), Change::New));
    set_time(&jpeg, 1_586_700_802);
    assert_eq!(save(destination(), Format::Jpeg, JPEG), (jpeg.clone(), Change::Unchanged));
    assert_eq!(save(destination(), Format::Png, PNG), (png.clone(), Change::Changed));
    let history = |name: &str| format!("history/{}/{name}", chat());
    let first = (history("20200412T141322Z.jpg"), JPEG.to_vec());
    assert_eq!(tree(dir.path()), [(format!("{}.png", chat()), PNG.to_vec()), first.clone()]);
    let copy = dir.path().join(&first.0).metadata().expect("a file").modified().expect("a time");
    assert_eq!(copy, SystemTime::UNIX_EPOCH + Duration::from_secs(1_586_700_802));

    // Other pictures of the same second, then one of them again.
    for (number, picture) in [b"\xff\xd8\xff 1", b"\xff\xd8\xff 2", b"\xff\xd8\xff 1"].into_iter().enumerate() {
        save(destination(), Format::Jpeg, picture);
        set_time(&jpeg, 1_586_700_802);
        save(destination(), Format::Png, PNG);
        let copies = names(&dir.path().join(history(""))).into_iter().filter(|name| name.ends_with(".jpg"));
        let all = ["20200412T141322Z-1.jpg", "20200412T141322Z-2.jpg", "20200412T141322Z.jpg"];
        let expected = if number == 0 { vec![all[0], all[2]] } else { all.to_vec() };
        assert_eq!(copies.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_picture_that_cannot_be_kept_is_not_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, _) = save(Destination::Dir { dir: dir.path().into(), history: true }, Format::Jpeg, JPEG);
    fs::write(dir.path().join("history"), "not a directory").expect("written");
    let output = Output::default();
    let destination = Destination::Dir { dir: dir.path().into(), history: true };
    let folder = Folder::open(destination, &output).expect("writable");
    for (format, picture) in [(Format::Jpeg, &b"\xff\xd8\xff another"[..]), (Format::Png, b"\x89PNG another")] {
        let failure = folder.save(&chat(), format, picture).expect_err("no history");
        assert_eq!(failure.kind, Kind::OutputFailed);
    }
    assert_eq!(folder.remove_gone(&chat()).expect_err("no history").kind, Kind::OutputFailed);
    assert_eq!(names(dir.path()), [format!("{}.jpg", chat()), "history".to_owned()]);
    assert_eq!(fs::read(path).expect("a file"), JPEG);
}

#[test]
fn a_second_picture_that_a_killed_run_left_is_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let destination = |history| Destination::Dir { dir: dir.path().into(), history };
    let (jpeg, _) = save(destination(false), Format::Jpeg, JPEG);
    fs::write(jpeg.with_extension("png"), PNG).expect("written");
    assert_eq!(save(destination(false), Format::Png, PNG).1, Change::Changed);
    assert_eq!(names(dir.path()), [format!("{}.png", chat())]);
}

#[test]
fn a_gone_picture_stays_unless_there_is_a_history() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = Output::default();
    for (history, is_left) in [(false, true), (true, false)] {
        let destination = Destination::Dir { dir: dir.path().into(), history };
        let folder = Folder::open(destination, &output).expect("writable");
        assert!(!folder.remove_gone(&chat()).expect("nothing to do"));
        let (path, _) = folder.save(&chat(), Format::Jpeg, JPEG).expect("saved").expect("a file");
        for again in [true, is_left] {
            assert_eq!(folder.remove_gone(&chat()).expect("moved"), again);
            assert_eq!(path.exists(), is_left);
        }
        let kept = names(dir.path());
        assert!(kept.len() == 1 && kept[0].starts_with("history/") == history, "{kept:?}");
        let _ = fs::remove_file(path);
    }
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_its_target_is_replaced() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().expect("a directory");
    // On another file system, if there is one.
    let elsewhere = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let target = elsewhere.path().join("picture");
    fs::write(&target, b"older").expect("written");
    let (link, other) = (dir.path().join("link"), dir.path().join("11001234567@c.us.jpg"));
    symlink(&target, &link).expect("a link");
    symlink(&target, &other).expect("a link");
    assert_eq!(save(Destination::File(link.clone()), Format::Png, PNG), (link.clone(), Change::Changed));
    assert!(link.is_symlink() && fs::read(&target).expect("a file") == PNG);
    save(Destination::Dir { dir: dir.path().into(), history: true }, Format::Jpeg, JPEG);
    assert!(other.is_symlink() && fs::read(&target).expect("a file") == JPEG);
    assert!(tree(dir.path()).iter().any(|(name, content)| name.starts_with("history/") && content == PNG));
    assert_eq!(names(elsewhere.path()).len(), 1);
}

#[cfg(unix)]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    save(Destination::File("/dev/null".into()), Format::Jpeg, JPEG);
    assert!(is_device(Path::new("/dev/null")));
}

#[cfg(unix)]
#[test]
fn too_many_open_files_are_not_a_full_disk() {
    let failure = write_failure(Path::new("p"), rustix::io::Errno::MFILE.into());
    assert!(failure.hint.is_some_and(|hint| hint.contains("`ulimit -n`")));
}

#[test]
fn an_error_does_not_name_the_temporary_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let error = temporary_file(&dir.path().join("missing")).expect_err("no directory");
    assert!(!error.to_string().contains(PREFIX), "{error}");
}
