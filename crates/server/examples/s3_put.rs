//! What `cargo xtask bench import --stack full` compares with: the bare loop of puts, nothing sealed, logged or hashed
//! but what the store itself asks for.
//!
//! `s3_put ENDPOINT BUCKET PREFIX FOLDER WAYS` puts every file below FOLDER, WAYS at a time, with the account of
//! `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a measuring program")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use tokio::sync::Semaphore;

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, bucket, prefix, folder, ways] = words.as_slice() else {
        panic!("ENDPOINT BUCKET PREFIX FOLDER WAYS");
    };
    let client = client(endpoint);
    let mut files = Vec::new();
    list(Path::new(folder), &mut files);
    let free = Arc::new(Semaphore::new(ways.parse().unwrap()));
    let mut puts = tokio::task::JoinSet::new();
    for (number, file) in files.into_iter().enumerate() {
        let place = Arc::clone(&free).acquire_owned().await.unwrap();
        let put = client
            .put_object()
            .bucket(bucket)
            .key(format!("{prefix}{number}"));
        puts.spawn(async move {
            let body = ByteStream::from_path(file).await.unwrap();
            put.body(body).send().await.unwrap();
            drop(place);
        });
    }
    while let Some(done) = puts.join_next().await {
        done.unwrap();
    }
}

fn client(endpoint: &str) -> Client {
    let account = |name| std::env::var(name).unwrap();
    let keys = Credentials::new(
        account("AWS_ACCESS_KEY_ID"),
        account("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "environment",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(keys)
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}
