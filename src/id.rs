//! The numbers and names that identify things: a message, a store, a subscription, an attempt.
//!
//! Identity of a message is its [`MessageId`]; its place is its `seq`. Every match in the crate is
//! on both, never on the place alone: a store that was restored from a backup hands out the same
//! places again, for other messages.

use std::fmt;
use uuid::Uuid;

/// The place of a message in its outbox: contiguous, in commit order, never given out twice.
pub type Seq = i64;

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// From the 16 bytes that travel and are stored.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes that travel and are stored.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The UUID itself.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

uuid_newtype! {
    /// Identifies one message for ever: through retries, restarts and redrives.
    ///
    /// Made by [`Outbox::enqueue`](crate::Outbox::enqueue) as a UUIDv7 (RFC 9562) unless the caller
    /// names one. Time-ordered ids keep the consumer's memory small and fast.
    MessageId
}

uuid_newtype! {
    /// Identifies one outbox file, for as long as its history is its own.
    StoreId
}

uuid_newtype! {
    /// Identifies one subscription of one outbox.
    SubscriptionId
}

impl std::str::FromStr for MessageId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

impl MessageId {
    /// A UUIDv7 of this millisecond and these random bytes.
    pub(crate) fn at(unix_ms: i64, random: [u8; 10]) -> Self {
        let millis = u64::try_from(unix_ms).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The id of a row that another program wrote without one: derived from the row alone, so that
    /// every read of the row, by any process, gives the same.
    pub(crate) fn derived(store: StoreId, seq: Seq, created_at_ms: i64) -> Self {
        let mut place = [0; 24];
        place[..16].copy_from_slice(store.as_bytes());
        place[16..].copy_from_slice(&seq.to_le_bytes());
        let hash = xxhash_rust::xxh3::xxh3_128(&place).to_le_bytes();
        let mut random = [0; 10];
        random.copy_from_slice(&hash[..10]);
        Self::at(created_at_ms, random)
    }
}

/// One opening of a subscription by a relay: a number that only grows, and a random nonce.
///
/// The consumer answers only the registered incarnation, so that whatever an earlier relay left in
/// the network has no effect. The nonce tells two copies of one store apart, which would count the
/// same epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation {
    /// Grows with every opening, and with every change by a person: redrive, skip, replace, pause.
    pub epoch: i64,
    /// Random for every opening.
    pub nonce: i64,
}

/// Which content a message has: a 64-bit hash (XXH3) of everything the consumer sees.
///
/// Serves as the checksum that is verified before delivery and before the effect, and tells two
/// contents under one id apart. It is no protection against someone who forges messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub i64);

/// The hash of a message's key: two messages with one key are delivered in order.
///
/// Two keys that collide are kept in order too, which costs them some time and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub i64);

impl KeyHash {
    pub(crate) fn of(key: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64(key.as_bytes()).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_depends_on_the_row_alone() {
        let store = StoreId::from_bytes([7; 16]);
        let id = MessageId::derived(store, 41, 1_700_000_000_000);
        assert_eq!(id, MessageId::derived(store, 41, 1_700_000_000_000));
        assert_ne!(id, MessageId::derived(store, 42, 1_700_000_000_000));
        assert_ne!(id, MessageId::derived(StoreId::from_bytes([8; 16]), 41, 1_700_000_000_000));
        assert_eq!(id.uuid().get_version_num(), 7);
    }

    #[test]
    fn ids_sort_by_their_time() {
        assert!(MessageId::at(1_000, [255; 10]) < MessageId::at(1_001, [0; 10]));
    }
}
