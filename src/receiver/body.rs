//! Reads a body within its limits: a byte that is too much is not held.

use super::{KIBIBYTE, Limits};
use crate::http::problem::{Kind, Problem};
use axum::body::Body as Incoming;
use flate2::read::GzDecoder;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A body, and its share of the budget for as long as it is held.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    _share: Share,
}

/// Reads what comes, and unpacks it.
pub(super) async fn read(
    fields: &HeaderMap,
    mut incoming: Incoming,
    limits: &Limits,
    budget: Arc<Semaphore>,
) -> Result<Body, Problem> {
    let most = limits.body_bytes;
    let is_packed = is_packed(fields)?;
    let announced = fields.get(header::CONTENT_LENGTH).and_then(|field| field.to_str().ok());
    if announced.and_then(|field| field.parse::<usize>().ok()).is_some_and(|bytes| bytes > most) {
        return Err(too_large(most));
    }
    let mut share = Share { budget, held: None, bytes: 0 };
    let mut bytes = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let cut = |_| Problem::new(Kind::Unreadable, "the body was cut off");
        let Ok(chunk) = frame.map_err(cut)?.into_data() else { continue };
        share.append(&mut bytes, &chunk, most)?;
    }
    if is_packed {
        bytes = unpacked(&bytes, most, &mut share)?;
    }
    Ok(Body { bytes, _share: share })
}

fn is_packed(fields: &HeaderMap) -> Result<bool, Problem> {
    match fields.get(header::CONTENT_ENCODING).map(|coding| coding.as_bytes()) {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip" | b"x-gzip") => Ok(true),
        Some(_) => Err(Problem::new(Kind::MediaType, "of content codings only gzip is understood")),
    }
}

/// What gzip packed; a bomb ends at the limit.
fn unpacked(packed: &[u8], most: usize, share: &mut Share) -> Result<Vec<u8>, Problem> {
    let mut decoder = GzDecoder::new(packed);
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 * KIBIBYTE]);
    loop {
        let broken = |_| Problem::new(Kind::Unreadable, "the body is not what gzip packs");
        let read = decoder.read(&mut chunk).map_err(broken)?;
        if read == 0 {
            return Ok(bytes);
        }
        share.append(&mut bytes, &chunk[..read], most)?;
    }
}

fn too_large(most: usize) -> Problem {
    Problem::new(Kind::TooLarge, format!("a body has at most {most} bytes"))
}

/// What one body holds of the budget of all.
struct Share {
    budget: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Share {
    /// Appends to a body what it may still hold; what is set aside for more of it counts.
    fn append(&mut self, bytes: &mut Vec<u8>, chunk: &[u8], most: usize) -> Result<(), Problem> {
        let length = bytes.len() + chunk.len();
        if length > most {
            return Err(too_large(most));
        }
        if length > bytes.capacity() {
            let capacity = length.max(2 * bytes.capacity()).min(most);
            self.grow(capacity - bytes.capacity())?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let kibibytes = |bytes: usize| bytes.div_ceil(KIBIBYTE);
        let more = kibibytes(self.bytes + bytes) - kibibytes(self.bytes);
        self.bytes += bytes;
        let full = || {
            Problem::new(Kind::Busy, "no room for more bodies now").after(Duration::from_secs(1))
        };
        let more = u32::try_from(more).map_err(|_| full())?;
        let budget = Arc::clone(&self.budget);
        let permit = budget.try_acquire_many_owned(more).map_err(|_| full())?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}
