//! Where pictures land: beside others, in the place of others, many at a time.

use super::*;

fn chat_number(number: u64) -> ChatId {
    ChatId::parse(&format!("{number}@c.us"), Rule::Strict).expect("a chat id")
}

#[test]
fn a_picture_of_another_kind_takes_the_older_ones_place() {
    let dir = temporary_dir();
    save_in(dir.path(), answer(200, JPEG)).expect("saved");
    fs::write(dir.path().join("11001234568@c.us.jpg"), b"another chat's").expect("written");
    let saved = save_in(dir.path(), answer(200, PNG)).expect("saved");
    assert!(saved.changed);
    assert_eq!(names(dir.path()), ["11001234567@c.us.png", "11001234568@c.us.jpg"]);
}

#[test]
fn one_run_in_an_empty_directory_knows_its_own_pictures() {
    let dir = temporary_dir();
    let report = Report::default();
    for if_changed in [false, true] {
        let folder = dir.path().join(if_changed.to_string());
        let rules = Rules { if_changed, ..rules(Destination::Dir(folder.clone())) };
        let pictures = Pictures::new(rules, &report).expect("rules");
        let rows = [(JPEG, true, "jpg"), (JPEG, false, "jpg"), (PNG, true, "png"), (JPEG, true, "jpg")];
        let host = Host::answers(rows.map(|(picture, ..)| answer(200, picture)).into());
        for (_, changed, extension) in rows {
            assert_eq!(pictures.save(&chat(), &host.url()).expect("saved").changed, changed, "{if_changed}");
            assert_eq!(names(&folder), [format!("{CHAT}.{extension}")], "{if_changed}");
        }
        host.requests();
    }
}

#[test]
fn many_are_kept_together_and_what_one_cannot_have_does_not_stop_the_others() {
    let dir = temporary_dir();
    let report = Report::default();
    let pictures = Pictures::new(rules(Destination::Dir(dir.path().into())), &report).expect("rules");
    let chats = [11_001_234_567, 11_001_234_568, 11_001_234_569].map(chat_number);
    fs::create_dir(dir.path().join("11001234568@c.us.jpg")).expect("made");
    let host = Host::answers(vec![answer(200, JPEG); 3]);
    let fetched: Vec<_> = chats.iter().map(|chat| pictures.fetch(chat, &host.url()).expect("fetched")).collect();
    host.requests();
    assert_eq!(names(dir.path()), ["11001234568@c.us.jpg"], "no picture has a name before it is on disk");
    let kept = pictures.keep(fetched);
    assert!(kept[0].is_ok() && kept[2].is_ok(), "{kept:?}");
    assert_eq!(kept[1].as_ref().expect_err("a directory is there").kind, Kind::OutputFailed);
    for name in ["11001234567@c.us.jpg", "11001234569@c.us.jpg"] {
        assert_eq!(fs::read(dir.path().join(name)).expect("a picture"), JPEG);
    }
    assert_eq!(names(dir.path()).len(), 3);
}

#[test]
fn pictures_whose_directory_went_away_fail_one_by_one() {
    let dir = temporary_dir();
    let target = dir.path().join("d");
    let report = Report::default();
    let pictures = Pictures::new(rules(Destination::Dir(target.clone())), &report).expect("rules");
    let host = Host::answers(vec![answer(200, JPEG); 2]);
    let fetch = |number| pictures.fetch(&chat_number(number), &host.url()).expect("fetched");
    let fetched = vec![fetch(11_001_234_567), fetch(11_001_234_568)];
    host.requests();
    fs::rename(&target, dir.path().join("elsewhere")).expect("moved");
    for kept in pictures.keep(fetched) {
        assert_eq!(kept.expect_err("its file system is not found").kind, Kind::OutputFailed);
    }
    assert!(names(&dir.path().join("elsewhere")).is_empty());
}

#[test]
fn a_link_to_another_file_system_is_followed() {
    let dir = temporary_dir();
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let path = elsewhere.path().join("picture");
    fs::write(&path, b"older").expect("written");
    symlink(&path, dir.path().join("11001234567@c.us.jpg")).expect("a link");
    let large = [JPEG, &vec![b'x'; 1024 * 1024]].concat();
    for picture in [JPEG, &large] {
        assert!(save_in(dir.path(), answer(200, picture)).expect("saved").changed);
        assert!(fs::read(&path).expect("a picture") == picture);
    }
    assert_eq!((names(dir.path()).len(), names(elsewhere.path()).len()), (1, 1));
}

#[test]
fn the_same_picture_leaves_its_file_untouched_if_changed_is_asked_for() {
    let dir = temporary_dir();
    let path = dir.path().join("11001234567@c.us.jpg");
    save_in(dir.path(), answer(200, JPEG)).expect("saved");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_586_700_802);
    fs::File::options().write(true).open(&path).expect("a file").set_modified(long_ago).expect("a time");
    let inode = metadata(&path).ino();
    let if_changed = || Rules { if_changed: true, ..rules(Destination::Dir(dir.path().into())) };

    let same = save(if_changed(), answer(200, JPEG)).expect("saved");
    assert!(!same.changed);
    assert_eq!(same.file.as_deref(), Some(path.as_path()));
    assert_eq!(modified(&path), long_ago);
    assert_eq!(metadata(&path).ino(), inode);

    let rewritten = save_in(dir.path(), answer(200, JPEG)).expect("saved");
    assert!(!rewritten.changed, "the same bytes stood there");
    assert_ne!(modified(&path), long_ago, "without the flag it is written anew");

    let other = [JPEG, b"!"].concat();
    assert!(save(if_changed(), answer(200, &other)).expect("saved").changed);
    assert_eq!(fs::read(&path).expect("a picture"), other);
}

#[test]
fn a_file_of_ones_own_choice_takes_any_picture_and_a_link_stays_a_link() {
    let dir = temporary_dir();
    let (path, link) = (dir.path().join("me.jpeg"), dir.path().join("link"));
    fs::write(&path, b"older").expect("written");
    symlink(&path, &link).expect("a link");
    let saved = save(rules(Destination::File(link.clone())), answer(200, PNG)).expect("saved");
    assert_eq!(saved.file.as_deref(), Some(link.as_path()));
    assert_eq!(fs::read(&path).expect("a picture"), PNG);
    assert!(link.is_symlink());
    assert_eq!(names(dir.path()), ["link", "me.jpeg"]);
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    save(rules(Destination::File("/dev/null".into())), answer(200, JPEG)).expect("saved");
    assert!(!fs::metadata("/dev/null").expect("still there").is_file());
}
