//! Opening a subscription: a new epoch, and what memory begins with.

use super::super::halt::{log_ends, removed};
use super::super::lane::{Lane, Moment};
use super::super::subscription::Start;
use super::{Phase, RESTING_MS, Served};
use crate::database::Database;
use crate::error::Result;
use crate::handoff::Hello;
use crate::id::{StoreId, SubscriptionId};
use crate::store::subscription::{Doubt, SubscriptionRow, SubscriptionState};
use crate::store::{self, delivery, log, prune, subscription};
use rusqlite::Connection;

impl Served {
    /// Opens with one durable commit, and only then reads what is trusted (rule 2).
    pub(super) fn open(
        &mut self,
        connection: &mut Connection,
        database: &Database,
        store: StoreId,
        now: Moment,
    ) -> Result<Phase> {
        let name = self.subscription.name.clone();
        // Looking whether it is still paused must not cost a commit.
        if let Some(row) = subscription::find(connection, &name)? {
            self.seen = true;
            if row.state != SubscriptionState::Active {
                return Ok(Phase::Resting { again: now.tick + RESTING_MS });
            }
        }
        let nonce = i64::from_le_bytes(database.random());
        let new_id = SubscriptionId::from_bytes(database.random());
        mistake!(OpeningNotDurable: store::mistakes::be_careless(connection)?);
        mistake!(RelayNormal: store::mistakes::be_careful(connection)?);
        let opened = store::write(connection, "open a subscription", |transaction| {
            if subscription::find(transaction, &name)?.is_none() {
                if self.seen {
                    return Ok(None);
                }
                let from = self.first_place(transaction)?;
                let topics = self.topics.stored();
                subscription::create(transaction, &name, new_id, &topics, from)?;
            }
            let row = subscription::get(transaction, &name)?;
            subscription::open(transaction, &row, nonce, &self.topics.stored())?;
            Ok(Some(row.closed_cleanly))
        })?;
        mistake!(OpeningNotDurable: store::mistakes::be_careful(connection)?);
        mistake!(RelayNormal: store::mistakes::be_careless(connection)?);
        let row = subscription::find(connection, &name)?;
        let Some((was_clean, row)) = opened.zip(row) else {
            return Ok(Phase::Halted(removed(&name)));
        };
        self.seen = true;
        if row.state != SubscriptionState::Active {
            return Ok(Phase::Resting { again: now.tick + RESTING_MS });
        }
        if row.incarnation.nonce != nonce {
            return Ok(Phase::Closed);
        }
        if log::last_seq(connection)? < row.sent_to && !mistake!(ProducerRestoreUnnoticed) {
            return Ok(Phase::Halted(log_ends(&name)));
        }
        // What is in doubt by the row stays so until a commit says what became of it: one that
        // failed leaves no trace but in memory, which is gone.
        let after_crash = !was_clean && (!self.opened_before || row.doubt != Doubt::default());
        self.opened_before = true;
        self.greet(connection, store, &row, after_crash, now)
    }

    fn greet(
        &mut self,
        connection: &Connection,
        store: StoreId,
        row: &SubscriptionRow,
        after_crash: bool,
        now: Moment,
    ) -> Result<Phase> {
        let settings = self.subscription.settings(&*self.transport);
        let exceptions = delivery::all(connection, row.number)?;
        let skips = delivery::unconfirmed_skips(connection, row.number)?;
        let lane = Box::new(Lane::open(settings, row, exceptions, skips, after_crash, now));
        let hello = Hello { store, subscription: row.id, incarnation: row.incarnation };
        self.greeting += 1;
        Ok(Phase::Greeting { lane, number: row.number, hello, again: now.tick })
    }

    fn first_place(&self, connection: &Connection) -> Result<i64> {
        match self.subscription.start {
            Start::Beginning => prune::pruned_to(connection),
            Start::Now => log::last_seq(connection),
        }
    }
}
