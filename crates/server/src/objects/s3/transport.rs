//! Checksums on the way to the store, in the flavour that the probe found to hold.

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::operation::upload_part::builders::UploadPartFluentBuilder;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedPart};
use aws_smithy_checksums::ChecksumAlgorithm as Algorithm;
use bytes::Bytes;
use data_encoding::BASE64;

use super::settings::Checksum;

impl Checksum {
    /// As it stands in the configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc64nvme => "crc64nvme",
            Self::Crc32c => "crc32c",
            Self::Sha256 => "sha256",
            Self::Signed => "signed",
        }
    }

    /// The value of the header for these bytes; none where the signature is enough.
    pub(super) fn of(self, bytes: &Bytes) -> Option<String> {
        let algorithm = match self {
            Self::Crc64nvme => Algorithm::Crc64Nvme,
            Self::Crc32c => Algorithm::Crc32c,
            Self::Sha256 => Algorithm::Sha256,
            Self::Signed => return None,
        };
        let mut checksum = algorithm.into_impl();
        checksum.update(bytes);
        Some(BASE64.encode(&checksum.finalize()))
    }

    /// How a multipart upload announces it.
    pub(super) fn announced(self) -> (Option<ChecksumAlgorithm>, Option<ChecksumType>) {
        match self {
            // Of CRC64NVME only the checksum of the whole object exists.
            Self::Crc64nvme => (
                Some(ChecksumAlgorithm::Crc64Nvme),
                Some(ChecksumType::FullObject),
            ),
            Self::Crc32c => (Some(ChecksumAlgorithm::Crc32C), None),
            Self::Sha256 => (Some(ChecksumAlgorithm::Sha256), None),
            Self::Signed => (None, None),
        }
    }

    pub(super) fn on_put(
        self,
        put: PutObjectFluentBuilder,
        value: Option<String>,
    ) -> PutObjectFluentBuilder {
        match self {
            Self::Crc64nvme => put.set_checksum_crc64_nvme(value),
            Self::Crc32c => put.set_checksum_crc32_c(value),
            Self::Sha256 => put.set_checksum_sha256(value),
            Self::Signed => put,
        }
    }

    pub(super) fn on_part(
        self,
        part: UploadPartFluentBuilder,
        value: Option<String>,
    ) -> UploadPartFluentBuilder {
        match self {
            Self::Crc64nvme => part.set_checksum_crc64_nvme(value),
            Self::Crc32c => part.set_checksum_crc32_c(value),
            Self::Sha256 => part.set_checksum_sha256(value),
            Self::Signed => part,
        }
    }

    /// A part as the completion names it.
    pub(super) fn completed(self, number: i32, etag: &str, value: Option<String>) -> CompletedPart {
        let part = CompletedPart::builder().part_number(number).e_tag(etag);
        match self {
            Self::Crc64nvme => part.set_checksum_crc64_nvme(value),
            Self::Crc32c => part.set_checksum_crc32_c(value),
            Self::Sha256 => part.set_checksum_sha256(value),
            Self::Signed => part,
        }
        .build()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn gives_the_published_check_values() {
        let bytes = Bytes::from_static(b"123456789");
        for (checksum, expected) in [
            (Checksum::Crc32c, "e3069283"),
            (Checksum::Crc64nvme, "ae8b14860a799888"),
            (
                Checksum::Sha256,
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
        ] {
            let expected = data_encoding::HEXLOWER.decode(expected.as_bytes()).unwrap();
            assert_eq!(checksum.of(&bytes).unwrap(), BASE64.encode(&expected));
        }
        assert!(Checksum::Signed.of(&bytes).is_none());
    }
}
