//! One client connection: its requests one after the other, each in its weather.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt;

use super::http::{Body, Head, pass};
use super::{Exchange, Fault, HANG_POLL, Shared, Weather};
use crate::now_ms;

/// As much of a request's body as the log keeps.
const OPENING_BYTES: usize = 100;

/// Serves one client until either side closes.
pub fn serve(client: &TcpStream, shared: &Shared) {
    // An error here is the network's business, not the test's: both ends see a closed connection.
    let _ = requests(client, shared);
    let _ = client.shutdown(Shutdown::Both);
}

fn requests(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let store = TcpStream::connect(shared.store)?;
    store.set_nodelay(true)?;
    let mut ends = Ends {
        from_client: BufReader::new(client),
        to_client: client,
        from_store: BufReader::new(&store),
        to_store: &store,
    };
    loop {
        if shared.closed.load(Ordering::Relaxed) || shared.weather().fault == Some(Fault::Away) {
            return Ok(());
        }
        let Some(head) = Head::read(&mut ends.from_client)? else {
            return Ok(());
        };
        let mut exchange = Exchange {
            method: head.line[0].clone(),
            target: head.line.get(1).cloned().unwrap_or_default(),
            status: None,
            sent: 0,
            received: 0,
            began: now_ms(),
            ended: 0.0,
            opening: Vec::new(),
        };
        let weather = shared.weather().clone();
        let result = ends.exchange(head, &weather, shared, &mut exchange);
        exchange.ended = now_ms();
        shared.log().push(exchange);
        result?;
    }
}

struct Ends<'a> {
    from_client: BufReader<&'a TcpStream>,
    to_client: &'a TcpStream,
    from_store: BufReader<&'a TcpStream>,
    to_store: &'a TcpStream,
}

impl Ends<'_> {
    fn exchange(
        &mut self,
        mut head: Head,
        weather: &Weather,
        shared: &Shared,
        exchange: &mut Exchange,
    ) -> io::Result<()> {
        let fault = weather.fault_for(&exchange.method);
        match fault {
            Some(Fault::Away) => return Err(broken()),
            Some(Fault::Hang) => {
                while shared.weather().fault == Some(Fault::Hang) {
                    std::thread::sleep(HANG_POLL);
                }
                return Err(broken());
            }
            _ => {}
        }
        pause(weather.before_ms.as_ref());
        if head.field("expect").is_some() {
            // The client waits for this before it sends the body. It is no signed field.
            head.fields.retain(|(name, _)| name != "expect");
            self.to_client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if let Some(Fault::Status(status)) = fault {
            self.request(head.body(), None, exchange)?;
            exchange.status = Some(status);
            return self.refuse(status);
        }
        let body = head.body();
        let cut = match (fault, body) {
            (Some(Fault::CutRequest), Body::Sized(bytes)) => Some(bytes / 2),
            (Some(Fault::CutRequest), _) => Some(0),
            _ => None,
        };
        head.write(&mut self.to_store)?;
        self.request(body, Some(cut.unwrap_or(u64::MAX)), exchange)?;
        self.answer(fault, weather, exchange)
    }

    /// Reads the request's body, and passes it to the store unless `forward` is `None`. After
    /// `forward` bytes both connections break.
    fn request(
        &mut self,
        body: Body,
        forward: Option<u64>,
        exchange: &mut Exchange,
    ) -> io::Result<()> {
        let (sent, opening) = (&mut exchange.sent, &mut exchange.opening);
        let mut each = |piece: &[u8]| {
            let room = OPENING_BYTES.saturating_sub(opening.len());
            opening.extend_from_slice(&piece[..room.min(piece.len())]);
            *sent += piece.len() as u64;
            match forward {
                Some(most) if *sent > most => Err(broken()),
                _ => Ok(()),
            }
        };
        match forward {
            Some(_) => pass(body, &mut self.from_client, &mut self.to_store, &mut each)?,
            None => pass(body, &mut self.from_client, &mut io::sink(), &mut each)?,
        };
        if forward == Some(0) {
            return Err(broken());
        }
        Ok(())
    }

    fn answer(
        &mut self,
        fault: Option<Fault>,
        weather: &Weather,
        exchange: &mut Exchange,
    ) -> io::Result<()> {
        let head = loop {
            let head = Head::read(&mut self.from_store)?.ok_or_else(broken)?;
            if !head.line[1].starts_with('1') {
                break head;
            }
        };
        let status: u16 = head.line[1].parse().map_err(io::Error::other)?;
        pause(weather.after_ms.as_ref());
        if fault == Some(Fault::LoseAnswer) {
            return Err(broken());
        }
        let bodiless = exchange.method == "HEAD" || status == 204 || status == 304;
        let body = if bodiless {
            Body::Sized(0)
        } else {
            head.body()
        };
        let cut = match (fault, body) {
            (Some(Fault::CutAnswer), Body::Sized(bytes)) => bytes / 2,
            (Some(Fault::CutAnswer), _) => 0,
            _ => u64::MAX,
        };
        if cut == 0 {
            return Err(broken());
        }
        head.write(&mut self.to_client)?;
        let received = &mut exchange.received;
        let mut each = |piece: &[u8]| {
            *received += piece.len() as u64;
            if *received > cut {
                Err(broken())
            } else {
                Ok(())
            }
        };
        pass(body, &mut self.from_store, &mut self.to_client, &mut each)?;
        exchange.status = Some(status);
        if body == Body::Unsized {
            return Err(broken());
        }
        Ok(())
    }

    fn refuse(&mut self, status: u16) -> io::Result<()> {
        let (reason, code) = match status {
            503 => ("Service Unavailable", "SlowDown"),
            _ => ("Internal Server Error", "InternalError"),
        };
        let body = format!("<Error><Code>{code}</Code><Message>bad weather</Message></Error>");
        write!(
            self.to_client,
            "HTTP/1.1 {status} {reason}\r\ncontent-type: application/xml\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

fn pause(range: Option<&Range<u64>>) {
    if let Some(range) = range.filter(|range| !range.is_empty()) {
        let wait_ms = rand::rng().random_range(range.clone());
        std::thread::sleep(Duration::from_millis(wait_ms));
    }
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}
