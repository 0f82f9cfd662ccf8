//! A bucket of its own for a test, on the store that `cargo xtask test` starts.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

use super::{Credentials, Objects, S3, S3Settings, Ways};

/// Holds `http://ACCESS:SECRET@HOST:PORT/BUCKET`; the account may make buckets.
pub(super) const VARIABLE: &str = "OBHUT_TEST_S3";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What a bucket keeps of what is overwritten and removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    Nothing,
    Versions,
    /// Versions, and Object Lock.
    Locks,
}

/// A bucket that is removed by [`Bucket::finish`].
pub(super) struct Bucket {
    client: Client,
    endpoint: String,
    access: String,
    secret: String,
    name: String,
}

impl Bucket {
    /// A new bucket, or `None` with a printed line where there is no store.
    pub(super) async fn make(keeping: Keeping) -> Option<Self> {
        let Ok(store) = std::env::var(VARIABLE) else {
            eprintln!("skipped on S3: {VARIABLE} is not set");
            return None;
        };
        let (account, rest) = store
            .strip_prefix("http://")
            .unwrap()
            .split_once('@')
            .unwrap();
        let (access, secret) = account.split_once(':').unwrap();
        let endpoint = format!("http://{}", rest.split('/').next().unwrap());
        let name = format!(
            "t{}-{}-{}",
            std::process::id(),
            crate::clock::now_us(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let settings = S3Settings::new(&endpoint, &name);
        let credentials = Credentials::new(access.to_owned(), secret.to_owned().into());
        let s3 = S3::new(&settings, &credentials, Ways::default(), "/".as_ref()).unwrap();
        let client = s3.client().clone();
        let create = client.create_bucket().bucket(&name);
        let locks = keeping == Keeping::Locks;
        let create = create.object_lock_enabled_for_bucket(locks);
        create.send().await.unwrap();
        if keeping == Keeping::Versions {
            let on = VersioningConfiguration::builder();
            let on = on.status(BucketVersioningStatus::Enabled).build();
            let put = client.put_bucket_versioning().bucket(&name);
            put.versioning_configuration(on).send().await.unwrap();
        }
        Some(Self {
            client,
            endpoint,
            access: access.to_owned(),
            secret: secret.to_owned(),
            name,
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn settings(&self) -> S3Settings {
        S3Settings {
            prefix: "test/".to_owned(),
            ..S3Settings::new(&self.endpoint, &self.name)
        }
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(self.access.clone(), self.secret.clone().into())
    }

    /// The store below `test/`.
    pub(super) fn objects(&self, ways: Ways) -> Objects {
        self.objects_at(&self.endpoint, &self.secret, ways)
    }

    pub(super) fn objects_at(&self, endpoint: &str, secret: &str, ways: Ways) -> Objects {
        let settings = S3Settings {
            endpoint: endpoint.to_owned(),
            ..self.settings()
        };
        let credentials = Credentials::new(self.access.clone(), secret.to_owned().into());
        Objects::S3(S3::new(&settings, &credentials, ways, "/".as_ref()).unwrap())
    }

    pub(super) async fn keys(&self) -> Vec<String> {
        let list = self.client.list_objects_v2().bucket(&self.name);
        let page = list.send().await.unwrap();
        let keys = page.contents().iter();
        keys.map(|object| object.key().unwrap().to_owned())
            .collect()
    }

    pub(super) async fn remove(&self, key: &str) {
        let delete = self.client.delete_object().bucket(&self.name).key(key);
        delete.send().await.unwrap();
    }

    /// Versions and markers of all keys.
    pub(super) async fn versions(&self) -> usize {
        let list = self.client.list_object_versions().bucket(&self.name);
        let page = list.send().await.unwrap();
        page.versions().len() + page.delete_markers().len()
    }

    /// Unfinished uploads.
    pub(super) async fn uploads(&self) -> usize {
        let list = self.client.list_multipart_uploads().bucket(&self.name);
        list.send().await.unwrap().uploads().len()
    }

    pub(super) async fn abort_uploads(&self) {
        let list = self.client.list_multipart_uploads().bucket(&self.name);
        for upload in list.send().await.unwrap().uploads() {
            let abort = self.client.abort_multipart_upload().bucket(&self.name);
            let abort = abort.set_key(upload.key().map(str::to_owned));
            let id = upload.upload_id().map(str::to_owned);
            abort.set_upload_id(id).send().await.unwrap();
        }
    }

    pub(super) async fn note_of(&self, key: &str) -> String {
        let get = self.client.get_object().bucket(&self.name).key(key);
        let body = get.send().await.unwrap().body.collect().await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    pub(super) async fn write(&self, key: &str, text: String) {
        let put = self.client.put_object().bucket(&self.name).key(key);
        put.body(text.into_bytes().into()).send().await.unwrap();
    }

    pub(super) async fn begin_upload(&self, key: &str) {
        let create = self.client.create_multipart_upload().bucket(&self.name);
        create.key(key).send().await.unwrap();
    }

    /// Removes everything; a store that keeps an empty bucket is no failure of the test.
    pub(super) async fn finish(self) {
        let list = self.client.list_object_versions().bucket(&self.name);
        let page = list.send().await.unwrap();
        let versions = page.versions().iter();
        let versions = versions.map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter();
        let markers = markers.map(|marker| (marker.key(), marker.version_id()));
        for (key, id) in versions.chain(markers) {
            let delete = self.client.delete_object().bucket(&self.name);
            let delete = delete.set_key(key.map(str::to_owned));
            let _ = delete.set_version_id(id.map(str::to_owned)).send().await;
        }
        let _ = self.client.delete_bucket().bucket(&self.name).send().await;
    }
}
