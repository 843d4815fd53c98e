//! Every statement is prepared, and its plan read: nothing scans a message table, nothing sorts.

use super::{Role, dead, delivery, idempotency, inbox, log, open, prune, row, stats, subscription};
use crate::database::Database;
use rusqlite::Connection;

const STATEMENTS: &[&str] = &[
    dead::LIST,
    dead::ONE,
    dead::REDRIVE,
    dead::SKIP,
    dead::FOLLOWERS,
    dead::BURY_FOLLOWERS,
    dead::NOTE_SKIP,
    dead::PASSED,
    dead::REVISION,
    dead::REPLACE,
    dead::FORGET_SKIPS,
    dead::FORGET_REPLACEMENTS,
    dead::SKIPS,
    dead::REPLACEMENTS,
    delivery::ALL,
    delivery::WAIT,
    delivery::PARK,
    delivery::BURY,
    delivery::SEND,
    delivery::RETURN_BYTES,
    delivery::SETTLE,
    delivery::DROP_SKIPPED,
    delivery::APPLIED,
    delivery::HISTORY,
    delivery::SKIPS,
    delivery::COUNT,
    delivery::CONFIRM_SKIP,
    delivery::SKIPPED_BUT_APPLIED,
    idempotency::OPENED,
    idempotency::STORE,
    idempotency::FIND,
    idempotency::REMEMBER,
    idempotency::FORGET,
    inbox::OPENED,
    inbox::FIND,
    inbox::CREATE,
    inbox::REGISTER,
    inbox::SETTLED,
    inbox::FORGET_RANGE,
    inbox::SET_RANGE,
    inbox::PRUNE,
    inbox::SEEN,
    inbox::REPLY,
    inbox::REMEMBER,
    inbox::COUNT,
    inbox::QUARANTINE,
    inbox::SENDER,
    inbox::NEW_SENDER,
    inbox::ADMITTED,
    inbox::ADMIT,
    inbox::COUNT_SENDER,
    inbox::SENDERS,
    inbox::COUNT_ADMITTED,
    inbox::FORGET_IDS,
    log::INSERT,
    log::INSERT_HERE,
    log::SCHEDULE,
    log::STORE,
    log::ADOPT,
    log::KEEP_ID,
    log::NEXT_DUE,
    log::DUE,
    log::APPEND_DUE,
    log::DELETE_DUE,
    log::IDEMPOTENT,
    log::REMEMBER_KEY,
    log::FORGET_KEYS,
    log::LAST_SEQ,
    prune::PRUNED_TO,
    prune::SET_PRUNED_TO,
    prune::PRUNE,
    prune::HELD,
    prune::PRUNE_ALL,
    prune::PRUNE_ONE,
    prune::YOUNGER,
    row::READ_AFTER,
    row::READ_AT,
    row::REPLACEMENT,
    row::REPLACED,
    stats::DATA_VERSION,
    stats::SUBSCRIPTIONS,
    stats::COUNT_STATE,
    stats::COUNT_SKIPS,
    stats::FIRST_AFTER,
    stats::OLDEST_EXCEPTION,
    stats::SOURCES,
    stats::COUNT_SEEN,
    stats::COUNT_RANGES,
    subscription::CREATE,
    subscription::READ,
    subscription::ALL,
    subscription::OPEN,
    subscription::GUARD,
    subscription::MOVE,
    subscription::CLOSE,
    subscription::BUMP,
    subscription::SET_STATE,
    subscription::SET_BOUND,
    subscription::SET_BOUNDED,
    subscription::ADD_BYTES,
    subscription::SET_BYTES,
    subscription::PAYLOADS,
    subscription::PASS_LOST,
    subscription::REWIND,
    subscription::SKIP_AGAIN,
    subscription::STATE_AGAIN,
    subscription::BEGIN_ANEW,
    subscription::HOLD,
    subscription::REMOVE[0],
    subscription::REMOVE[1],
    subscription::REMOVE[2],
    subscription::REMOVE[3],
];

/// Read whole on purpose: a row for each subscription, or each table of the host that counts.
const SMALL: &[&str] =
    &["SCAN outbox_subscription", "SCAN sqlite_sequence", "SCAN CONSTANT ROW", "SCAN (subquery"];

#[test]
fn no_statement_scans_a_message_table_or_sorts() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::new(directory.path().join("both.db"));
    let connection = open(&database, Role::Outbox).unwrap();
    open(&database, Role::Inbox { may_lose_effects: false }).unwrap();
    open(&database, Role::Idempotency).unwrap();
    for sql in STATEMENTS {
        for step in plan(&connection, sql) {
            let small = SMALL.iter().any(|small| step.starts_with(small));
            assert!(small || !step.contains("SCAN"), "{step} in {sql}");
            assert!(!step.contains("TEMP B-TREE"), "{step} in {sql}");
            // All that a source or subscription has is a walk too, but where it is counted or read
            // whole on purpose.
            let walk = step.ends_with("(source=?)") || step.ends_with("(subscription=?)");
            assert!(!walk || is_about_all(sql), "{step} in {sql}");
        }
    }
}

fn is_about_all(sql: &str) -> bool {
    let all = ["= ?1", "= ?1 ORDER BY seq", "= ?1 ORDER BY first"];
    // A handful of notes on what people skipped lately.
    sql.contains("FROM outbox_skip") || all.iter().any(|end| sql.ends_with(end))
}

/// A list that forgets a statement proves nothing about it.
#[test]
fn the_list_has_every_statement_of_the_store() {
    let sources = [
        include_str!("dead.rs"),
        include_str!("delivery.rs"),
        include_str!("idempotency.rs"),
        include_str!("inbox.rs"),
        include_str!("log.rs"),
        include_str!("prune.rs"),
        include_str!("row.rs"),
        include_str!("stats.rs"),
        include_str!("subscription.rs"),
    ];
    let one = |source: &str| source.matches("pub(super) const ").count();
    let removals = subscription::REMOVE.len() - 1;
    assert_eq!(sources.map(one).iter().sum::<usize>() + removals, STATEMENTS.len());
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>("detail").unwrap().replace("main.", ""));
    }
    steps
}
