//! Reads a body within three limits: its size, the time it takes, and the memory that all bodies take together.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use bytes::BytesMut;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::rejection::Rejection;
use crate::options::MAX_REVIEW_BYTES;

/// The whole body, and the part of the memory budget that it holds while it lives.
pub(super) async fn read(
    request: Request,
    budget: &Semaphore,
    patience: Duration,
) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Rejection> {
    let mut body = request.into_body();
    match timeout(patience, collect(&mut body, budget)).await {
        Err(_elapsed) => Err(Rejection::BodyTimedOut),
        Ok(Err(Rejection::TooLarge)) => {
            // Answering while the client still writes would reset the connection, and the client might never read the 413.
            let _ = timeout(patience, discard(&mut body)).await;
            Err(Rejection::TooLarge)
        }
        Ok(read) => read,
    }
}

async fn collect<'a>(
    body: &mut Body,
    budget: &'a Semaphore,
) -> Result<(Bytes, Option<SemaphorePermit<'a>>), Rejection> {
    if body.size_hint().lower() > MAX_REVIEW_BYTES as u64 {
        return Err(Rejection::TooLarge);
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut held: Option<SemaphorePermit<'a>> = None;
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_broken| Rejection::BodyBroken)?.into_data() else { continue };
        if first.len().max(whole.len()) + chunk.len() > MAX_REVIEW_BYTES {
            return Err(Rejection::TooLarge);
        }
        let permit = u32::try_from(chunk.len())
            .ok()
            .and_then(|bytes| budget.try_acquire_many(bytes).ok())
            .ok_or(Rejection::Overloaded)?;
        match &mut held {
            Some(held) => held.merge(permit),
            None => held = Some(permit),
        }
        // The usual review comes in one piece and is not copied.
        if first.is_empty() {
            first = chunk;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&chunk);
        }
    }
    Ok((if whole.is_empty() { first } else { whole.freeze() }, held))
}

/// Up to a limit; who sends more has earned the reset.
async fn discard(body: &mut Body) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > MAX_DISCARDED_BYTES {
            return;
        }
    }
}

/// A review by mistake is a few times too large; nobody who means well sends more.
const MAX_DISCARDED_BYTES: usize = 8 * MAX_REVIEW_BYTES;
