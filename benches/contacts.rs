//! Rows a second and peak memory of `contacts`, for files and for the account: `cargo bench --bench contacts`.

mod support;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

use support::{cost, greenavatar, median, time};

const ROWS: usize = 100_000;
const ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut csv, mut vcard) = ("First Name,Last Name,Notes,Phone 1 - Value\n".to_owned(), String::new());
    let mut list = String::from("[");
    for n in 0..ROWS {
        writeln!(csv, "Ada,Lovelace {n},\"a note, with a comma\",+1 100 {n:07}").expect("a string");
        writeln!(vcard, "BEGIN:VCARD\nVERSION:3.0\nFN:Ada Lovelace {n}\nTEL;TYPE=CELL:+1 100 {n:07}\nEND:VCARD")
            .expect("a string");
        let comma = if n == 0 { "" } else { "," };
        write!(
            list,
            r#"{comma}{{"id":"1100{n:07}@c.us","name":"Ada {n}","contactName":"Ada Lovelace {n}","type":"user"}}"#
        )
        .expect("a string");
    }
    list.push(']');
    println!("{ROWS} contacts: median rows a second, peak MiB");
    for (name, text) in [("csv", csv), ("vcard", vcard)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        let mut command = greenavatar("http://127.0.0.1:1");
        command.args(["contacts", "--from"]).arg(&path);
        report(name, &mut command);
    }
    let mut command = greenavatar(&serve(list));
    command.arg("contacts");
    report("account", &mut command);
}

fn report(name: &str, command: &mut Command) {
    let mut times: Vec<f64> = (0..ROUNDS).map(|_| time(command)).collect();
    let memory = cost(command).map_or("-".to_owned(), |cost| format!("{:.1}", cost.memory));
    println!("{name:8} {:9.0} {memory:>6}", ROWS as f64 / median(&mut times));
}

/// A service that answers every request with this list.
fn serve(list: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let list = Arc::new(list);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let list = Arc::clone(&list);
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", list.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(list.as_bytes()));
            });
        }
    });
    url
}
