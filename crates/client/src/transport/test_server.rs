//! A server for tests of what the client refuses: answers each connection with whatever the test wants.

use obhut_format::VaultId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Endpoint, Trust};

/// Answers the n-th connection's request (in lower case) with what `answer` makes of it, then closes it.
pub(crate) async fn serve<A: Into<Vec<u8>>>(
    answer: impl Fn(usize, &str) -> A + Send + 'static,
) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for number in 0.. {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 8_192];
            let len = connection.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..len]).to_ascii_lowercase();
            let answer: Vec<u8> = answer(number, &request).into();
            let _ = connection.write_all(&answer).await;
        }
    });
    Endpoint::new(&url, VaultId([1; 16]), &Trust::default()).unwrap()
}

/// A whole answer of status 200.
pub(crate) fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
