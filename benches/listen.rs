//! `listen` under load: `cargo bench --bench listen`. GREEN-API sends 50 notifications a second at most.
//!
//! The load comes from threads of this program, one for each connection, on the same processors.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use support::greenavatar;

const CONNECTIONS: u64 = 64;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("{CONNECTIONS} connections kept alive, each waiting for its 200 before it sends on");
    let result = |n: u64| {
        let chat = 10_000_000_000 + n;
        format!(
            r#"{{"typeWebhook":"deviceInfo","instanceData":{{"idInstance":1101000001,"wid":"11001234567@c.us","typeInstance":"whatsapp"}},"timestamp":1586700802,"avatarInfo":{{"chatId":"{chat}@c.us","existsWhatsapp":true,"urlAvatar":"https://pps.whatsapp.net/v/t61.24694-24/{n}_n.jpg?ccb=11-4&oh=f3fb1&oe=615A60EB"}}}}"#
        )
    };
    let foreign = |n: u64| {
        format!(
            r#"{{"typeWebhook":"incomingMessageReceived","instanceData":{{"idInstance":1101000001,"wid":"11001234567@c.us","typeInstance":"whatsapp"}},"timestamp":1586700802,"idMessage":"{n}","messageData":{{"typeMessage":"textMessage","textMessageData":{{"textMessage":"a message"}}}}}}"#
        )
    };
    measure("results, each line flushed", 20_000, 200_000, folder.path(), &result);
    measure("others, each on disk", 2_000, 20_000, folder.path(), &foreign);
}

fn measure(name: &str, least: u64, count: u64, folder: &Path, body: &(dyn Fn(u64) -> String + Sync)) {
    let lines = folder.join("lines");
    let spool = folder.join("spool");
    let mut command = greenavatar("http://127.0.0.1:1");
    command.args(["listen", "--json", "--bind", "127.0.0.1:0", "--spool"]).arg(&spool);
    command.stdout(std::fs::File::create(&lines).expect("a file")).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let address = address(&mut child);
    let next = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(&address).expect("it listens");
                stream.set_nodelay(true).expect("no delay");
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    post(&mut stream, &body(n));
                }
            });
        }
    });
    let rate = count as f64 / began.elapsed().as_secs_f64();
    let memory = peak_so_far(&child);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let written = [&lines, &spool].map(|path| std::fs::read_to_string(path).map_or(0, |text| text.lines().count()));
    assert_eq!(written.iter().sum::<usize>() as u64, count, "every 200 has its line");
    for path in [&lines, &spool] {
        let _ = std::fs::remove_file(path);
    }
    println!("{name:<28}{rate:>8.0}/s (at least {least})   peak memory {memory:.1} MiB (under 8)");
}

/// Where the endpoint says that it listens.
fn address(child: &mut Child) -> String {
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
    loop {
        let line = said.next().expect("it says where it listens").expect("a line");
        if let Some((_, address)) = line.split_once("listening on http://") {
            let address = address.trim_end_matches(['/', '"', '}']).to_owned();
            // The rest of its messages is read and discarded.
            std::thread::spawn(move || said.for_each(drop));
            return address;
        }
    }
}

fn post(stream: &mut TcpStream, body: &str) {
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = [0; 1024];
    let mut filled = 0;
    while support::request_end(&answer[..filled]).is_none() {
        let got = stream.read(&mut answer[filled..]).expect("an answer");
        assert!(got > 0, "the connection was closed");
        filled += got;
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..filled]));
}

fn peak_so_far(child: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok())
        .map_or(f64::NAN, |kib| kib / 1024.0)
}
