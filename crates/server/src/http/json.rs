//! JSON bodies: read with the server's problems, written plainly.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::{Kind, Problem};
use crate::app::App;

/// A JSON body.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, app).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(problem_of(&rejection, app)),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn problem_of(rejection: &JsonRejection, app: &App) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => Kind::UnsupportedMediaType.into(),
        JsonRejection::BytesRejection(_) => Problem::detail(
            Kind::PayloadTooLarge,
            format!("at most {} bytes", app.config().limits.json_bytes),
        ),
        // The parser's text may quote the body.
        _ => Problem::detail(
            Kind::BadRequest,
            "the body is not the JSON object this address takes",
        ),
    }
}
