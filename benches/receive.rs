//! The time of `receive` for each notification: `cargo bench --bench receive`.
//!
//! The queue answers at once, so only the program, the loopback and the queue's two answers are timed.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use support::{cost, greenavatar, median, request_end, time};

const COUNT: u64 = 5_000;

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let command = || {
        let mut command = greenavatar(&url);
        command.arg("receive").arg("--json").env("XDG_STATE_HOME", folder.path());
        command
    };
    let mut walls: Vec<f64> = (0..5).map(|_| time(&mut command())).collect();
    let each = median(&mut walls) / COUNT as f64 * 1e3;
    println!("receive: {each:.3} ms a notification, the queue's two answers included (at most 1)");
    if let Some(cost) = cost(&command()) {
        println!("         {:.3} ms of CPU each, {:.1} MiB at most", cost.cpu / COUNT as f64 * 1e3, cost.memory);
    }
}

/// A queue with COUNT results for each connection, and so for each run.
fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("no delay");
    let deleted = AtomicU64::new(0);
    let mut buffer = [0; 8192];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..]) {
            Ok(n) if n > 0 => filled += n,
            _ => return,
        }
        while let Some(end) = request_end(&buffer[..filled]) {
            let n = deleted.load(Ordering::Relaxed);
            let body = if buffer.starts_with(b"DELETE") {
                deleted.store(n + 1, Ordering::Relaxed);
                r#"{"result":true}"#.to_owned()
            } else if n < COUNT {
                notification(n)
            } else {
                "null".to_owned()
            };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
            buffer.copy_within(end..filled, 0);
            filled -= end;
        }
    }
}

fn notification(n: u64) -> String {
    let chat = 10_000_000_000 + n;
    format!(
        r#"{{"receiptId":{n},"body":{{"typeWebhook":"deviceInfo","instanceData":{{"idInstance":1101000001,"wid":"11001234567@c.us","typeInstance":"whatsapp"}},"timestamp":1586700802,"avatarInfo":{{"chatId":"{chat}@c.us","existsWhatsapp":true,"urlAvatar":"https://pps.whatsapp.net/v/{n}_n.jpg?oe=615A60EB"}}}}}}"#
    )
}
