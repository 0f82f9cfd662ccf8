//! Bytes of an object in a bucket, as they come; a broken answer is gone on with where it stopped.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::S3;
use super::failed::{failed, is_missing};
use crate::objects::ObjectError;

/// How often one reading goes on after a break.
const RESUMES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A range of an object in a bucket.
pub struct S3Reader {
    s3: S3,
    key: String,
    range: Range<u64>,
    body: Option<ByteStream>,
    resumes: u32,
}

impl S3Reader {
    /// Opens a range, or `None` where there is no object.
    pub(super) async fn open(
        s3: &S3,
        key: String,
        range: Range<u64>,
    ) -> Result<Option<Self>, ObjectError> {
        let mut reader = Self {
            s3: s3.clone(),
            key,
            range,
            body: None,
            resumes: 0,
        };
        if reader.range.is_empty() {
            let there = s3.head_key(&reader.key).await?.is_some();
            return Ok(there.then_some(reader));
        }
        let Some(body) = reader.ask().await? else {
            return Ok(None);
        };
        reader.body = Some(body);
        Ok(Some(reader))
    }

    pub(in crate::objects) async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        loop {
            let left = self.range.end.saturating_sub(self.range.start);
            if left == 0 {
                return Ok(None);
            }
            let mut body = match self.body.take() {
                Some(body) => body,
                None => self.ask().await?.ok_or_else(ended)?,
            };
            let broken: ObjectError = match body.next().await {
                Some(Ok(piece)) if piece.len() as u64 > left => return Err(other_range()),
                Some(Ok(piece)) => {
                    self.range.start += piece.len() as u64;
                    self.body = Some(body);
                    return Ok(Some(piece));
                }
                Some(Err(error)) => ObjectError::Unavailable(Box::new(error)),
                None => ended(),
            };
            if self.resumes == RESUMES {
                return Err(broken);
            }
            tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(self.resumes)).await;
            self.resumes += 1;
        }
    }

    async fn ask(&self) -> Result<Option<ByteStream>, ObjectError> {
        let shared = &self.s3.0;
        let (start, end) = (self.range.start, self.range.end);
        let get = shared.client.get_object().bucket(&shared.bucket);
        let get = get
            .key(&self.key)
            .range(format!("bytes={start}-{}", end.saturating_sub(1)));
        match get.send().await {
            Ok(answer) => {
                self.check(&answer)?;
                Ok(Some(answer.body))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// The answer must be exactly the range: another one of the right length would put wrong bytes in its place.
    fn check(&self, answer: &GetObjectOutput) -> Result<(), ObjectError> {
        let (start, end) = (self.range.start, self.range.end);
        let length = answer
            .content_length()
            .and_then(|len| u64::try_from(len).ok());
        let fits = match answer.content_range() {
            Some(stated) => stated.starts_with(&format!("bytes {start}-{}/", end - 1)),
            None => start == 0,
        };
        if fits && length.is_none_or(|length| length == end - start) {
            Ok(())
        } else {
            Err(other_range())
        }
    }
}

fn ended() -> ObjectError {
    ObjectError::Unavailable("the store ended an object before its length".into())
}

fn other_range() -> ObjectError {
    ObjectError::Unavailable("the store answered with another byte range".into())
}
