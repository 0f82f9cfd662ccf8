//! Looks at the headers of answers, and spoils bodies on their way.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;

/// `Server` and `Date` of the last answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Banner(Arc<Mutex<(Option<String>, Option<String>)>>);

impl Banner {
    /// What was seen.
    pub(super) fn seen(&self) -> (Option<String>, Option<String>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Intercept for Banner {
    fn name(&self) -> &'static str {
        "Banner"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let text = |name: &str| headers.get(name).map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (text("server"), text("date"));
        Ok(())
    }
}

/// Replaces the body after it was signed.
#[derive(Debug)]
pub(super) struct Spoil(pub(super) &'static [u8]);

impl Intercept for Spoil {
    fn name(&self) -> &'static str {
        "Spoil"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *context.request_mut().body_mut() = SdkBody::from(self.0);
        Ok(())
    }
}
