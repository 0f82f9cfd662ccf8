//! Ids in the path.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use obhut_format::{CaseId, ObjectId};

use super::problem::{Kind, Problem};
use crate::app::App;

/// The part of the path that names a `T`; one that does not parse names nothing.
pub(crate) struct Segment<T>(pub T);

/// What a path can name, and under which parameter.
pub(crate) trait Named: FromStr {
    /// Name of the path parameter.
    const PARAMETER: &'static str;
}

impl Named for CaseId {
    const PARAMETER: &'static str = "case";
}

impl Named for ObjectId {
    const PARAMETER: &'static str = "object";
}

/// Index of a leaf.
impl Named for u64 {
    const PARAMETER: &'static str = "leaf";
}

/// Number of a part of an upload.
#[derive(Clone, Copy)]
pub(crate) struct PartNumber(pub u64);

impl FromStr for PartNumber {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Named for PartNumber {
    const PARAMETER: &'static str = "number";
}

impl<T: Named> FromRequestParts<App> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = parameter(parts, app, T::PARAMETER).await;
        let value = text.and_then(|text| text.parse().ok());
        Ok(value.map(Self).ok_or(Kind::NotFound)?)
    }
}

pub(super) async fn parameter(parts: &mut Parts, app: &App, wanted: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, app).await.ok()?;
    let found = params.iter().find(|(name, _)| *name == wanted);
    found.map(|(_, text)| text.to_owned())
}
