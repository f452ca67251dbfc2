//! An HTTP server with a script: each request is met by the next act, wherever it comes from.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is done about a request.
#[derive(Debug, Clone)]
pub enum Act {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// The connection is closed as soon as the request begins.
    CutBefore,
    /// The whole request is read, and the connection closed.
    CutAfter,
    /// The whole request is read, and nothing is said any more.
    Silence,
    /// The request's body is not read, and nothing is said.
    Deafness,
    /// An answer of this length of which only the beginning is sent, and then the connection
    /// closed (true) or left (false).
    Part {
        length: usize,
        sent: usize,
        closed: bool,
    },
    /// The whole request is read, then the server is gone: nobody listens any more.
    Vanish,
}

impl Act {
    pub fn answer(status: u16, body: &str) -> Act {
        Act::Answer {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Act {
        if let Act::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method, path and query: `PUT /bkt/db/k`.
    pub line: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Debug)]
pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<VecDeque<Act>>,
    /// Requests that begin so are met by this, whatever the script says.
    besides: Mutex<Option<(String, Act)>>,
    connections: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    vanish: tokio::sync::Notify,
}

impl Server {
    /// When the script is at its end, its last act goes on for ever.
    pub async fn start(script: impl IntoIterator<Item = Act>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            script: Mutex::new(script.into_iter().collect()),
            besides: Mutex::default(),
            connections: AtomicUsize::new(0),
            seen: Mutex::default(),
            vanish: tokio::sync::Notify::new(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Server {
            port,
            shared,
            accepting,
        }
    }

    /// The requests that were read so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Requests whose first line begins so are met by `act`, besides the script.
    pub fn answer_to(&self, line: &str, act: Act) {
        *self.shared.besides.lock().unwrap() = Some((line.to_owned(), act));
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Their first lines.
    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// Waits until as many requests came; fails after 5 s.
    pub async fn seen_at_least(&self, count: usize) -> Vec<Seen> {
        for _ in 0..500 {
            if self.seen().len() >= count {
                return self.seen();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("only {:?} came", self.lines());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn next_act(&self, head: &[u8]) -> Option<Act> {
        if let Some((line, act)) = &*self.besides.lock().unwrap()
            && head.starts_with(line.as_bytes())
        {
            return Some(act.clone());
        }
        let mut script = self.script.lock().unwrap();
        if script.len() > 1 {
            script.pop_front()
        } else {
            script.front().cloned()
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.vanish.notified() => return,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                shared.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, shared.clone()));
            }
        }
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let head_end = read_head(&mut stream, &mut buffer).await?;
        let act = shared.next_act(&buffer)?;
        match act {
            Act::CutBefore => return None,
            Act::Deafness => std::future::pending().await,
            _ => {}
        }
        let seen = read_request(&mut stream, &mut buffer, head_end).await?;
        shared.seen.lock().unwrap().push(seen);
        match act {
            Act::Answer {
                status,
                headers,
                body,
            } => {
                let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&body).await.ok()?;
            }
            Act::Part {
                length,
                sent,
                closed,
            } => {
                let head = format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&vec![b'x'; sent]).await.ok()?;
                if closed {
                    return None;
                }
                std::future::pending::<()>().await;
            }
            Act::Silence => std::future::pending().await,
            Act::Vanish => {
                shared.vanish.notify_one();
                // The listener is closed before the client learns of anything.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                return None;
            }
            Act::CutAfter | Act::CutBefore | Act::Deafness => return None,
        }
    }
}

async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            return Some(at + 4);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    head_end: usize,
) -> Option<Seen> {
    let head = String::from_utf8(buffer[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines
        .next()
        .unwrap()
        .trim_end_matches(" HTTP/1.1")
        .to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while buffer.len() < head_end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer[head_end..head_end + length].to_vec();
    buffer.drain(..head_end + length);
    Some(Seen {
        line,
        headers,
        body,
    })
}
