//! Each fault as a client sees it, before a store that counts what reaches it.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::http::{Head, pass};
use super::*;

/// A store that answers every request with 200 and ten bytes.
fn store() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                let mut from = BufReader::new(&client);
                while let Ok(Some(head)) = Head::read(&mut from) {
                    let body = pass(
                        head.body(),
                        &mut from,
                        &mut std::io::sink(),
                        &mut |_| Ok(()),
                    );
                    if body.is_err() {
                        return;
                    }
                    seen.fetch_add(1, Ordering::SeqCst);
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";
                    (&client).write_all(answer).unwrap();
                }
            });
        }
    });
    (addr, count)
}

/// Sends a PUT of 64 kB in some weather: the answer's status or none, whether the store did it,
/// and what the log says.
fn put_in(weather: Weather) -> (Option<u16>, usize, Vec<Exchange>) {
    let (store, done) = store();
    let proxy = Proxy::start(store).unwrap();
    proxy.set(weather);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(1)))
        .build()
        .into();
    let url = format!("http://{}/0000/key", proxy.addr());
    let answer = agent.put(url).send(&vec![7_u8; 64 * 1024][..]);
    let status = answer.ok().and_then(|mut answer| {
        let whole = answer.body_mut().read_to_vec().is_ok();
        whole.then(|| answer.status().as_u16())
    });
    // Ends what hangs.
    proxy.set(Weather::default());
    std::thread::sleep(HANG_POLL * 4);
    (status, done.load(Ordering::SeqCst), proxy.log())
}

#[test]
fn fair_weather_changes_nothing_and_is_counted() {
    let (status, done, log) = put_in(Weather::default());
    assert_eq!((status, done, log.len()), (Some(200), 1, 1));
    assert_eq!((log[0].sent, log[0].received), (64 * 1024, 10));
    assert_eq!(log[0].opening, [7; 100]);
    assert!(log[0].puts_level(0) && !log[0].puts_level(1));
}

#[test]
fn each_fault_is_what_it_says() {
    let faults = [
        (Fault::Away, None, 0),
        (Fault::Hang, None, 0),
        (Fault::Status(503), Some(503), 0),
        (Fault::CutRequest, None, 0),
        (Fault::CutAnswer, None, 1),
        (Fault::LoseAnswer, None, 1),
    ];
    for (fault, status, done) in faults {
        let (seen_status, seen_done, _) = put_in(Weather::all(fault));
        assert_eq!((seen_status, seen_done), (status, done), "{fault:?}");
    }
}

#[test]
fn a_fault_for_another_method_does_not_hit() {
    let weather = Weather {
        only: Some("GET"),
        ..Weather::all(Fault::Status(500))
    };
    assert_eq!(put_in(weather).0, Some(200));
}

#[test]
fn delays_delay() {
    let start = std::time::Instant::now();
    let weather = Weather {
        before_ms: Some(100..101),
        after_ms: Some(100..101),
        ..Weather::default()
    };
    assert_eq!(put_in(weather).0, Some(200));
    assert!(start.elapsed() >= Duration::from_millis(200));
}
