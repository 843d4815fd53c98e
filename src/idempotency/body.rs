//! Bodies as a whole, within their limits.

use crate::http::problem::{Kind, Problem};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of a request; a byte that is too much is not held.
pub(super) async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    let too_large =
        || Problem::new(Kind::TooLarge, format!("a body has at most {most} bytes here"));
    if is_longer(&body, most) {
        return Err(too_large());
    }
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(Kind::Unreadable, "the body was cut off")),
    }
}

/// The body of a response.
pub(super) enum Held {
    Whole(Bytes),
    /// More than is stored; nothing of it is lost.
    TooLong(Body),
    /// It failed on the way.
    Cut,
}

pub(super) async fn hold(mut body: Body, most: usize) -> Held {
    if is_longer(&body, most) {
        return Held::TooLong(body);
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Held::Cut };
        // Trailers are not kept.
        let Ok(chunk) = frame.into_data() else { continue };
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            let first = Some(bytes.freeze());
            return Held::TooLong(Body::new(Resumed { first, rest: body }));
        }
    }
    Held::Whole(bytes.freeze())
}

fn is_longer(body: &Body, most: usize) -> bool {
    usize::try_from(body.size_hint().lower()).is_ok_and(|least| least > most)
}

/// What was read of a body already, and then the rest.
struct Resumed {
    first: Option<Bytes>,
    rest: Body,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, first) = (self.rest.size_hint(), self.first.as_ref().map_or(0, Bytes::len));
        let first = u64::try_from(first).unwrap_or(u64::MAX);
        let mut both = SizeHint::new();
        both.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            both.set_upper(upper.saturating_add(first));
        }
        both
    }
}
