//! The pictures of a list, compared with wget and curl downloading the same URLs: `cargo bench --bench downloads`.
//!
//! greenavatar does more: it requests each URL first, and syncs every file before it is renamed. So curl is measured
//! twice, the second time with as many requests. In memory (/dev/shm) only the programs are compared. On disk (TMPDIR)
//! the files of the others are synced once at the end: writing them from the page cache takes most of the time.

mod support;

use std::cell::Cell;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{TOKEN, cost, greenavatar, is_installed, median, serve_pictures, time, write_list};

const PICTURES: u64 = 2_000;
const SIZE: usize = 20 * 1024;
const ROUNDS: usize = 5;

fn main() {
    let url = serve_pictures(SIZE, [Duration::ZERO; 2]);
    println!("{PICTURES} pictures of {} KiB, 16 at a time, wget one after the other", SIZE / 1024);
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        println!("in memory:");
        compare(&url, memory, false);
    }
    println!("on disk, all synced:");
    compare(&url, &std::env::temp_dir(), true);
}

/// Times the programs, each run with a new folder below `place`. `synced`: the files of the others are synced, too.
fn compare(url: &str, place: &Path, synced: bool) {
    let folder = tempfile::tempdir_in(place).expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    write_list(&path("list"), PICTURES);
    write_list(&path("tenth"), PICTURES / 10);
    let urls: Vec<_> = (0..PICTURES).map(|n| format!("{url}/pictures/{n}.jpg")).collect();
    std::fs::write(path("urls"), urls.join("\n")).expect("written");
    let ours = |list: &Path, out: &Path| {
        let mut command = greenavatar(url);
        command.args(["get", "--rate", "0", "--concurrency", "16", "--dir"]);
        command.arg(out).arg("--from").arg(list);
        command
    };
    let theirs = |program: &str, args: &[&OsStr], out: &Path| {
        let mut command = Command::new("sh");
        let script = if synced { r#""$@" && sync -f "$0""# } else { r#"exec "$@""# };
        command.args(["-c", script]).arg(out).arg(program).args(args);
        command
    };
    let wget = |out: &Path| {
        theirs("wget", &["-q".as_ref(), "-i".as_ref(), path("urls").as_ref(), "-P".as_ref(), out.as_ref()], out)
    };
    let curl_after = |asking: &str, out: &Path| {
        let config =
            |(n, url): (usize, &String)| format!("{asking}url = \"{url}\"\noutput = \"{}/{n}.jpg\"\n", out.display());
        let config: Vec<_> = urls.iter().enumerate().map(config).collect();
        std::fs::write(path("curl"), config.join("next\n")).expect("written");
        let args = ["-sS", "--parallel", "--parallel-max", "16", "-K"].map(OsStr::new);
        theirs("curl", &[&args[..], &[path("curl").as_ref()]].concat(), out)
    };
    let asking = format!(
        "url = \"{url}/waInstance1101000001/getAvatar/{TOKEN}\"\noutput = \"/dev/null\"\n\
         header = \"Content-Type: application/json\"\ndata = \"{{\\\"chatId\\\":\\\"11001234567@c.us\\\"}}\"\nnext\n"
    );
    // Each run has its own folder, and nothing is deleted before the end: a file system that has just deleted thousands
    // of files creates new ones slowly.
    let folders = Cell::new(0);
    let fresh = || {
        let out = path(&format!("out{}", folders.replace(folders.get() + 1)));
        std::fs::create_dir(&out).expect("a folder");
        out
    };
    let timed = |command: &dyn Fn(&Path) -> Command| {
        let out = fresh();
        let seconds = time(&mut command(&out));
        let count = std::fs::read_dir(&out).expect("a folder").count() as u64;
        assert_eq!(count, PICTURES, "every picture is there");
        seconds
    };
    let (mut of_ours, mut of_wget, mut of_curl, mut of_asking) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_ours.push(timed(&|out| ours(&path("list"), out)));
        if is_installed("wget") {
            of_wget.push(timed(&wget));
        }
        of_curl.push(timed(&|out| curl_after("", out)));
        of_asking.push(timed(&|out| curl_after(&asking, out)));
    }
    let seconds = median(&mut of_ours);
    println!("{:<24}{:>8.0} ms", "greenavatar", seconds * 1e3);
    let others =
        [("wget -i", &mut of_wget), ("curl --parallel", &mut of_curl), ("curl, asking as often", &mut of_asking)];
    for (name, times) in others {
        if !times.is_empty() {
            let theirs = median(times);
            println!("{name:<24}{:>8.0} ms   {:.2}", theirs * 1e3, theirs / seconds);
        }
    }
    let memory = |list| cost(&ours(list, &fresh())).map_or(f64::NAN, |cost| cost.memory);
    println!("peak memory: {:.1} MiB, {:.1} for a tenth of the list", memory(&path("list")), memory(&path("tenth")));
}
