//! An upload into a bucket: one request where the capsule is small, parts of 512 chunks otherwise.

use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use obhut_format::capsule::{part_count, part_range};
use obhut_format::{ObjectId, VaultId};
use tokio::task::JoinSet;

use super::S3;
use super::multipart::{Multipart, send_part};
use super::placing::Placed;
use crate::objects::part::Part;
use crate::objects::{ContentHasher, ObjectError, Stored};

/// Parts on their way beside the one that is being filled.
const IN_FLIGHT: usize = 2;

/// An upload into a bucket. Dropped unfinished, what the store holds of it is removed.
pub struct S3Upload {
    s3: S3,
    vault: VaultId,
    object: ObjectId,
    object_bytes: u64,
    hasher: ContentHasher,
    received: u64,
    /// Number of the part being filled, from 0.
    number: u64,
    part: Option<Part>,
    multipart: Option<Guard>,
    sending: JoinSet<Result<CompletedPart, ObjectError>>,
}

impl S3Upload {
    pub(super) fn new(s3: S3, vault: VaultId, object: ObjectId, object_bytes: u64) -> Self {
        Self {
            s3,
            vault,
            object,
            object_bytes,
            hasher: ContentHasher::new(),
            received: 0,
            number: 0,
            part: None,
            multipart: None,
            sending: JoinSet::new(),
        }
    }

    pub(in crate::objects) async fn write(&mut self, mut bytes: Bytes) -> Result<(), ObjectError> {
        self.received += bytes.len() as u64;
        if self.received > self.object_bytes {
            return Err(ObjectError::Length);
        }
        self.hasher.update(&bytes);
        while !bytes.is_empty() {
            let mut part = match self.part.take() {
                Some(part) => part,
                None => self.begin_part().await?,
            };
            let full = part.take(&mut bytes);
            if full && part_count(self.object_bytes) > 1 {
                self.send(part).await?;
            } else {
                self.part = Some(part);
            }
        }
        Ok(())
    }

    pub(in crate::objects) async fn finish(mut self) -> Result<Stored, ObjectError> {
        if self.received != self.object_bytes {
            return Err(ObjectError::Length);
        }
        let (stored, leaves) = std::mem::take(&mut self.hasher).finish();
        let placed = if let Some(mut guard) = self.multipart.take() {
            while let Some(sent) = self.sending.join_next().await {
                guard.upload.note(flat(sent)?);
            }
            let placed = self
                .s3
                .place_parts(self.vault, self.object, &guard.upload)
                .await?;
            if placed == Placed::New {
                guard.completed = true;
            }
            placed
        } else {
            let part = self.part.take();
            let body = part.map(|part| part.bytes.freeze()).unwrap_or_default();
            self.s3.place(self.vault, self.object, body).await?
        };
        if placed == Placed::Occupied {
            let lying = self.s3.find_stored(self.vault, self.object).await?;
            return match lying {
                Some(lying) if lying == stored => Ok(stored),
                _ => Err(ObjectError::Occupied),
            };
        }
        if stored.leaf_count > 1 {
            let (vault, object) = (self.vault, self.object);
            self.s3.place_leaves(vault, object, leaves).await?;
        }
        Ok(stored)
    }

    async fn begin_part(&mut self) -> Result<Part, ObjectError> {
        let (start, end) = part_range(self.number, self.object_bytes);
        self.s3.memory().reserve(end - start).await
    }

    async fn send(&mut self, part: Part) -> Result<(), ObjectError> {
        if self.multipart.is_none() {
            let upload = self.s3.begin(self.vault, self.object).await?;
            self.multipart = Some(Guard {
                s3: self.s3.clone(),
                upload,
                completed: false,
            });
        }
        let Some(guard) = &mut self.multipart else {
            return Ok(());
        };
        while self.sending.len() >= IN_FLIGHT {
            if let Some(sent) = self.sending.join_next().await {
                guard.upload.note(flat(sent)?);
            }
        }
        self.number += 1;
        let number = i32::try_from(self.number).unwrap_or(i32::MAX);
        let (s3, to) = (self.s3.clone(), guard.upload.target());
        self.sending.spawn(async move {
            let Part { bytes, permit, .. } = part;
            let sent = send_part(&s3, &to, number, bytes.freeze()).await;
            drop(permit);
            sent
        });
        Ok(())
    }
}

fn flat<T>(
    joined: Result<Result<T, ObjectError>, tokio::task::JoinError>,
) -> Result<T, ObjectError> {
    joined.map_err(std::io::Error::other)?
}

/// Aborts the upload unless it was completed.
struct Guard {
    s3: S3,
    upload: Multipart,
    completed: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.completed {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let s3 = self.s3.clone();
        let (key, id) = (self.upload.key().to_owned(), self.upload.id().to_owned());
        runtime.spawn(async move {
            if let Err(error) = s3.abort(&key, &id).await {
                tracing::warn!(
                    error = crate::logging::chain(&error),
                    "an unfinished upload stays in the object store until the next sweep"
                );
            }
        });
    }
}
