//! How large the world is, and which rules of the protocol hold in it.

use crate::id::MessageId;
use crate::relay::lane::Pace;
use crate::relay::lane::frozen::ACK_TIMEOUT_MS;
use crate::relay::settings::Settings;
use crate::retry::RetryPolicy;
use std::time::Duration;

/// The most messages of a scope.
pub(super) const MESSAGES: u8 = 4;

/// A number of a message: its identity, in the order of creation, from 1.
pub(super) type Number = u8;

pub(super) fn id_of(number: Number) -> MessageId {
    MessageId::from_bytes([number; 16])
}

pub(super) fn number_of(id: MessageId) -> Number {
    id.as_bytes()[0]
}

/// How often each thing may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    pub(super) kill_relay: u8,
    /// A relay that ends in good order.
    pub(super) close_relay: u8,
    pub(super) cut_producer: u8,
    pub(super) kill_consumer: u8,
    pub(super) cut_consumer: u8,
    /// A packet arrives and stays on its way, too.
    pub(super) duplicate: u8,
    pub(super) loss: u8,
    /// A handler fails.
    pub(super) failure: u8,
    /// The relay gives up on an answer that is still to come.
    pub(super) impatience: u8,
    /// The transport says at once that nobody is there.
    pub(super) unreachable: u8,
    /// A second relay opens beside the first.
    pub(super) zombie: u8,
    pub(super) redrive: u8,
    pub(super) skip: u8,
    pub(super) replace: u8,
    pub(super) restore: u8,
}

impl Faults {
    pub(super) const NONE: Self = Self {
        kill_relay: 0,
        close_relay: 0,
        cut_producer: 0,
        kill_consumer: 0,
        cut_consumer: 0,
        duplicate: 0,
        loss: 0,
        failure: 0,
        impatience: 0,
        unreachable: 0,
        zombie: 0,
        redrive: 0,
        skip: 0,
        replace: 0,
        restore: 0,
    };
}

/// Takes one from a budget.
pub(super) fn spend(budget: &mut u8) -> bool {
    let left = *budget > 0;
    *budget = budget.saturating_sub(1);
    left
}

/// Which commits of a cycle are durable before the cycle goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Always,
    /// Those that send anything.
    Sending,
    /// Those that move `sent_to`: what is sent again was durable once, or was it?
    SentToMoves,
    Never,
}

/// What a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stated {
    Settled,
    /// Dead letters, too.
    Dead,
    /// Everything up to the position.
    NoHoles,
    /// Nothing that was skipped.
    NoSkips,
}

/// The rules, numbered as in `docs/protocol.md`. All hold in [`Rules::ALL`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// 1: no place is given out twice.
    pub(super) autoincrement: bool,
    /// 1, 19: an acknowledgement is matched on place and id.
    pub(super) match_ids: bool,
    /// 2: the opening's commit is durable.
    pub(super) open_full: bool,
    /// 3: a hello of a lower epoch, or of a copy, is refused.
    pub(super) refuse_lower_hello: bool,
    /// 3: an answer to an earlier greeting of the same incarnation says nothing about this one.
    /// Here the model is ahead of `relay::served`, which takes it for an answer to this one.
    pub(super) tell_greetings_apart: bool,
    /// 4: `high` is compared with what was sent.
    pub(super) compare_high: bool,
    /// 4: another message at a known place is no duplicate.
    pub(super) notice_rewound: bool,
    /// 5: only the registered incarnation is listened to.
    pub(super) check_incarnation: bool,
    /// 6, 7: what is durable before anything is sent.
    pub(super) cycle: Full,
    /// 8: every cycle checks the epoch.
    pub(super) guard: bool,
    /// 9: an operator bumps the epoch.
    pub(super) bump: bool,
    /// 10-12: what a statement says.
    pub(super) stated: Stated,
    /// 13: statements are merged by union.
    pub(super) union: bool,
    /// 13: the ids of settled places are pruned.
    pub(super) prune_ids: bool,
    /// 14: what the consumer remembers survives epochs.
    pub(super) memory_survives: bool,
    /// 15, 17: `after` is looked at.
    pub(super) after: bool,
    /// 17: an earlier failure of the key in this request is looked at.
    pub(super) key_failed: bool,
    /// 18: an inbox opens with a durable write.
    pub(super) inbox_open_full: bool,
    /// 18: what became of each message is counted, so that a request of duplicates writes too.
    pub(super) count_all: bool,
    /// 18: answers come after the commit is durable.
    pub(super) answer_after_sync: bool,
    /// 20: a refusal speaks of its attempt.
    pub(super) fence_refusals: bool,
    /// 23: the row of an exception is kept.
    pub(super) keep_exceptions: bool,
}

impl Rules {
    /// All of them hold.
    pub(super) const ALL: Self = Self {
        autoincrement: true,
        match_ids: true,
        open_full: true,
        refuse_lower_hello: true,
        tell_greetings_apart: true,
        compare_high: true,
        notice_rewound: true,
        check_incarnation: true,
        cycle: Full::Always,
        guard: true,
        bump: true,
        stated: Stated::Settled,
        union: true,
        prune_ids: true,
        memory_survives: true,
        after: true,
        key_failed: true,
        inbox_open_full: true,
        count_all: true,
        answer_after_sync: true,
        fence_refusals: true,
        keep_exceptions: true,
    };
}

/// One world to explore.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) messages: u8,
    /// The key of each message, in the order of creation; 0 is none.
    pub(super) keys: [u8; MESSAGES as usize],
    /// Messages of a topic that is not subscribed to.
    pub(super) filtered: &'static [Number],
    /// Messages a request carries.
    pub(super) batch: usize,
    /// Messages a transaction of the inbox takes.
    pub(super) inbox_batch: usize,
    pub(super) max_failures: u32,
    pub(super) crash_limit: u32,
    /// Messages that may be under way or remembered.
    pub(super) window: usize,
    pub(super) max_exceptions: usize,
    /// How much time may pass before a cycle.
    pub(super) paces: &'static [Pace],
    /// A hello is answered at once: neither lost nor late.
    pub(super) hello_at_once: bool,
    pub(super) faults: Faults,
    pub(super) rules: Rules,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            messages: 2,
            keys: [1; MESSAGES as usize],
            filtered: &[],
            batch: 2,
            inbox_batch: 8,
            max_failures: 1,
            crash_limit: 5,
            window: 8,
            max_exceptions: 8,
            paces: &[Pace::Late],
            hello_at_once: true,
            faults: Faults::NONE,
            rules: Rules::ALL,
        }
    }
}

impl Scope {
    pub(super) fn key(&self, number: Number) -> Option<&'static str> {
        match self.keys[usize::from(number) - 1] {
            0 => None,
            1 => Some("a"),
            _ => Some("b"),
        }
    }

    pub(super) fn is_filtered(&self, number: Number) -> bool {
        self.filtered.contains(&number)
    }

    pub(super) fn settings(&self) -> Settings {
        let retry = RetryPolicy::default()
            .first_delay(Duration::from_secs(1))
            .longest_delay(Duration::from_secs(30))
            .max_failures(self.max_failures)
            .crash_limit(self.crash_limit);
        Settings {
            name: "model".into(),
            ack_timeout_ms: ACK_TIMEOUT_MS,
            retry,
            batch: self.batch,
            batch_bytes: 1024,
            window: self.window,
            window_bytes: 1024,
            capacity: usize::MAX,
            max_exceptions: self.max_exceptions,
            remembers: true,
        }
    }
}
