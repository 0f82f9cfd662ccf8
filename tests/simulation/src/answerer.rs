//! Somebody who answers every request the same: a store in trouble.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Listens on loopback and answers every request with one status. Ends when dropped.
pub struct Answerer {
    address: String,
    asked: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Answerer {
    /// Answers with this status line (`503 Slow Down`) after so long.
    pub fn start(status: &'static str, after: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let answerer = Self {
            address: listener.local_addr().unwrap().to_string(),
            asked: Arc::default(),
            ended: Arc::default(),
        };
        let (asked, ended) = (Arc::clone(&answerer.asked), Arc::clone(&answerer.ended));
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let asked = Arc::clone(&asked);
                std::thread::spawn(move || answer_all(connection, status, after, &asked));
            }
        });
        answerer
    }

    /// Where it listens, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many requests it was asked.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

fn answer_all(connection: TcpStream, status: &str, after: Duration, asked: &AtomicU64) {
    let mut answers = connection.try_clone().unwrap();
    let mut requests = BufReader::new(connection);
    while let Some(length) = read_head(&mut requests) {
        let body = std::io::copy(&mut (&mut requests).take(length), &mut std::io::sink());
        if body.is_err() {
            return;
        }
        asked.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(after);
        let code = status.split(' ').next_back().unwrap_or_default();
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads a request's head; the length of its body. `None` at the end of the connection.
fn read_head(requests: &mut impl std::io::BufRead) -> Option<u64> {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if requests.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some(length);
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
}
