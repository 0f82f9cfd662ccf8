use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use obhut_format::{DocumentId, Hash, ObjectId};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use reqwest::{Body, Method, Response, StatusCode};
use serde::Deserialize;

use super::encoding::array_from_b64;
use super::endpoint::{Endpoint, Retry, pause};
use crate::ClientError;

/// How often a broken download goes on where it stopped.
const RESUMES: u32 = 5;
/// How long the vault may take no byte of an upload, or keep its answer to a complete one.
const STALL: Duration = Duration::from_mins(3);
/// What a line must at least carry, bytes a second.
const SLOWEST: u64 = 64 << 10;
/// What a store must at least put together, bytes a second.
const COMPLETED: u64 = 16 << 20;
const OCTETS: &str = "application/octet-stream";

/// What the vault computed while it took an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// RFC 6962 root over the bytes it received.
    pub content_root: Hash,
    /// How many bytes.
    pub object_bytes: u64,
}

/// What the vault has of an upload by part.
#[derive(Clone, Debug, Default)]
pub struct HeldParts {
    /// Roots of the parts that need not be sent again, by number.
    pub parts: BTreeMap<u64, Hash>,
    /// The whole object, when it is there.
    pub stored: Option<StoredObject>,
}

#[derive(Deserialize)]
struct StoredAnswer {
    content_root: String,
    object_bytes: u64,
}

impl StoredAnswer {
    fn read(&self) -> Result<StoredObject, ClientError> {
        Ok(StoredObject {
            content_root: array_from_b64(&self.content_root)?,
            object_bytes: self.object_bytes,
        })
    }
}

#[derive(Deserialize)]
struct PartAnswer {
    number: u64,
    root: String,
}

#[derive(Deserialize)]
struct PartsAnswer {
    parts: Vec<PartAnswer>,
    stored: Option<StoredAnswer>,
}

impl Endpoint {
    /// Uploads a capsule of a length known up front. Not repeated here: only the caller can make the bytes again.
    pub async fn store_object(
        &self,
        object: ObjectId,
        document: DocumentId,
        revision: u64,
        object_bytes: u64,
        body: impl Stream<Item = Result<Bytes, std::io::Error>> + Send + Sync + 'static,
    ) -> Result<StoredObject, ClientError> {
        let progress = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&progress);
        let body = body.inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let request = self
            .upload_request(&format!("/objects/{object}"))
            .query(&[
                ("document", document.to_string()),
                ("revision", revision.to_string()),
            ])
            .header(CONTENT_TYPE, OCTETS)
            .header(CONTENT_LENGTH, object_bytes)
            .body(Body::wrap_stream(body));
        let sending = self.json::<StoredAnswer>(request, Retry::Unsent);
        let answer = tokio::select! {
            answer = sending => answer?,
            () = stalled(&progress) => return Err(ClientError::Stalled {
                url: self.server().to_owned(),
            }),
        };
        answer.read()
    }

    /// What the vault has of an upload by part.
    pub async fn held_parts(
        &self,
        object: ObjectId,
        object_bytes: u64,
    ) -> Result<HeldParts, ClientError> {
        let request = self
            .request(Method::GET, &format!("/objects/{object}/parts"))
            .query(&[("object_bytes", object_bytes)]);
        let answer: PartsAnswer = self.json(request, Retry::Idempotent).await?;
        let mut held = HeldParts::default();
        for part in answer.parts {
            held.parts.insert(part.number, array_from_b64(&part.root)?);
        }
        held.stored = answer.stored.map(|stored| stored.read()).transpose()?;
        Ok(held)
    }

    /// Uploads one part, `number` from 0, and gives the root the vault computed over it; repeated where a connection broke.
    pub async fn store_part(
        &self,
        object: ObjectId,
        document: DocumentId,
        revision: u64,
        object_bytes: u64,
        (number, body): (u64, Bytes),
    ) -> Result<Hash, ClientError> {
        let patience = STALL + Duration::from_secs(body.len() as u64 / SLOWEST);
        let request = self
            .upload_request(&format!("/objects/{object}/parts/{number}"))
            .query(&parts_query(document, revision, object_bytes))
            .header(CONTENT_TYPE, OCTETS)
            .timeout(patience)
            .body(body);
        let answer: PartAnswer = self.json(request, Retry::Idempotent).await?;
        array_from_b64(&answer.root)
    }

    /// Has the vault make the object of its parts.
    pub async fn complete_object(
        &self,
        object: ObjectId,
        document: DocumentId,
        revision: u64,
        object_bytes: u64,
    ) -> Result<StoredObject, ClientError> {
        let request = self
            .request(Method::POST, &format!("/objects/{object}/completion"))
            .query(&parts_query(document, revision, object_bytes))
            .timeout(STALL + Duration::from_secs(object_bytes / COMPLETED));
        let answer: StoredAnswer = self.json(request, Retry::Idempotent).await?;
        answer.read()
    }

    /// Uploads a capsule that lies in memory; repeated where a connection broke.
    pub async fn store_small_object(
        &self,
        object: ObjectId,
        document: DocumentId,
        revision: u64,
        body: Bytes,
    ) -> Result<StoredObject, ClientError> {
        let request = self
            .request(Method::PUT, &format!("/objects/{object}"))
            .query(&[
                ("document", document.to_string()),
                ("revision", revision.to_string()),
            ])
            .header(CONTENT_TYPE, OCTETS)
            .body(body);
        let answer: StoredAnswer = self.json(request, Retry::Idempotent).await?;
        answer.read()
    }

    /// The leaf hashes of an object's content tree; the caller compares their root with the signed manifest.
    pub async fn object_leaves(
        &self,
        object: ObjectId,
        leaf_count: u64,
    ) -> Result<Vec<Hash>, ClientError> {
        let request = self.request(Method::GET, &format!("/objects/{object}/leaves"));
        let response = self.send(request, Retry::Idempotent).await?;
        let wanted = usize::try_from(leaf_count).unwrap_or(usize::MAX);
        let limit = wanted.saturating_mul(32);
        let body = self.read_body(response, limit).await?;
        let leaves = body.as_chunks::<32>();
        if leaves.0.len() != wanted || !leaves.1.is_empty() {
            return Err(ClientError::integrity(
                "the vault sent another number of leaf hashes than the manifest has",
            ));
        }
        Ok(leaves.0.to_vec())
    }

    /// Bytes `[start, end)` of an object of `object_bytes` bytes, in pieces; goes on where a broken
    /// connection stopped. Whatever the vault sends, exactly `end - start` bytes come or an error.
    pub fn object_stream(
        &self,
        object: ObjectId,
        start: u64,
        end: u64,
        object_bytes: u64,
    ) -> impl Stream<Item = Result<Bytes, ClientError>> + Send + use<> {
        let download = Download {
            endpoint: self.clone(),
            object,
            at: start,
            end,
            object_bytes,
            resumes: 0,
            body: None,
        };
        futures_util::stream::try_unfold(download, |mut download| async move {
            Ok(download.next().await?.map(|bytes| (bytes, download)))
        })
    }
}

fn parts_query(
    document: DocumentId,
    revision: u64,
    object_bytes: u64,
) -> [(&'static str, String); 3] {
    [
        ("document", document.to_string()),
        ("revision", revision.to_string()),
        ("object_bytes", object_bytes.to_string()),
    ]
}

/// Ends when no piece was taken for [`STALL`]; also bounds the answer after the last one.
async fn stalled(progress: &AtomicU64) {
    let mut seen = u64::MAX;
    loop {
        let now = progress.load(Ordering::Relaxed);
        if now == seen {
            return;
        }
        seen = now;
        tokio::time::sleep(STALL).await;
    }
}

struct Download {
    endpoint: Endpoint,
    object: ObjectId,
    at: u64,
    end: u64,
    object_bytes: u64,
    resumes: u32,
    body: Option<BoxStream<'static, Result<Bytes, reqwest::Error>>>,
}

impl Download {
    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let left = self.end.saturating_sub(self.at);
            if left == 0 {
                return Ok(None);
            }
            let mut body = match self.body.take() {
                Some(body) => body,
                None => self.open().await?,
            };
            match body.try_next().await {
                Ok(Some(bytes)) if bytes.len() as u64 > left => {
                    return Err(ClientError::integrity(
                        "the vault sent more bytes than were asked for",
                    ));
                }
                Ok(Some(bytes)) => {
                    self.at += bytes.len() as u64;
                    self.body = Some(body);
                    return Ok(Some(bytes));
                }
                Ok(None) => {
                    let text = "the vault ended the object before its signed length";
                    self.resume(ClientError::integrity(text)).await?;
                }
                Err(source) => {
                    let failed = self.endpoint.unreachable(source);
                    self.resume(failed).await?;
                }
            }
        }
    }

    async fn resume(&mut self, failed: ClientError) -> Result<(), ClientError> {
        if self.resumes == RESUMES {
            return Err(failed);
        }
        self.resumes += 1;
        tokio::time::sleep(pause(self.resumes)).await;
        Ok(())
    }

    async fn open(
        &mut self,
    ) -> Result<BoxStream<'static, Result<Bytes, reqwest::Error>>, ClientError> {
        let range = format!("bytes={}-{}", self.at, self.end.saturating_sub(1));
        let request = self
            .endpoint
            .request(Method::GET, &format!("/objects/{}", self.object))
            .header(RANGE, &range);
        let mut response = self.endpoint.send(request, Retry::Idempotent).await?;
        if response.status() == StatusCode::TEMPORARY_REDIRECT {
            response = self.endpoint.follow(&response, &range).await?;
        }
        self.check_range(&response)?;
        Ok(response.bytes_stream().boxed())
    }

    /// A range answer must be exactly the range: another offset of the right length, or the whole
    /// object in its place, would put the wrong bytes under the right leaf.
    fn check_range(&self, response: &Response) -> Result<(), ClientError> {
        if response.status() == StatusCode::OK {
            let whole = self.at == 0 && self.end == self.object_bytes;
            let fits = response
                .content_length()
                .is_none_or(|len| len == self.object_bytes);
            return if whole && fits {
                Ok(())
            } else {
                Err(ClientError::integrity("the vault ignored the byte range"))
            };
        }
        let expected = format!(
            "bytes {}-{}/{}",
            self.at,
            self.end.saturating_sub(1),
            self.object_bytes
        );
        let stated = response.headers().get(CONTENT_RANGE);
        let fits = response
            .content_length()
            .is_none_or(|len| len == self.end - self.at);
        if response.status() == StatusCode::PARTIAL_CONTENT
            && stated.is_some_and(|value| value.as_bytes() == expected.as_bytes())
            && fits
        {
            Ok(())
        } else {
            Err(ClientError::integrity(
                "the vault answered with another byte range",
            ))
        }
    }
}
