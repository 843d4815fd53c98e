//! What a relay says to an inbox that is no message: a hello, or what is settled. JSON, with
//! numbers as strings where they do not fit into a double.

use super::{Unreadable, place};
use crate::handoff::{Hello, Welcome};
use crate::id::{Incarnation, StoreId, SubscriptionId};
use crate::watermark::Ranges;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A control request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Asks to be listened to.
    Hello(Hello),
    /// Says what is settled, with no message to go with it.
    Settled(Hello, Ranges),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    store: Uuid,
    subscription: Uuid,
    epoch: String,
    nonce: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<String>,
}

impl Control {
    pub(crate) fn write(&self) -> Vec<u8> {
        let (hello, settled) = match self {
            Self::Hello(hello) => (hello, None),
            Self::Settled(hello, settled) => (hello, Some(place::written(settled))),
        };
        json(&Wire {
            store: hello.store.uuid(),
            subscription: hello.subscription.uuid(),
            epoch: hello.incarnation.epoch.to_string(),
            nonce: hello.incarnation.nonce.to_string(),
            settled,
        })
    }

    pub(crate) fn read(document: &[u8]) -> Result<Self, Unreadable> {
        let wire: Wire = parse(document)?;
        let incarnation = Incarnation { epoch: number(&wire.epoch)?, nonce: number(&wire.nonce)? };
        let (store, subscription) =
            (StoreId::from(wire.store), SubscriptionId::from(wire.subscription));
        let hello = Hello { store, subscription, incarnation };
        Ok(match wire.settled {
            None => Self::Hello(hello),
            Some(settled) => Self::Settled(hello, place::ranges(&settled)?),
        })
    }
}

/// The answer to a hello.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Greeting {
    Registered { high: String, settled_to: String },
    Refused { epoch: String, nonce: String },
}

/// The answer to a hello; none when there is no inbox to compare.
pub(crate) fn write_welcome(welcome: &Welcome) -> Option<Vec<u8>> {
    Some(json(&match welcome {
        Welcome::Registered { high, settled_to } => {
            Greeting::Registered { high: high.to_string(), settled_to: settled_to.to_string() }
        }
        Welcome::Refused { registered: Incarnation { epoch, nonce } } => {
            Greeting::Refused { epoch: epoch.to_string(), nonce: nonce.to_string() }
        }
        Welcome::Stranger => return None,
    }))
}

/// Reads what [`write_welcome`] wrote.
pub(crate) fn read_welcome(document: &[u8]) -> Result<Welcome, Unreadable> {
    Ok(match parse(document)? {
        Greeting::Registered { high, settled_to } => {
            Welcome::Registered { high: number(&high)?, settled_to: number(&settled_to)? }
        }
        Greeting::Refused { epoch, nonce } => {
            let registered = Incarnation { epoch: number(&epoch)?, nonce: number(&nonce)? };
            Welcome::Refused { registered }
        }
    })
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings serialise into memory")
}

fn parse<'a, T: Deserialize<'a>>(document: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(document)
        .map_err(|error| Unreadable(format!("this is no control request or answer: {error}")))
}

fn number(text: &str) -> Result<i64, Unreadable> {
    text.parse().map_err(|_| Unreadable(format!("{text:?} is no number of 64 bits")))
}
