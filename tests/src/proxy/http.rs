//! As much of HTTP/1.1 as it takes to pass messages on: heads, and where bodies end.

use std::io::{self, BufRead, Read, Write};

const HEAD_LIMIT_BYTES: u64 = 64 * 1024;

/// A request's or answer's head.
pub struct Head {
    /// The first line, in words.
    pub line: Vec<String>,
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Reads one head; `None` at the end of the connection.
    pub fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        let mut limited = from.take(HEAD_LIMIT_BYTES);
        loop {
            let mut line = String::new();
            if limited.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            match line.trim_end() {
                "" => break,
                text => lines.push(text.to_owned()),
            }
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let first = lines.remove(0);
        let field = |line: String| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        };
        Ok(Some(Self {
            line: first.split(' ').map(str::to_owned).collect(),
            fields: lines.into_iter().filter_map(field).collect(),
        }))
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(have, _)| have == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut text = self.line.join(" ") + "\r\n";
        for (name, value) in &self.fields {
            text += &format!("{name}: {value}\r\n");
        }
        to.write_all((text + "\r\n").as_bytes())
    }

    fn is_chunked(&self) -> bool {
        self.field("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    /// Where the body after this head ends, when it has one at all.
    pub fn body(&self) -> Body {
        if self.is_chunked() {
            return Body::Chunked;
        }
        let length = self.field("content-length").map(str::parse);
        match length {
            Some(Ok(bytes)) => Body::Sized(bytes),
            _ => Body::Unsized,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Body {
    Sized(u64),
    Chunked,
    /// None in a request; until the connection's end in an answer.
    Unsized,
}

/// Passes a body on, piece by piece; returns its bytes.
///
/// `each` sees every piece of content before it is passed on; its error ends the transfer.
pub fn pass(
    body: Body,
    from: &mut impl BufRead,
    to: &mut impl Write,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut total = 0;
    match body {
        Body::Sized(bytes) => total = pass_exactly(bytes, from, to, each)?,
        Body::Unsized => {}
        Body::Chunked => loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let digits = line.trim_end().split(';').next().unwrap_or_default();
            let bytes = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
            to.write_all(line.as_bytes())?;
            total += pass_exactly(bytes, from, to, each)?;
            let mut end = String::new();
            from.read_line(&mut end)?;
            to.write_all(end.as_bytes())?;
            if bytes == 0 {
                break;
            }
        },
    }
    to.flush()?;
    Ok(total)
}

fn pass_exactly(
    bytes: u64,
    from: &mut impl BufRead,
    to: &mut impl Write,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut left = bytes;
    let mut piece = [0; 16 * 1024];
    while left > 0 {
        let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = from.read(&mut piece[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        each(&piece[..read])?;
        to.write_all(&piece[..read])?;
        left -= read as u64;
    }
    Ok(bytes)
}
