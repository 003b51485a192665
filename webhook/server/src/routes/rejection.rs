//! Requests that are not answered with a review.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::options::MAX_REVIEW_BYTES;
use crate::review::DecodeError;

/// Why a request is not answered with a review. Each is a failed call to the API server: `failurePolicy` decides.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("no such path; hint: POST to /mutate, /validate/closed, /validate/fail or /validate/ignore")]
    NotFound,
    #[error("reviews are sent with POST")]
    MethodNotAllowed,
    #[error("expected an unencoded body with Content-Type: application/json")]
    UnsupportedMediaType,
    #[error("`timeout` must be a positive duration like `5s`")]
    BadTimeout,
    #[error("the body is larger than {MAX_REVIEW_BYTES} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    BodyTimedOut,
    #[error("the body broke off")]
    BodyBroken,
    #[error(transparent)]
    NotReview(#[from] DecodeError),
    /// 503 without `Retry-After`: the API server takes it for a failed call at once. With 429, or with that header, it would hold the request
    /// and try again until the webhook's time-out, and our overload would become the API server's.
    #[error("too many reviews are being decided")]
    Overloaded,
    #[error("the policies are not loaded yet")]
    NotLoaded,
    #[error("the review's time was up")]
    DeadlinePassed,
    #[error("internal error")]
    Panicked,
    #[error("the answer could not be written")]
    NotEncoded(#[source] serde_json::Error),
}

impl Rejection {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BadTimeout | Self::BodyBroken | Self::NotReview(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded | Self::NotLoaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlinePassed => StatusCode::GATEWAY_TIMEOUT,
            Self::Panicked | Self::NotEncoded(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A closed set for metrics.
    pub(crate) const fn cause(&self) -> &'static str {
        match self {
            Self::NotFound => "path",
            Self::MethodNotAllowed => "method",
            Self::UnsupportedMediaType => "content_type",
            Self::BadTimeout => "timeout_parameter",
            Self::TooLarge => "body_size",
            Self::BodyTimedOut => "body_timeout",
            Self::BodyBroken => "body_broken",
            Self::NotReview(_) => "not_review",
            Self::Overloaded => "overload",
            Self::NotLoaded => "not_loaded",
            Self::DeadlinePassed => "deadline",
            Self::Panicked => "panic",
            Self::NotEncoded(_) => "not_encoded",
        }
    }

    /// What is wrong and why, for the client and the log. The reader quotes a value of the wrong type whole, and a body has 8 MiB.
    pub(crate) fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            text.push_str(": ");
            text.push_str(&source.to_string());
            cause = source.source();
        }
        if let Some((at, _)) = text.char_indices().nth(MAX_TEXT_CHARACTERS) {
            text.truncate(at);
            text.push('…');
        }
        text
    }

    pub(crate) fn to_response(&self) -> Response {
        let mut response = Response::new(Body::from(self.text() + "\n"));
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

/// The longest text of our own has 200.
const MAX_TEXT_CHARACTERS: usize = 256;
