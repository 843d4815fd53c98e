//! What must never be, and what must have been done when nothing happens any more.

use super::consumer::Effect;
use super::network::{Packet, Verdict};
use super::scope::{Number, Scope};
use super::state::State;
use crate::id::Seq;

impl State {
    /// The first thing that is wrong.
    pub(super) fn wrong(&self, scope: &Scope) -> Option<&'static str> {
        let effects = &self.consumer.visible().effects;
        let effect = |(index, effect)| self.wrong_effect(scope, &effects[..index], effect);
        let effect = || effects.iter().enumerate().find_map(effect);
        let created = &self.producer.visible().created;
        let message = |(number, seq): (&Number, &Seq)| self.wrong_message(scope, *number, *seq);
        self.wrong
            .or_else(effect)
            .or_else(|| created.iter().find_map(message))
            .or_else(|| self.network.iter().find_map(|one| self.wrong_answer(one)))
            .or_else(|| self.wrong_memory())
            // A restored store must be noticed; any other must not be taken for one.
            .or(self.halted.filter(|_| !self.restored))
    }

    fn wrong_effect(
        &self,
        scope: &Scope,
        earlier: &[Effect],
        effect: &Effect,
    ) -> Option<&'static str> {
        if earlier.iter().any(|one| one.number == effect.number) {
            return Some("DOUBLE effect");
        }
        if self.restored {
            return None;
        }
        let producer = self.producer.visible();
        if !producer.created.contains_key(&effect.number) {
            return Some("GHOST: an effect of a message that the producer lost");
        }
        let key = scope.key(effect.number)?;
        let same_key = |number: Number| scope.key(number) == Some(key);
        if earlier.iter().any(|one| same_key(one.number) && one.seq >= effect.seq) {
            return Some("ORDER: a later message of the key took effect before");
        }
        let missing = |(number, seq): (&Number, &Seq)| {
            *seq < effect.seq
                && same_key(*number)
                && !producer.skipped.contains(number)
                && !scope.is_filtered(*number)
                && !earlier.iter().any(|one| one.number == *number)
        };
        let gap = producer.created.iter().any(missing);
        gap.then_some("ORDER: an earlier message of the key has no effect yet")
    }

    fn wrong_message(&self, scope: &Scope, number: Number, seq: Seq) -> Option<&'static str> {
        let producer = self.producer.visible();
        let durable = self.effect_of(number);
        let excused = producer.skipped.contains(&number) || scope.is_filtered(number);
        if producer.is_settled(seq) && durable.is_none() && !excused {
            return Some("LOST: settled, and never applied");
        }
        if let Some((_, Some(recorded))) = producer.replaced.get(&seq)
            && durable.is_some_and(|effect| effect.revision != *recorded)
        {
            return Some("BELIEF: the producer records another revision than took effect");
        }
        None
    }

    fn wrong_answer(&self, packet: &Packet) -> Option<&'static str> {
        let Packet::Answer { verdicts, .. } = packet else {
            return None;
        };
        let skipped = &self.producer.visible().skipped;
        let empty = verdicts.iter().any(|(sent, verdict)| {
            matches!(verdict, Verdict::Applied(_))
                && self.effect_of(sent.number).is_none()
                && !skipped.contains(&sent.number)
        });
        (empty && !self.restored).then_some("ACK without a durable effect")
    }

    fn wrong_memory(&self) -> Option<&'static str> {
        let consumer = self.consumer.visible();
        let kept = consumer.seen.keys().any(|seq| consumer.settled.contains(*seq));
        kept.then_some("UNBOUNDED: an id is kept although its place is settled")
    }

    fn effect_of(&self, number: Number) -> Option<&Effect> {
        let effects = &self.consumer.durable().effects;
        effects.iter().find(|effect| effect.number == number)
    }

    /// When nothing happens by itself any more, all is delivered but what waits for a person.
    pub(super) fn wrong_at_rest(&self, scope: &Scope) -> Option<&'static str> {
        if self.halted.is_some() {
            return None;
        }
        let producer = self.producer.visible();
        for (number, seq) in &producer.created {
            if scope.is_filtered(*number) || producer.skipped.contains(number) {
                continue;
            }
            let key = scope.key(*number);
            let excuses = |(other, dead): (&Seq, &Number)| {
                *other == *seq || *other < *seq && key.is_some() && scope.key(*dead) == key
            };
            let waits = producer.dead().iter().any(|(seq, dead)| excuses((seq, dead)));
            if self.effect_of(*number).is_none() && !waits {
                return Some("STUCK: not delivered, at rest");
            }
            if !producer.is_settled(*seq) && !waits {
                return Some("STUCK: not settled, at rest");
            }
        }
        None
    }

    /// For the end of a trace.
    pub(super) fn summary(&self) -> String {
        let producer = self.producer.visible();
        let consumer = self.consumer.visible();
        let standing: Vec<_> =
            producer.exceptions.iter().map(|(seq, one)| (seq, one.standing)).collect();
        format!(
            "log {:?}, settled to {}, sent to {}, exceptions {standing:?}, epoch {}; consumer: \
             settled {:?}, seen {:?}, effects {:?}, durable {:?}; on the way: {:?}; {:?}",
            producer.log,
            producer.position.settled_to,
            producer.position.sent_to,
            producer.incarnation.epoch,
            consumer.settled.iter().collect::<Vec<_>>(),
            consumer.seen.keys().collect::<Vec<_>>(),
            consumer.effects,
            self.consumer.durable().effects.len(),
            self.network.iter().map(|one| &**one).collect::<Vec<_>>(),
            self.halted,
        )
    }
}
