//! What goes wrong on SQLite without anybody being told, and what this library does about it. Each
//! hazard is shown to be real first: a test that cannot lose proves nothing when it survives.
//!
//! - F1 `returned_row`: a row came back from a statement whose commit failed.
//! - F2 `journal_mode`: a switch to WAL that failed says that it was made.
//! - F3 `seen_then_lost`: what a program sees after a kill, a power cut still undoes.
//! - F4 `failed_sync`: the same after a sync that failed, and every later sync says yes.
//! - F5 `reused_place`: the number of a lost row is given to another one.
//! - F6 `flipped_bit`: a bit that flipped on the disk is read as data.

mod failed_sync;
mod flipped_bit;
mod journal_mode;
mod returned_row;
mod reused_place;
mod seen_then_lost;

use crate::support::column;
use surehand::rusqlite::{self, Connection};
use surehand::testing::{Failed, Fault, Verdict, World};
use surehand::transport::{Outcome, Request, Settler};
use surehand::{Message, Outbox, Relay, Transport};

const SHOP: &str = "shop/shop.db";
const TOLD: &str = "told";

/// All that makes a write fail.
const WRITES_FAIL: [Fault; 5] =
    [Fault::Write, Fault::Full, Fault::Sync, Fault::SyncKeepsCache, Fault::SyncRevertsCache];

/// Somebody outside who is told of messages, and cannot be told that they were nothing.
struct Told(World);

impl Transport for Told {
    fn deliver(&self, request: Request, settler: Settler) {
        for envelope in &request.envelopes {
            self.0.promised(TOLD, String::from_utf8_lossy(envelope.payload()));
            settler.settle(envelope.ticket(), Outcome::delivered());
        }
    }
}

/// Tells somebody outside of every message, as a program does that starts.
fn tell(w: &World) -> Result<(), Failed> {
    Ok(w.run(Relay::open(w.database(SHOP))?.deliver_to(Told(w.clone())))?)
}

/// Tells somebody outside of everything in this column.
fn tell_all(w: &World, db: &Connection, sql: &str) -> Result<(), Failed> {
    texts(db, sql)?.into_iter().for_each(|text| w.promised(TOLD, text));
    Ok(())
}

/// Enqueues one message in a transaction of its own.
fn enqueue(db: &mut Connection, outbox: &Outbox, text: &str) -> Result<(), Failed> {
    let tx = db.transaction()?;
    outbox.enqueue(&tx, Message::new("sold").payload(text))?;
    Ok(outbox.commit(tx)?)
}

/// Whether the one message that there was is in the log, or was settled and deleted.
fn is_sold(db: &Connection) -> Result<bool, Failed> {
    let sql = "SELECT name FROM sqlite_sequence WHERE name = 'outbox_message' AND seq > 0";
    Ok(!texts(db, sql)?.is_empty())
}

/// All texts of one column.
fn texts(db: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    column(db, sql)
}

/// Every fault was tried, and some runs failed of them: a test that fails nothing shows nothing.
#[track_caller]
fn survives_failing(verdict: Verdict) {
    let counts = verdict.assert_survived();
    assert!(counts.fault_kinds > 0 && counts.failed_runs > 0, "{counts}");
}

/// Lost, of this and nothing else.
#[track_caller]
fn loses(verdict: Verdict, what: &str) {
    let story = verdict.to_string();
    let _ = verdict.assert_lost();
    assert!(story.contains(what), "{story}");
}
