//! What a message says to an inbox beside its content: whose it is, over which subscription, and
//! its place there. Extension attributes, all of one event.

use super::Unreadable;
use super::event::{self, ATTEMPT, Event, SEQUENCE};
use crate::handoff::Hello;
use crate::id::{Fingerprint, Incarnation, SubscriptionId};
use crate::message::Envelope;
use crate::watermark::Ranges;

const SUBSCRIPTION: &str = "surehandsubscription";
const EPOCH: &str = "surehandepoch";
const NONCE: &str = "surehandnonce";
const REVISION: &str = "surehandrevision";
const AFTER: &str = "surehandafter";
const FINGERPRINT: &str = "surehandfingerprint";
/// Milliseconds since 1970, where `time` cannot hold them.
const CREATED: &str = "surehandcreated";
/// What is settled, as `1-17,19`: on the first event of a request.
const SETTLED: &str = "surehandsettled";

/// Adds the place of a message to its event.
pub(crate) fn state(event: &mut Event<'_>, hello: &Hello, envelope: &Envelope) {
    event.set(SUBSCRIPTION, hello.subscription.to_string());
    event.set(EPOCH, hello.incarnation.epoch.to_string());
    event.set(NONCE, hello.incarnation.nonce.to_string());
    event.set(REVISION, envelope.revision().to_string());
    event.set(AFTER, envelope.after().to_string());
    event.set(ATTEMPT, envelope.attempt().to_string());
    event.set(FINGERPRINT, envelope.fingerprint().0.to_string());
    if event::time(envelope.created_at_ms()).is_none() {
        event.set(CREATED, envelope.created_at_ms().to_string());
    }
}

/// Adds a statement of what is settled.
pub(crate) fn state_settled(event: &mut Event<'_>, settled: &Ranges) {
    if !settled.is_empty() {
        event.set(SETTLED, written(settled));
    }
}

/// Whether a relay of ours sends this to an inbox; if not, it is a message of somebody else.
pub(crate) fn is_placed(event: &Event<'_>) -> bool {
    event.store().is_some() && event.get(SUBSCRIPTION).is_some()
}

/// A message with its place, and what came with it.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) hello: Hello,
    pub(crate) settled: Ranges,
    pub(crate) envelope: Envelope,
}

/// Reads an event that [`is_placed`].
pub(crate) fn read(event: Event<'_>) -> Result<Placed, Unreadable> {
    let store = event.store().ok_or_else(|| Unreadable::because("`source` is no store"))?;
    let hello = Hello { store, subscription: subscription(&event)?, incarnation: told(&event)? };
    let settled = event.get(SETTLED).map(ranges).transpose()?.unwrap_or_default();
    let id = uuid::Uuid::parse_str(event.required("id")?);
    let seq = event.number(SEQUENCE)?;
    if seq < 1 {
        return Err(Unreadable(format!("`{SEQUENCE}` is no place")));
    }
    Ok(Placed {
        hello,
        settled,
        envelope: Envelope {
            seq,
            id: id.map_err(|_| Unreadable::because("`id` is no UUID"))?.into(),
            revision: event.number(REVISION)?,
            fingerprint: Fingerprint(event.number(FINGERPRINT)?),
            attempt: event.number(ATTEMPT)?,
            after: event.number(AFTER)?,
            created_at_ms: match event.created_at_ms()? {
                Some(time) => time,
                None => event.number(CREATED)?,
            },
            parts: event.into_parts()?,
        },
    })
}

fn subscription(event: &Event<'_>) -> Result<SubscriptionId, Unreadable> {
    let id = uuid::Uuid::parse_str(event.required(SUBSCRIPTION)?);
    Ok(id.map_err(|_| Unreadable(format!("`{SUBSCRIPTION}` is no UUID")))?.into())
}

fn told(event: &Event<'_>) -> Result<Incarnation, Unreadable> {
    Ok(Incarnation { epoch: event.number(EPOCH)?, nonce: event.number(NONCE)? })
}

/// Positions as text: `1-17,19`.
pub(crate) fn written(ranges: &Ranges) -> String {
    let range = |(first, last): (i64, i64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}

/// Positions from such text.
pub(crate) fn ranges(text: &str) -> Result<Ranges, Unreadable> {
    let range = |part: &str| -> Option<(i64, i64)> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (1 <= first && first <= last).then_some((first, last))
    };
    let read: Option<Vec<_>> = text.split(',').filter(|part| !part.is_empty()).map(range).collect();
    read.map(Ranges::from_ranges)
        .ok_or_else(|| Unreadable::because("positions are written as `1-17,19`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_come_back(pairs: Vec<(i64, i64)>) {
            let some = Ranges::from_ranges(pairs);
            prop_assert_eq!(ranges(&written(&some)).unwrap(), some);
        }

        #[test]
        fn no_text_breaks_the_reader(text: String) {
            let _ = ranges(&text);
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["0", "3-1", "-1", "1-", "a", "1-2-3", "9223372036854775808"] {
            assert!(ranges(text).is_err(), "{text}");
        }
    }
}
