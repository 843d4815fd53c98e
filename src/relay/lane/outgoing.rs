//! The requests of one cycle: as many as there is room for go with one commit.

use crate::message::Envelope;

/// Requests that are being put together.
#[derive(Debug)]
pub(super) struct Outgoing {
    first: u64,
    requests: Vec<Vec<Envelope>>,
    /// Messages, and bytes of payload, that a request carries.
    most: (usize, usize),
    /// Bytes in the last one.
    bytes: usize,
}

impl Outgoing {
    pub(super) fn new(first: u64, most: (usize, usize)) -> Self {
        Self { first, requests: Vec::new(), most, bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The number of the request that the next message travels in.
    pub(super) fn request(&mut self) -> u64 {
        let is_full = |last: &Vec<Envelope>| last.len() >= self.most.0 || self.bytes >= self.most.1;
        if self.requests.last().is_none_or(is_full) {
            self.requests.push(Vec::new());
            self.bytes = 0;
        }
        self.first + self.requests.len() as u64 - 1
    }

    pub(super) fn add(&mut self, envelope: Envelope) {
        self.bytes += envelope.parts.payload.len();
        if let Some(last) = self.requests.last_mut() {
            last.push(envelope);
        }
    }

    /// Each request's number and messages.
    pub(super) fn into_requests(self) -> impl ExactSizeIterator<Item = (u64, Vec<Envelope>)> {
        let first = self.first;
        let numbered = self.requests.into_iter().enumerate();
        numbered.map(move |(index, envelopes)| (first + index as u64, envelopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Fingerprint, MessageId, Seq};
    use crate::message::Parts;

    fn envelope(seq: Seq, bytes: usize) -> Envelope {
        let (topic, payload) = ("a".into(), vec![0; bytes]);
        Envelope {
            seq,
            id: MessageId::from_bytes([0; 16]),
            revision: 0,
            fingerprint: Fingerprint(0),
            attempt: 1,
            after: 0,
            created_at_ms: 0,
            parts: Parts { topic, key: None, headers: None, content_type: None, payload },
        }
    }

    #[test]
    fn a_request_is_full_by_messages_or_by_bytes_and_then_the_next_one_begins() {
        let mut outgoing = Outgoing::new(7, (3, 100));
        let sizes = [1, 1, 1, 1, 200, 1, 50, 60, 1];
        let numbers: Vec<u64> = (1..)
            .zip(sizes)
            .map(|(seq, bytes)| {
                let request = outgoing.request();
                outgoing.add(envelope(seq, bytes));
                request
            })
            .collect();
        assert_eq!(numbers, [7, 7, 7, 8, 8, 9, 9, 9, 10]);
        let requests: Vec<_> =
            outgoing.into_requests().map(|(number, all)| (number, all.len())).collect();
        assert_eq!(requests, [(7, 3), (8, 2), (9, 3), (10, 1)]);
    }
}
