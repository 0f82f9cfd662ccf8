//! A server that lies about bytes, ranges and lengths.

use futures_util::TryStreamExt;
use obhut_format::{ObjectId, VaultId};
use tokio::net::TcpListener;

use super::{Endpoint, Trust, test_server};
use crate::{ClientError, Failure};

const OBJECT: ObjectId = ObjectId([3; 16]);
const BODY: &[u8] = b"0123456789";

/// As [`test_server::serve`], given the Range header.
async fn serve(answer: impl Fn(usize, &str) -> String + Send + 'static) -> Endpoint {
    test_server::serve(move |number, request| {
        let range = request
            .lines()
            .find_map(|line| line.strip_prefix("range: bytes="));
        answer(number, range.unwrap_or_default())
    })
    .await
}

fn partial(range: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {range}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn fetch(endpoint: &Endpoint, start: u64, end: u64) -> Result<Vec<u8>, ClientError> {
    let parts: Vec<_> = endpoint
        .object_stream(OBJECT, start, end, BODY.len() as u64)
        .try_collect()
        .await?;
    Ok(parts.concat())
}

fn assert_integrity(result: &Result<Vec<u8>, ClientError>) {
    let failed = result.as_ref().expect_err("the lie must be noticed");
    assert_eq!(failed.failure(), Failure::Integrity, "{failed}");
}

#[tokio::test]
async fn takes_exactly_the_range() {
    let endpoint = serve(|_, range| {
        assert_eq!(range, "2-5");
        partial("2-5/10", "2345")
    })
    .await;
    assert_eq!(fetch(&endpoint, 2, 6).await.unwrap(), b"2345");
}

#[tokio::test]
async fn a11_refuses_another_offset_of_the_right_length() {
    let endpoint = serve(|_, _| partial("3-6/10", "3456")).await;
    assert_integrity(&fetch(&endpoint, 2, 6).await);
}

#[tokio::test]
async fn a11_refuses_the_whole_object_in_place_of_a_range() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789";
    let endpoint = serve(move |_, _| whole.to_owned()).await;
    assert_integrity(&fetch(&endpoint, 2, 6).await);
    assert_eq!(fetch(&endpoint, 0, 10).await.unwrap(), BODY);
}

#[tokio::test]
async fn a11_refuses_a_range_without_its_header_or_of_another_object() {
    let bare = "HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nConnection: close\r\n\r\n2345";
    let endpoint = serve(move |_, _| bare.to_owned()).await;
    assert_integrity(&fetch(&endpoint, 2, 6).await);
    let endpoint = serve(|_, _| partial("2-5/11", "2345")).await;
    assert_integrity(&fetch(&endpoint, 2, 6).await);
}

#[tokio::test]
async fn a13_refuses_more_bytes_than_were_asked_for() {
    let long = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\nConnection: close\r\n\r\n23456789";
    let endpoint = serve(move |_, _| long.to_owned()).await;
    assert_integrity(&fetch(&endpoint, 2, 6).await);
}

#[tokio::test]
async fn goes_on_where_a_broken_download_stopped() {
    let broken = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n\
                  Content-Length: 10\r\n\r\n0123";
    let endpoint = serve(move |number, range| {
        if number == 0 {
            return broken.to_owned();
        }
        assert_eq!(range, "4-9");
        partial("4-9/10", "456789")
    })
    .await;
    assert_eq!(fetch(&endpoint, 0, 10).await.unwrap(), BODY);
}

#[tokio::test]
async fn a13_refuses_another_number_of_leaf_hashes() {
    let leaves = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 64\r\nConnection: close\r\n\r\n{}",
        "x".repeat(64)
    );
    let endpoint = serve(move |_, _| leaves.clone()).await;
    assert_eq!(endpoint.object_leaves(OBJECT, 2).await.unwrap().len(), 2);
    for wrong in [1, 3] {
        let refused = endpoint.object_leaves(OBJECT, wrong).await.unwrap_err();
        assert_eq!(refused.failure(), Failure::Integrity);
    }
}

#[tokio::test]
async fn tells_a_refusal_from_silence() {
    let problem = r#"{"type":"urn:obhut:problem:refused","title":"You may not do this","status":403,"detail":null,"reason":"no-appointment","next":"Ask","request_id":"r1"}"#;
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{problem}",
        problem.len()
    );
    let endpoint = serve(move |_, _| answer.clone()).await;
    let refused = endpoint.own_keys().await.unwrap_err();
    assert_eq!(refused.failure(), Failure::Refused);
    assert_eq!(refused.next_step(), "Ask");
    let ClientError::Problem(problem) = refused else {
        panic!("a problem was sent");
    };
    assert_eq!(problem.code(), "refused");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let endpoint = Endpoint::new(&url, VaultId([1; 16]), &Trust::default()).unwrap();
    let silent = endpoint.own_keys().await.unwrap_err();
    assert_eq!(silent.failure(), Failure::Unreachable);
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let trust = Trust::default();
    let open = |url: &str| Endpoint::new(url, VaultId([1; 16]), &trust);
    for fine in [
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://localhost:1",
        "https://a.example",
    ] {
        assert!(open(fine).is_ok(), "{fine}");
    }
    for wrong in [
        "http://a.example",
        "http://10.0.0.1",
        "ftp://a.example",
        "a.example",
        "",
    ] {
        assert!(open(wrong).is_err(), "{wrong}");
    }
    let trust = trust.unverified(true);
    let open = |url: &str| Endpoint::new(url, VaultId([1; 16]), &trust);
    for fine in [
        "https://127.0.0.1:1",
        "https://[::1]:1",
        "https://localhost:1",
        "http://[::1]:1",
    ] {
        assert!(open(fine).is_ok(), "{fine}");
    }
    for wrong in [
        "https://a.example",
        "https://10.0.0.1",
        "http://10.0.0.1",
        "https://localhost.example",
    ] {
        let refused = open(wrong).err().unwrap();
        assert_eq!(refused.failure(), Failure::Usage);
        assert!(
            refused
                .to_string()
                .contains("--insecure is for a server on this machine"),
            "{refused}"
        );
    }
}
