//! The page of `gallery`: its pictures and names, where it is written, and that it is safe to open.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::pictures::{JPEG, names};
use crate::support::{Cli, GROUP, TOKEN, chat, json};

/// `gallery` for a directory `d` with these files, each a second older than the one before.
fn with(files: &[&str]) -> Cli {
    let cli = files.iter().fold(Cli::new(), |cli, file| cli.file(&format!("d/{file}"), JPEG));
    for (age, file) in (0..).zip(files) {
        set_age(&cli.dir().join("d").join(file), age);
    }
    fs::create_dir_all(cli.dir().join("d")).expect("a directory");
    cli.args(["gallery", "d"])
}

fn set_age(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000 - seconds);
    File::options().write(true).open(path).expect("a file").set_modified(time).expect("a time");
}

/// Runs the command and returns the page.
#[track_caller]
fn page(cli: Cli) -> String {
    let output = cli.stdout("d/index.html\n").run();
    fs::read_to_string(output.path("d/index.html")).expect("a page")
}

/// The HTML of each chat on the page.
fn items(page: &str) -> Vec<&str> {
    page.split("<li id=\"").skip(1).collect()
}

/// The ids of the chats on the page, in its order.
fn ids(page: &str) -> Vec<&str> {
    items(page).iter().map(|item| item.split('"').next().expect("an id")).collect()
}

#[test]
fn every_picture_is_there_newest_change_first() {
    let (png, webp, jpg) = (format!("{}.png", chat(2)), format!("{}.webp", chat(1)), format!("{GROUP}.jpg"));
    let cli = with(&[&png, &webp, &jpg, "9998887@c.us.jpg"])
        .file("d/holiday.jpg", JPEG)
        .file("d/.greenavatar-x.part", JPEG)
        .file(&format!("d/{}.txt", chat(3)), "no picture");
    let page = page(cli);
    assert_eq!(ids(&page), [&chat(2), &chat(1), GROUP, "9998887@c.us"]);
    for file in [png, webp, jpg] {
        assert_eq!(page.matches(&format!("<img src=\"{file}\" alt=\"Picture of ")).count(), 1, "{file}");
    }
    assert!(page.contains("4 chats, 4 pictures") && page.contains("2026-11-1"), "{page}");
    assert!(!page.contains("holiday") && !page.contains(".part"), "{page}");
}

#[test]
fn earlier_pictures_are_beside_the_current_one() {
    let (current, earlier, gone) = (chat(1), chat(2), chat(3));
    let old = |chat: &str, name: &str| format!("d/history/{chat}/{name}");
    let cli = with(&[&format!("{current}.jpg")])
        .file(&old(&current, "20260102T030405Z.jpg"), JPEG)
        .file(&old(&current, "20260202T030405Z.png"), JPEG)
        .file(&old(&current, "20260202T030405Z-1.png"), JPEG)
        .file(&old(&current, "notes.png"), JPEG)
        .file(&old(&gone, "20260102T030405Z.webp"), JPEG)
        .file(&old("not a chat", "20260102T030405Z.jpg"), JPEG);
    fs::create_dir(cli.dir().join("d/history").join(&earlier)).expect("a directory");
    let output = cli.arg("--json").any_stdout().run();
    let line = json(&output.stdout);
    assert_eq!((&line["file"], &line["chats"], &line["pictures"]), (&"d/index.html".into(), &2.into(), &5.into()));
    let page = fs::read_to_string(output.path("d/index.html")).expect("a page");
    let items = items(&page);
    let of = |chat: &str| *items.iter().find(|item| item.starts_with(chat)).expect("a chat");
    let at = |name: &str| of(&current).find(&format!("<img src=\"history/{current}/{name}\"")).expect(name);
    assert!(at("20260202T030405Z.png") < at("20260102T030405Z.jpg"), "{page}");
    assert!(at("20260202T030405Z-1.png") < at("20260102T030405Z.jpg"), "{page}");
    assert!(of(&current).contains("alt=\"Earlier picture of ") && !page.contains("notes"), "{page}");
    assert!(of(&gone).contains("No picture now") && of(&gone).contains("20260102T030405Z.webp"), "{page}");
    assert!(!page.contains(&earlier) && !page.contains("not a chat"), "{page}");
}

#[test]
fn names_are_escaped() {
    let list = format!(
        "\u{feff}# people\r\n{}\t<script>alert(1)</script>\r\n{}\t\"Анна\" & 'Иванова'\r\n{}\tdavid דוד\u{202e}\r\n9998887@c.us\tBo\r\n",
        chat(1),
        chat(2),
        chat(3)
    );
    let utf16: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for list in [list.into_bytes(), utf16] {
        let page = page(with(&[&format!("{}.jpg", chat(1))]).file("names", list).args(["--names", "names"]));
        assert_eq!(ids(&page).len(), 4, "{page}");
        assert!(page.contains("<h2><bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi></h2>"), "{page}");
        assert!(page.contains("alt=\"Picture of &lt;script&gt;alert(1)&lt;/script&gt;\""), "{page}");
        assert!(page.contains("<bdi>&quot;Анна&quot; &amp; &#39;Иванова&#39;</bdi>"), "{page}");
        assert!(page.contains("<bdi>АИ</bdi>"), "initials: {page}");
        assert!(page.contains("<bdi>david דוד</bdi>"), "{page}");
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert_eq!(page.matches("<p>No picture</p>").count(), 3, "{page}");
    }
}

#[test]
fn a_list_can_come_from_standard_input_and_its_bad_lines_are_counted() {
    let cli = with(&[]).args(["--names", "-"]).stdin(format!("{}\tBo\nBo\n\nAnn\n", chat(1)));
    let page = page(cli.stderr_has("standard input: 2 lines without a chat id are left out, the first is line 2"));
    assert!(page.contains("<bdi>Bo</bdi>") && !page.contains("Ann"), "{page}");
}

#[test]
fn links_are_relative_to_the_page() {
    let file = format!("{}.jpg", chat(1));
    let cli = with(&[&file]).args(["-o", "pages/a.html"]).file("pages/x", "");
    let output = cli.stdout("pages/a.html\n").run();
    let page = fs::read_to_string(output.path("pages/a.html")).expect("a page");
    assert!(page.contains(&format!("<img src=\"../d/{file}\"")), "{page}");
    assert_eq!(names(output.path("d")), [file.as_str()], "nothing is written there");
    let cli = Cli::new().file(&format!("a #%b/{file}"), JPEG).args(["gallery", "a #%b", "--output", "x.html"]);
    let output = cli.stdout("x.html\n").run();
    let page = fs::read_to_string(output.path("x.html")).expect("a page");
    assert!(page.contains(&format!("<img src=\"a%20%23%25b/{file}\"")), "{page}");
}

#[test]
fn the_page_loads_nothing_else() {
    let page = page(with(&[&format!("{}.jpg", chat(1))]));
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).expect("a policy");
    let policy = policy.split('"').next().expect("its end");
    assert!(policy.starts_with("default-src 'none'; img-src 'self' file:; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("script-src 'sha256-"), "{policy}");
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains(" style="), "{page}");
}

#[test]
fn an_empty_directory_is_an_empty_page() {
    let output = with(&[]).arg("--json").any_stdout().run();
    assert_eq!(output.stdout, "{\"file\":\"d/index.html\",\"chats\":0,\"pictures\":0}\n");
    let page = fs::read_to_string(output.path("d/index.html")).expect("a page");
    assert!(page.contains("<p id=\"none\">No pictures here yet"), "{page}");
    with(&[]).arg("-q").run();
}

#[test]
fn a_missing_directory_is_unreadable() {
    let cli = Cli::new().args(["--json", "gallery", "d"]).exits(66).any_stderr();
    let output = cli.run();
    assert_eq!(json(&output.stderr)["error"]["code"], "input-unreadable");
    assert!(!output.path("d").exists());
    Cli::new().file("d", "x").args(["gallery", "d"]).exits(66).any_stderr().run();
    with(&[]).args(["--names", "none"]).exits(66).any_stderr().run();
}

#[test]
fn a_page_that_cannot_be_written_leaves_the_old_one() {
    let cli = with(&[]).file("d/index.html", "old");
    let old = |cli: &Cli| fs::read_to_string(cli.dir().join("d/index.html")).expect("a page") == "old";
    cli.again().args(["gallery", "d", "-o", "d"]).exits(74).any_stderr().run();
    cli.again().args(["gallery", "d", "-o", "none/x.html"]).exits(74).any_stderr().run();
    cli.again().args(["gallery", "d", "-o", "-"]).exits(2).any_stderr().run();
    cli.again().args(["gallery", "d", "--names", "d/index.html"]).exits(78).any_stderr().run();
    assert!(old(&cli));
    page(cli.again().args(["gallery", "d"]));
    assert!(!old(&cli));
    assert_eq!(names(cli.dir().join("d")), ["index.html"]);
}

#[test]
fn a_page_does_not_replace_a_picture() {
    let picture = "d/11001234567@c.us.jpg";
    let cli = Cli::new().file(picture, JPEG);
    let output = cli.again().args(["gallery", "d", "-o", picture]).exits(2).any_stderr().run();
    assert!(output.stderr.contains("-o names a picture"), "{}", output.stderr);
    assert_eq!(fs::read(cli.dir().join(picture)).expect("the picture"), JPEG);
}

#[test]
fn a_token_in_a_name_is_masked() {
    let names = format!("{}\tAda {TOKEN}\n", chat(1));
    let page = page(with(&[]).file("names", &names).env("GREEN_API_TOKEN_INSTANCE", TOKEN).args(["--names", "names"]));
    assert!(page.contains("Ada ***") && !page.contains(TOKEN), "{page}");
}

#[test]
fn only_its_owner_can_read_the_page() {
    let output = with(&[]).stdout("d/index.html\n").run();
    assert!(output.is_private("d/index.html"));
}

#[test]
fn ten_thousand_pictures_are_one_page() {
    let cli = with(&[]);
    for n in 0..10_000 {
        fs::write(cli.dir().join(format!("d/{}.jpg", chat(n))), b"").expect("a file");
    }
    let page = page(cli);
    assert_eq!(page.matches("loading=\"lazy\"").count(), 10_000);
}
