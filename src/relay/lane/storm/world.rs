//! What is around the lane: a store, a network, a consumer, and a person.

mod far;

use crate::handoff::{Outcome, Ticket};
use crate::id::{Fingerprint, Incarnation, KeyHash, MessageId, Seq, SubscriptionId};
use crate::message::{Envelope, Parts};
use crate::relay::lane::{Batch, Lane, Moment, Sending, Trouble, Wants};
use crate::relay::settings::Settings;
use crate::retry::RetryPolicy;
use crate::store::delivery::{Change, Counts, ExceptionRow, Standing};
use crate::store::log::{Content, LogRow};
use crate::store::subscription::{Bound, Outage, SubscriptionRow, SubscriptionState};
use crate::store::subscription::{Doubt, Position};
use crate::watermark::Ranges;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The same in every run of a seed.
struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed) % end
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A request under way.
struct Letter {
    epoch: i64,
    request: u64,
    statement: Ranges,
    envelopes: Vec<Envelope>,
}

enum Word {
    Answer(i64, Ticket, Outcome),
    Confirmed(i64, u64),
    Closed(i64, u64, Option<Trouble>),
    Fenced(i64),
}

pub(super) struct World {
    pub(super) lane: Lane,
    chance: Chance,
    now: Moment,
    settings: Settings,
    keys: u64,
    keyless: bool,
    /// The store.
    last: Seq,
    deleted: BTreeSet<Seq>,
    position: Position,
    epoch: i64,
    rows: BTreeMap<Seq, ExceptionRow>,
    skips: BTreeSet<Seq>,
    ever_skipped: BTreeSet<Seq>,
    /// The network.
    letters: Vec<Letter>,
    words: Vec<Word>,
    /// The consumer.
    registered: i64,
    settled: Ranges,
    remembered: BTreeSet<Seq>,
    high: Seq,
    effects: BTreeSet<Seq>,
    last_of_key: BTreeMap<String, Seq>,
    healed: bool,
    /// Cycles since time or anybody moved.
    cycles: usize,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance { seed, drawn: 0 };
        let mut pick = |of: &[usize]| of[chance.below(of.len() as u64) as usize];
        let first = Duration::from_millis(pick(&[0, 1, 100]) as u64);
        let settings = Settings {
            name: "storm".into(),
            ack_timeout_ms: pick(&[1, 50, 1_000]) as i64,
            retry: RetryPolicy::default()
                .first_delay(first)
                .max_failures(pick(&[1, 3, 10]) as u32)
                .crash_limit(pick(&[1, 2, 5]) as u32),
            batch: pick(&[1, 2, 5, 20]),
            batch_bytes: pick(&[1, 30, 1_000]),
            window: pick(&[1, 2, 4, 16]),
            window_bytes: pick(&[1, 30, 100, 10_000]),
            capacity: pick(&[1, 3, usize::MAX]),
            max_exceptions: pick(&[1, 2, 5, 100]),
            remembers: pick(&[0, 1]) == 1,
        };
        let now = Moment { tick: 1_000_000, wall_ms: 1_000_000 };
        let last = pick(&[0, 5, 20, 40]) as Seq;
        let keys = pick(&[1, 2, 5]) as u64;
        let keyless = pick(&[0, 1]) == 1;
        let position = Position {
            settled_to: 0,
            sent_to: 0,
            acked_to: 0,
            doubt: Doubt::default(),
            outage: Outage::default(),
        };
        let row = subscription(1, position);
        let lane = Lane::open(settings.clone(), &row, Vec::new(), Vec::new(), false, now);
        Self {
            lane,
            chance,
            now,
            settings,
            keys,
            keyless,
            last,
            deleted: BTreeSet::new(),
            position,
            epoch: 1,
            rows: BTreeMap::new(),
            skips: BTreeSet::new(),
            ever_skipped: BTreeSet::new(),
            letters: Vec::new(),
            words: Vec::new(),
            registered: 1,
            settled: Ranges::new(),
            remembered: BTreeSet::new(),
            high: 0,
            effects: BTreeSet::new(),
            last_of_key: BTreeMap::new(),
            healed: false,
            cycles: 0,
        }
    }

    pub(super) fn something_happens(&mut self) {
        match self.chance.below(40) {
            0..=14 => {
                let rests = !self.step();
                let at = self.lane.wakes_at(self.now).filter(|_| rests);
                assert!(at.is_none_or(|at| at > self.now.tick), "awake: {:#?}", self.lane);
            }
            15..=22 => self.a_letter_arrives(),
            23..=29 => self.a_word_arrives(),
            30..=33 => self.time_passes(),
            34 => self.a_letter_is_lost(),
            35 => {
                self.last += self.chance.below(4) as Seq;
                self.lane.look_again();
            }
            36 if self.last > 0 && self.chance.one_in(3) => {
                let seq = 1 + self.chance.below(self.last as u64) as Seq;
                self.deleted.insert(seq);
            }
            37 if self.chance.one_in(2) => self.reopen(true),
            38 => self.a_person_comes(),
            39 => self.lane.hurry(self.now),
            _ => {}
        }
    }

    fn time_passes(&mut self) {
        let longest = [1, 20, self.settings.ack_timeout_ms as u64 + 1, 5_000, 60_000];
        let longest = longest[self.chance.below(5) as usize];
        let by = 1 + self.chance.below(longest) as i64;
        self.advance(by);
    }

    fn advance(&mut self, by: i64) {
        self.cycles = 0;
        self.now = Moment { tick: self.now.tick + by, wall_ms: self.now.wall_ms + by };
    }

    /// As the engine steps; says whether there was something to do.
    fn step(&mut self) -> bool {
        let now = self.now;
        self.lane.tick(now);
        // The engine asks whether there is work, and then what it is.
        if !self.lane.must_settle(now) && self.lane.wants(now).is_none() {
            return false;
        }
        self.cycles += 1;
        let bound = 100 + 20 * self.last as usize;
        let wants = self.lane.wants(now);
        assert!(self.cycles < bound, "cycle after cycle for {wants:?}: {:#?}", self.lane);
        let (batch, before) = (self.read(wants), self.lane.written());
        let plan = self.lane.plan(batch, now);
        assert_eq!(before, self.position);
        assert!(plan.position.settled_to >= before.settled_to, "the position went back");
        self.position = plan.position;
        for change in plan.changes {
            self.write(&change);
        }
        for sending in plan.send {
            self.post(sending);
        }
        true
    }

    fn post(&mut self, sending: Sending) {
        let mut places = sending.envelopes.iter().map(|one| one.seq);
        assert!(places.clone().is_sorted(), "in order of places");
        assert!(places.all(|seq| seq <= self.position.sent_to), "recorded as sent");
        assert!(sending.statement.last() <= self.position.sent_to, "stated and not sent");
        self.letters.push(Letter {
            epoch: self.epoch,
            request: sending.request,
            statement: sending.statement,
            envelopes: sending.envelopes,
        });
    }

    fn read(&mut self, wants: Option<Wants>) -> Batch {
        let Some(Wants { mut at, fresh }) = wants else { return Batch::default() };
        // The share of the lock, and the bytes of a request.
        let most = if self.chance.one_in(3) { 1 + self.chance.below(4) as usize } else { 1_000 };
        at.truncate(most);
        let left = most - at.len();
        let mut batch = Batch::default();
        if let Some((after, (rows, bytes))) = fresh.filter(|_| left > 0) {
            let (limit, mut size) = (rows.min(left), 0);
            batch.more = Some(false);
            for seq in after + 1..=self.last {
                if self.deleted.contains(&seq) {
                    continue;
                }
                let row = self.row(seq);
                size += row.bytes() as usize;
                batch.fresh.push(row);
                if size >= bytes || batch.fresh.len() == limit {
                    batch.more = Some(true);
                    break;
                }
            }
        }
        let mut size = 0;
        for seq in at {
            let row = (!self.deleted.contains(&seq)).then(|| self.row(seq));
            size += row.as_ref().map_or(0, LogRow::bytes) as usize;
            batch.at.push((seq, row));
            if size >= self.settings.batch_bytes {
                break;
            }
        }
        batch
    }

    fn is_filtered(&self, seq: Seq) -> bool {
        seq % 11 == 7
    }

    fn key(&self, seq: Seq) -> Option<String> {
        let number = seq as u64 * 7 / 3 % (self.keys + u64::from(self.keyless));
        (number < self.keys).then(|| format!("k{number}"))
    }

    fn row(&self, seq: Seq) -> LogRow {
        let payload = vec![0; (seq as usize * 13) % 20];
        let (key, headers, content_type) = (self.key(seq), None, None);
        let parts = Parts { topic: "t".into(), key, headers, content_type, payload };
        let content = Content::Whole(Fingerprint(seq), parts);
        let content = if self.is_filtered(seq) { Content::Filtered } else { content };
        let (id, expires_at_ms) = (id(seq), None);
        LogRow { seq, id, created_at_ms: 0, expires_at_ms, revision: 0, content }
    }

    fn write(&mut self, change: &Change) {
        let now_ms = self.now.wall_ms;
        let known = |rows: &BTreeMap<Seq, ExceptionRow>, seq: &Seq| rows.get(seq).cloned();
        match change {
            Change::Wait { seq, id, key, counts, at_ms, .. } => {
                self.check_no_skip(*seq);
                let row = exception(*seq, *id, *key, Standing::Waiting, *counts);
                let wait = (at_ms - now_ms).max(0);
                let row = ExceptionRow { available_at_ms: *at_ms, longest_wait_ms: wait, ..row };
                self.rows.insert(*seq, row);
            }
            Change::Park { seq, id, key } => {
                self.check_no_skip(*seq);
                let old = known(&self.rows, seq);
                let row =
                    old.unwrap_or(exception(*seq, *id, *key, Standing::Parked, Counts::default()));
                self.rows
                    .insert(*seq, ExceptionRow { standing: Standing::Parked, sent: false, ..row });
            }
            Change::Bury { seq, id, key, counts, .. } => {
                self.check_no_skip(*seq);
                self.rows.insert(*seq, exception(*seq, *id, *key, Standing::Dead, *counts));
            }
            Change::Send { seq, counts } => {
                let row = self.rows.get_mut(seq).expect("the exception has a row");
                assert!(matches!(row.standing, Standing::Waiting | Standing::Parked));
                (row.standing, row.sent, row.longest_wait_ms) = (Standing::Waiting, true, 0);
                row.counts = Counts { lost: counts.lost, attempts: counts.attempts, ..row.counts };
            }
            Change::Settle { seq, .. } => drop(self.rows.remove(seq).expect("it had a row")),
            Change::DropSkipped { through } => {
                self.rows.retain(|seq, row| row.standing != Standing::Skipped || seq > through);
            }
            Change::ConfirmSkip { seq } => assert!(self.skips.remove(seq)),
            Change::LateAck { .. } => {}
        }
    }

    fn check_no_skip(&self, seq: Seq) {
        let standing = self.rows.get(&seq).map(|row| row.standing);
        assert_ne!(standing, Some(Standing::Skipped), "{seq} was skipped");
    }

    /// A new incarnation, after a crash or because of a person.
    fn reopen(&mut self, crashed: bool) {
        self.epoch += 1;
        self.cycles = 0;
        let row = subscription(self.epoch, self.position);
        let rows = self.rows.values().cloned().collect();
        let skips = self.skips.iter().copied().collect();
        self.lane = Lane::open(self.settings.clone(), &row, rows, skips, crashed, self.now);
        self.position = self.lane.written();
        self.registered = self.epoch;
        if self.settings.remembers {
            assert!(self.high <= self.lane.sent_to(), "taken for a rewound store");
            assert!(self.high >= self.lane.acked_to(), "taken for a rewound consumer");
        }
    }

    fn a_person_comes(&mut self) {
        let dead: Vec<Seq> = self.dead().collect();
        if dead.is_empty() {
            return;
        }
        let seq = dead[self.chance.below(dead.len() as u64) as usize];
        if self.chance.one_in(2) {
            self.redrive(seq);
        } else if let Some(row) = self.rows.get_mut(&seq) {
            row.standing = Standing::Skipped;
            self.ever_skipped.insert(seq);
            if self.settings.remembers {
                self.skips.insert(seq);
            }
            if seq <= self.position.settled_to {
                self.rows.remove(&seq);
            }
        }
        self.reopen(false);
    }

    fn dead(&self) -> impl Iterator<Item = Seq> {
        let dead = self.rows.values().filter(|row| row.standing == Standing::Dead);
        dead.map(|row| row.seq)
    }

    fn redrive(&mut self, seq: Seq) {
        if let Some(row) = self.rows.get_mut(&seq) {
            row.standing = Standing::Waiting;
            row.counts = Counts { attempts: row.counts.attempts, ..Counts::default() };
            (row.available_at_ms, row.longest_wait_ms) = (0, 0);
        }
    }

    pub(super) fn redrive_everything(&mut self) {
        let dead: Vec<Seq> = self.dead().collect();
        dead.into_iter().for_each(|seq| self.redrive(seq));
        self.reopen(false);
    }

    /// From now on everything is answered, and every answer arrives.
    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.lane.look_again();
        let mut waits = 0;
        loop {
            while self.step() {}
            if !self.letters.is_empty() || !self.words.is_empty() {
                while !self.letters.is_empty() {
                    self.a_letter_arrives();
                }
                while !self.words.is_empty() {
                    self.a_word_arrives();
                }
                continue;
            }
            if self.lane.is_idle() && self.lane.wakes_at(self.now).is_none() {
                return;
            }
            waits += 1;
            assert!(waits < 2_000, "it does not end: {:#?}", self.lane);
            let Some(at) = self.lane.wakes_at(self.now) else {
                panic!("it waits for nothing: {:#?}", self.lane);
            };
            assert!(at > self.now.tick, "awake for nothing until {at}: {:#?}", self.lane);
            self.advance(at - self.now.tick);
        }
    }

    /// What may be missing while there are dead letters.
    pub(super) fn check_what_is_missing(&self) {
        let dead: Vec<Seq> = self.dead().collect();
        let at_the_bound = self.lane.exceptions.len() >= self.settings.max_exceptions;
        for seq in self.missing() {
            let behind = dead.iter().any(|one| {
                *one == seq
                    || *one < seq && self.key(seq).is_some() && self.key(*one) == self.key(seq)
            });
            assert!(
                behind || at_the_bound && !dead.is_empty(),
                "{seq} is missing: {:#?}",
                self.lane
            );
        }
    }

    pub(super) fn check_that_nothing_is_missing(&self) {
        let missing: Vec<Seq> = self.missing().collect();
        assert!(missing.is_empty(), "{missing:?} {:#?}", self.lane);
        assert_eq!(self.rows.len(), 0);
        assert_eq!(self.position.settled_to, self.lane.cursor);
        if self.settings.remembers {
            // Of a deleted exception the consumer hears when the next incarnation opens.
            let mut passed = 1..=self.position.settled_to;
            let known = |seq: Seq| self.settled.contains(seq) || self.deleted.contains(&seq);
            assert!(passed.all(known), "{:?}", self.settled);
            // What was deleted at the end of the log is passed with the next message.
            let mut remembered = self.remembered.iter();
            assert!(remembered.all(|seq| self.deleted.contains(seq)));
        }
    }

    fn missing(&self) -> impl Iterator<Item = Seq> {
        (1..=self.last).filter(|seq| {
            let settled = self.ever_skipped.contains(seq) || self.deleted.contains(seq);
            !settled && !self.is_filtered(*seq) && !self.effects.contains(seq)
        })
    }
}

fn id(seq: Seq) -> MessageId {
    MessageId::at(seq, [0; 10])
}

fn exception(
    seq: Seq,
    id: MessageId,
    key: Option<KeyHash>,
    standing: Standing,
    counts: Counts,
) -> ExceptionRow {
    let (sent, available_at_ms, longest_wait_ms) = (false, 0, 0);
    ExceptionRow { seq, id, key, standing, counts, sent, available_at_ms, longest_wait_ms }
}

fn subscription(epoch: i64, position: Position) -> SubscriptionRow {
    let Position { settled_to, sent_to, acked_to, doubt, outage } = position;
    SubscriptionRow {
        number: 1,
        name: "storm".into(),
        id: SubscriptionId::from_bytes([1; 16]),
        topics: ">".into(),
        state: SubscriptionState::Active,
        settled_to,
        sent_to,
        acked_to,
        incarnation: Incarnation { epoch, nonce: 1 },
        closed_cleanly: false,
        doubt,
        outage,
        bound: Bound::default(),
        pending_bytes: 0,
    }
}
