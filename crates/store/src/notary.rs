//! The way to the gatekeeper: bytes out, bytes in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use obhut_format::Cbor;
use obhut_format::release::{GateRequest, GateResponse};

use crate::StoreError;

type Answer = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>;

/// Carries a message to the gatekeeper and brings its answer, in process or over a connection.
#[derive(Clone)]
pub struct Notary(Arc<dyn Fn(Vec<u8>) -> Answer + Send + Sync>);

impl Notary {
    /// `ask` takes a canonical [`GateRequest`] and gives a canonical [`GateResponse`], or `None`
    /// when the gatekeeper cannot be reached.
    pub fn new<F, Fut>(ask: F) -> Self
    where
        F: Fn(Vec<u8>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<Vec<u8>>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(ask(request))))
    }

    /// Asks. A refusal becomes [`StoreError::GateRefused`].
    pub async fn ask(&self, request: &GateRequest) -> Result<GateResponse, StoreError> {
        let bytes = (self.0)(request.to_bytes()).await;
        let bytes = bytes.ok_or(StoreError::GateUnavailable)?;
        match GateResponse::from_bytes(&bytes) {
            Ok(GateResponse::Refused(refusal)) => Err(StoreError::GateRefused {
                code: refusal.code,
                text: refusal.text,
            }),
            Ok(response) => Ok(response),
            Err(_) => Err(StoreError::GateUnavailable),
        }
    }
}
