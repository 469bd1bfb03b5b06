//! Slow, silent and many clients of `listen`: none blocks the others or the end of the run.

use std::time::{Duration, Instant};

use crate::listen::{address_of, listen, post};
use crate::support::client::{Client, ask, request};
use crate::support::queue::plain;
use crate::support::{Output, chat, in_parallel};

#[test]
fn a_client_that_half_closes_gets_its_answer() {
    let running = listen(["--discard-foreign"]).until_stopped().start();
    let mut client = Client::connect(address_of(&running));
    client.send(request("POST", "/", "", &plain(1)));
    client.half_close();
    assert_eq!(client.answer().map(|(status, _)| status), Some(200));
    running.stop();
}

#[test]
fn an_idle_client_does_not_hold_up_the_end() {
    let mut running = listen(["--discard-foreign"]).until_stopped().start();
    let address = address_of(&running);
    let mut idle = Client::connect(address);
    assert_eq!(idle.post("/", "", &plain(1)), Some(200));
    assert!(running.is_running());
    let began = Instant::now();
    running.stop();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_client_that_stalls_is_dropped_after_ten_seconds() {
    let running = listen(["--discard-foreign"]).start();
    let address = address_of(&running);
    let connect = || Client::connect(address);
    let (mut deaf, mut idle, mut kept, mut in_head, mut in_body) =
        (connect(), connect(), connect(), connect(), connect());
    // Sends requests and reads no answer until all buffers are full.
    let sent = deaf.send_until_blocked(&request("GET", "/", "", ""));
    let began = Instant::now();
    assert_eq!(kept.post("/", "", &plain(1)), Some(200));
    in_head.send("POST / HTTP/1.1\r\nHo");
    in_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
    assert_eq!(in_body.answer().map(|(status, _)| status), Some(408));
    for client in [&mut in_body, &mut in_head, &mut kept, &mut idle] {
        assert!(client.is_dropped());
    }
    assert!((9..15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let answers = deaf.rest().matches("HTTP/1.1 404").count();
    assert!(answers < sent, "{answers} answers to {sent} requests");
    drop(running);
}

#[test]
fn three_hundred_stalled_clients_do_not_block_the_next() {
    let running = listen(["--discard-foreign"]).until_stopped().start();
    let address = address_of(&running);
    let mut stalled = Vec::new();
    for n in 0..300 {
        let mut client = Client::connect(address);
        match n % 3 {
            0 => {}
            1 => client.send("POST / HTTP/1.1\r\nHo"),
            _ => client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"),
        }
        stalled.push(client);
        if n % 50 == 0 {
            // Waits until these are accepted: connections beyond the kernel's queue would take a second.
            assert_eq!(ask(address, &request("GET", "/healthz", "", "")).0, 200);
        }
    }
    let began = Instant::now();
    assert_eq!(post(address, &plain(1)), 200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    drop(stalled);
    running.stop();
}

#[test]
fn an_acknowledged_notification_survives_kill_9() {
    in_parallel(0..4, |_| {
        let running = listen(["--spool", "spool"]).any_status().start();
        let address = address_of(&running);
        let (output, acknowledged): (Output, Vec<usize>) = std::thread::scope(|scope| {
            let client = |first: usize| {
                move || {
                    let mut client = Client::connect(address);
                    let body = |n: usize| {
                        if n % 4 < 2 { plain(n) } else { format!(r#"{{"typeWebhook":"x","n":{n}}}"#) }
                    };
                    let mut is_acknowledged = |n: &usize| client.post("/", "", &body(*n)) == Some(200);
                    (first..).step_by(2).take_while(|n| is_acknowledged(n)).collect::<Vec<_>>()
                }
            };
            let clients = [scope.spawn(client(0)), scope.spawn(client(1))];
            running.wait_for_lines(fastrand::usize(3..60));
            let output = running.kill();
            (output, clients.into_iter().flat_map(|client| client.join().expect("a client")).collect())
        });
        let spool = output.read("spool");
        for n in &acknowledged {
            let is_there = if n % 4 < 2 {
                output.stdout.contains(&chat(*n))
            } else {
                spool.lines().any(|line| line.ends_with(&format!(r#""n":{n}}}"#)))
            };
            assert!(is_there, "{n} was acknowledged and is lost");
        }
        assert!(!acknowledged.is_empty());
    });
}
