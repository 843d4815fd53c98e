//! The shell of `relay::{engine, served}` around the real `Lane`.

use super::explore::Steps;
use super::network::{Packet, Sent, Verdict};
use super::producer::Producer;
use super::scope::{Full, Number, Rules, Scope, Stated, id_of, spend};
use super::state::{Shared, State};
use crate::failure::Failure;
use crate::handoff::{Applied, Outcome, Ticket};
use crate::id::{Incarnation, Seq};
use crate::relay::lane::{Lane, Moment, Pace, Plan, Sending};
use crate::store::delivery::Standing;
use crate::transport::Answer;
use crate::watermark::Ranges;

/// A process that serves the subscription.
#[derive(Clone, Debug, Hash)]
pub(super) struct Relay {
    opened_before: bool,
    /// Which greeting of its incarnation this is, or was.
    pub(super) greeting: u8,
    pub(super) phase: Phase,
}

/// `served::Phase`, without those that only wait for a person or a lock.
#[derive(Clone, Debug, Hash)]
pub(super) enum Phase {
    Closed,
    Greeting(Shared<Lane>),
    Running(Shared<Lane>),
}

impl Relay {
    pub(super) fn lane(&self) -> Option<&Lane> {
        match &self.phase {
            Phase::Greeting(lane) | Phase::Running(lane) => Some(lane),
            Phase::Closed => None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    pub(super) fn change_lane(&mut self, change: impl FnOnce(&mut Lane)) {
        if let Phase::Greeting(lane) | Phase::Running(lane) = &mut self.phase {
            let mut changed = Lane::clone(lane);
            change(&mut changed);
            *lane = Shared::new(changed);
        }
    }
}

impl State {
    pub(super) fn lane(&self, relay: usize) -> Option<&Lane> {
        self.relays[relay].as_ref().and_then(Relay::lane)
    }

    /// `Served::open`: one commit, and only then what is trusted is read (rule 2).
    pub(super) fn open(&self, scope: &Scope, relay: usize, steps: &mut Steps) {
        let mut state = self.clone();
        let mut producer = self.producer.visible().clone();
        let was_clean = producer.closed_cleanly;
        producer.open(self.fresh_nonce(producer.incarnation.epoch + 1));
        let incarnation = producer.incarnation;
        let epoch = incarnation.epoch;
        let mut killed = self.clone();
        if spend(&mut killed.faults.kill_relay) {
            killed.producer.commit(producer.clone(), false);
            killed.relays[relay] = None;
            steps.fault(|| format!("relay {relay} is killed while it opens epoch {epoch}"), killed);
        }
        let position = producer.position;
        let opened_before = self.relays[relay].as_ref().is_some_and(|relay| relay.opened_before);
        let now = Pace::At.moment();
        let mut lane = Lane::open(
            scope.settings(),
            &producer.row(),
            producer.exception_rows(),
            producer.unconfirmed_skips(),
            !was_clean && !opened_before,
            now,
        );
        lane.freeze(now);
        let log_ends = producer.last_seq();
        state.producer.commit(producer, scope.rules.open_full);
        state.notice();
        state.relays[relay] = Some(Relay {
            opened_before: true,
            greeting: 1,
            phase: Phase::Greeting(Shared::new(lane)),
        });
        if scope.rules.compare_high && log_ends < position.sent_to {
            state.halt(relay, "HALT: the log ends before what was sent");
        } else {
            state.greet(scope, relay);
        }
        steps.progress(|| format!("relay {relay} opens epoch {epoch}"), state);
    }

    /// Random, that is, none that anybody remembers with this epoch.
    pub(super) fn fresh_nonce(&self, epoch: i64) -> i64 {
        let packets = self.network.iter().map(|packet| packet.incarnation());
        let lanes = (0..2).filter_map(|relay| self.lane(relay).map(Lane::incarnation));
        let durable = self.producer.durable().incarnation;
        let visible = self.producer.visible().incarnation;
        let consumers = [self.consumer.durable(), self.consumer.visible()];
        let registered = consumers.into_iter().filter_map(|one| one.registered);
        let backup = self.backup.iter().map(|backup| backup.incarnation);
        let known = packets.chain(lanes).chain([durable, visible]);
        let known = known.chain(registered).chain(backup);
        let same = known.filter(|one: &Incarnation| one.epoch == epoch);
        same.map(|one| one.nonce).max().unwrap_or(0) + 1
    }

    /// `Engine::cycle`, when there is anything to do after so much time.
    pub(super) fn cycle(&self, scope: &Scope, relay: usize, pace: Pace, steps: &mut Steps) {
        let Some(before) = self.lane(relay) else {
            return;
        };
        let incarnation = before.incarnation();
        let epoch = incarnation.epoch;
        let now = pace.moment();
        let mut lane = before.clone();
        lane.number_requests_from(self.next_request(before));
        let wants = lane.wants(now);
        if wants.is_none() && !lane.must_settle(now) {
            return self.looked(relay, lane, steps);
        }
        let stored = self.producer.visible();
        if scope.rules.guard && stored.incarnation != incarnation {
            let mut state = self.clone();
            state.reopen(relay);
            return steps.progress(|| format!("relay {relay} is fenced in epoch {epoch}"), state);
        }
        let position = lane.position();
        let plan = lane.plan(stored.read(scope, wants.unwrap_or_default()), now);
        let idle = plan.changes.is_empty() && plan.position == position && plan.send.is_empty();
        if idle {
            return self.looked(relay, lane, steps);
        }
        lane.freeze(now);
        self.commit_cycle(scope, (relay, lane, now), plan, steps);
    }

    /// Nothing was written, but the lane may know more than before.
    fn looked(&self, relay: usize, mut lane: Lane, steps: &mut Steps) {
        lane.freeze(Pace::At.moment());
        let mut state = self.clone();
        let looked = Shared::new(lane);
        if let Some(Phase::Running(lane)) = state.relays[relay].as_mut().map(|one| &mut one.phase)
            && *lane != looked
        {
            *lane = looked;
            steps.progress(|| format!("relay {relay} looks and finds nothing"), state);
        }
    }

    fn commit_cycle(
        &self,
        scope: &Scope,
        (relay, lane, now): (usize, Lane, Moment),
        plan: Plan,
        steps: &mut Steps,
    ) {
        let stored = self.producer.visible();
        let mut producer = stored.clone();
        producer.write(&plan.position, &plan.changes, now);
        producer.prune(&scope.rules);
        let full = match scope.rules.cycle {
            Full::Always => true,
            Full::Sending => !plan.send.is_empty(),
            Full::SentToMoves => plan.position.sent_to > stored.position.sent_to,
            Full::Never => false,
        };
        let incarnation = lane.incarnation();
        let epoch = incarnation.epoch;
        let request = |sending: Sending| Packet::Request {
            incarnation,
            request: sending.request,
            statement: stated(scope.rules.stated, &producer, sending.statement),
            sent: sending.envelopes.iter().map(Sent::of).collect(),
        };
        let packets: Vec<_> = plan.send.into_iter().map(request).collect();
        let told = |what: &str| {
            let settled_to = plan.position.settled_to;
            let mut text = format!("relay {relay} {what} a cycle in epoch {epoch}");
            text += &format!(", settled to {settled_to}");
            packets.iter().fold(text, |text, one| format!("{text}; {one:?}"))
        };
        let mut killed = self.clone();
        if spend(&mut killed.faults.kill_relay) {
            killed.producer.commit(producer.clone(), false);
            killed.relays[relay] = None;
            killed.notice();
            steps.fault(|| told("is killed before the sync of"), killed);
        }
        let mut state = self.clone();
        let mut sent = packets.iter().flat_map(|packet| match packet {
            Packet::Request { sent, .. } => sent.as_slice(),
            _ => &[],
        });
        state.wrong = sent.find_map(|one| wrongly_sent(&producer, one));
        state.producer.commit(producer, full);
        if let Some(other) = &mut state.relays[1 - relay] {
            other.change_lane(|lane| lane.look_again());
        }
        if let Some(relay) = &mut state.relays[relay] {
            relay.phase = Phase::Running(Shared::new(lane));
        }
        state.network.extend(packets.iter().cloned().map(Shared::new));
        steps.progress(|| told("commits"), state);
    }

    /// The smallest number that nobody can mistake for another.
    fn next_request(&self, lane: &Lane) -> u64 {
        let packets = self.network.iter().filter_map(|packet| packet.request());
        let own = packets.filter(|(incarnation, _)| *incarnation == lane.incarnation());
        let own = own.map(|(_, request)| request);
        own.chain(lane.open_requests()).max().unwrap_or(0) + 1
    }

    /// `Served::heard`, of answers. What an earlier incarnation's transport says about messages
    /// counts; what it says about its requests does not.
    pub(super) fn heard(
        &mut self,
        rules: &Rules,
        relay: usize,
        (incarnation, request): (Incarnation, u64),
        verdicts: &[(Sent, Verdict)],
        confirmed: bool,
    ) {
        let now = Pace::At.moment();
        let Some(relay) = &mut self.relays[relay] else {
            return;
        };
        relay.change_lane(|lane| {
            for (sent, verdict) in verdicts {
                lane.answered(answer(rules, lane, incarnation, sent, *verdict), now);
            }
            if confirmed && lane.incarnation() == incarnation {
                lane.confirmed(request, now);
            }
            lane.freeze(now);
        });
    }
}

/// The answer as the lane gets it. Where a rule of the lane is broken, what the rule would tell
/// apart looks the same.
fn answer(
    rules: &Rules,
    lane: &Lane,
    incarnation: Incarnation,
    sent: &Sent,
    verdict: Verdict,
) -> Answer {
    let mut answer = Answer {
        incarnation,
        ticket: Ticket { seq: sent.seq, id: id_of(sent.number), attempt: sent.attempt },
        outcome: match verdict {
            Verdict::Applied(revision) => {
                Outcome::Applied(Applied { revision, ..Applied::default() })
            }
            Verdict::Failed => Outcome::Failed(Failure::retry("the handler failed")),
            Verdict::Refused => Outcome::Refused { reason: "conflict", detail: String::new() },
            Verdict::Blocked => Outcome::Blocked,
        },
    };
    let Some((id, attempt)) = lane.known_at(sent.seq) else {
        return answer;
    };
    if !rules.match_ids {
        answer.ticket.id = id;
    }
    if let (false, Some(attempt)) = (rules.fence_refusals, attempt) {
        answer.incarnation = lane.incarnation();
        answer.ticket.attempt = attempt;
    }
    answer
}

/// The statement, made wrong as the rules say.
fn stated(rule: Stated, producer: &Producer, mut statement: Ranges) -> Ranges {
    let settled_to = producer.position.settled_to;
    match rule {
        Stated::Settled => {}
        Stated::NoHoles => statement.insert(1, settled_to),
        Stated::Dead => {
            for (seq, _) in producer.dead() {
                statement.insert(seq, seq);
            }
        }
        Stated::NoSkips => {
            let skipped = |number: &Number| producer.created.get(number).copied();
            for seq in producer.skipped.iter().filter_map(skipped) {
                statement.remove(seq);
            }
        }
    }
    statement
}

/// What is sent is alive, and the content is the latest.
fn wrongly_sent(producer: &Producer, sent: &Sent) -> Option<&'static str> {
    let seq: Seq = sent.seq;
    let standing = producer.exceptions.get(&seq).map(|one| one.standing);
    let revision = producer.replaced.get(&seq).map_or(0, |(revision, _)| *revision);
    match standing {
        Some(Standing::Dead) => Some("SENT a dead message"),
        Some(Standing::Skipped) => Some("SENT a skipped message"),
        _ if sent.revision != revision => Some("SENT a revision that was replaced"),
        _ => None,
    }
}
