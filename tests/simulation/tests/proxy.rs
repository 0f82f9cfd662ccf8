//! The proxy does to bytes what it says, and nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use obhut_simulation::{Direction, Fault, FaultProxy};

/// Somebody who sends back what comes.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut back = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut &stream, &mut back);
            });
        }
    });
    address
}

fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    let patience = Some(Duration::from_secs(5));
    stream.set_read_timeout(patience).unwrap();
    stream
}

fn there_and_back(stream: &mut TcpStream, length: usize) -> std::io::Result<Vec<u8>> {
    stream.write_all(&vec![7; length])?;
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn proxy() -> FaultProxy {
    FaultProxy::start(&echo(), 1, None)
}

#[test]
fn without_a_fault_everything_passes_and_is_tapped() {
    let folder = tempfile::tempdir().unwrap();
    let tap = folder.path().join("tap");
    let proxy = FaultProxy::start(&echo(), 1, Some(&tap));
    let mut stream = connect(&proxy);
    assert_eq!(
        there_and_back(&mut stream, 100_000).unwrap(),
        vec![7; 100_000]
    );
    assert_eq!(proxy.struck(), 0);
    drop(stream);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(std::fs::read(tap).unwrap().len(), 200_000);
}

#[test]
fn latency_and_bandwidth_take_time_and_change_nothing() {
    let proxy = proxy();
    let mut stream = connect(&proxy);
    proxy.set(Direction::Both, Fault::Latency(Duration::from_millis(150)));
    let begun = Instant::now();
    assert_eq!(there_and_back(&mut stream, 10).unwrap(), vec![7; 10]);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    proxy.set(Direction::Up, Fault::Bandwidth(20_000));
    proxy.set(Direction::Down, Fault::Latency(Duration::ZERO));
    let begun = Instant::now();
    assert_eq!(
        there_and_back(&mut stream, 20_000).unwrap(),
        vec![7; 20_000]
    );
    assert!(begun.elapsed() >= Duration::from_millis(150));
    assert!(proxy.struck() > 0);
}

#[test]
fn cut_ends_connections_and_reset_tears_them() {
    let proxy = proxy();
    let mut stream = connect(&proxy);
    there_and_back(&mut stream, 10).unwrap();
    proxy.set(Direction::Both, Fault::Cut);
    assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(connect(&proxy).read(&mut [0; 10]).unwrap(), 0);
    proxy.lift();
    let mut stream = connect(&proxy);
    there_and_back(&mut stream, 10).unwrap();
    proxy.set(Direction::Down, Fault::Reset);
    let torn = stream.read(&mut [0; 10]).unwrap_err();
    assert_eq!(torn.kind(), ErrorKind::ConnectionReset);
    proxy.lift();
    there_and_back(&mut connect(&proxy), 10).unwrap();
}

#[test]
fn truncation_ends_a_connection_after_so_many_bytes() {
    let proxy = proxy();
    let mut stream = connect(&proxy);
    there_and_back(&mut stream, 500).unwrap();
    proxy.set(Direction::Down, Fault::Truncate(1_234));
    stream.write_all(&[7; 5_000]).unwrap();
    let mut arrived = Vec::new();
    let _ = stream.read_to_end(&mut arrived);
    assert_eq!(arrived, vec![7; 1_234]);
}

#[test]
fn flips_bits_and_the_same_ones_for_the_same_seed() {
    let flipped = |seed| {
        let proxy = FaultProxy::start(&echo(), seed, None);
        proxy.set(Direction::Up, Fault::Flip(1_000));
        let bytes = there_and_back(&mut connect(&proxy), 60_000).unwrap();
        let at: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 7).collect();
        assert_eq!(proxy.struck(), at.len() as u64);
        at
    };
    let first = flipped(5);
    assert!((20..200).contains(&first.len()), "{first:?}");
    assert_eq!(first, flipped(5));
    assert_ne!(first, flipped(6));
}

#[test]
fn a_stall_holds_everything_back_until_it_is_lifted() {
    let proxy = proxy();
    let mut stream = connect(&proxy);
    proxy.set(Direction::Up, Fault::Stall);
    stream.write_all(b"held").unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(stream.read(&mut [0; 4]).is_err());
    proxy.lift();
    let mut arrived = [0; 4];
    stream.read_exact(&mut arrived).unwrap();
    assert_eq!(&arrived, b"held");
}

#[test]
fn stranded_connections_say_nothing_and_new_ones_are_well() {
    let proxy = proxy();
    let mut old = connect(&proxy);
    there_and_back(&mut old, 10).unwrap();
    proxy.strand();
    old.set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let silent = there_and_back(&mut old, 10).unwrap_err();
    assert_eq!(silent.kind(), ErrorKind::WouldBlock);
    there_and_back(&mut connect(&proxy), 10).unwrap();
}

#[test]
fn another_address_is_taken_by_new_connections() {
    let proxy = proxy();
    let mut old = connect(&proxy);
    there_and_back(&mut old, 10).unwrap();
    let answerer = obhut_simulation::Answerer::start("503 Slow Down", Duration::ZERO);
    proxy.redirect(answerer.address());
    assert_eq!(old.read(&mut [0; 4]).unwrap(), 0);
    let mut asking = connect(&proxy);
    asking
        .write_all(b"PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        .unwrap();
    let mut answer = [0; 22];
    asking.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503 Slow Down");
    assert_eq!(answerer.asked(), 1);
}
