//! Whether a store is whole: what must hold in it at any time, whatever happened. For tests.

use rusqlite::{Connection, OptionalExtension, Row};

/// What SQLite itself checks, and sentences that answer with a row for each thing that is wrong.
const RULES: [(&str, &str, &str); 9] = [
    (
        "outbox_message",
        "an exception has lost its message",
        "SELECT subscription, seq FROM outbox_delivery d
         WHERE NOT EXISTS (SELECT 1 FROM outbox_message m WHERE m.seq = d.seq AND
             (m.id IS NULL OR m.id = d.id))",
    ),
    (
        "outbox_message",
        "the log was emptied beyond what is settled",
        "SELECT subscription, settled_to FROM outbox_subscription, outbox_store
         WHERE state <> 'detached' AND pruned_to > settled_to",
    ),
    (
        "outbox_message",
        "more was sent than was ever written",
        "SELECT subscription, sent_to FROM outbox_subscription
         WHERE sent_to > (SELECT coalesce(max(seq), 0) FROM sqlite_sequence
             WHERE name = 'outbox_message')",
    ),
    (
        "outbox_message",
        "more was acknowledged than was sent",
        "SELECT subscription, acked_to FROM outbox_subscription WHERE acked_to > sent_to",
    ),
    (
        "inbox_seen",
        "what is settled is still remembered",
        "SELECT source, seq FROM inbox_seen s JOIN inbox_settled t USING (source)
         WHERE s.seq BETWEEN t.first AND t.last",
    ),
    (
        "inbox_seen",
        "two ranges of what is settled overlap",
        "SELECT a.source, a.first FROM inbox_settled a JOIN inbox_settled b
         ON a.source = b.source AND a.first < b.first AND a.last >= b.first",
    ),
    (
        "inbox_seen",
        "one id was applied at two places",
        "SELECT source, min(seq) FROM inbox_seen GROUP BY source, id HAVING count(*) > 1",
    ),
    (
        "inbox_seen",
        "what was applied is beyond what was heard of",
        "SELECT source, seq FROM inbox_seen s JOIN inbox_source USING (source) WHERE seq > high",
    ),
    (
        "inbox_seen",
        "what is settled is beyond what was heard of",
        "SELECT source, high FROM inbox_source s
         WHERE high < (SELECT max(last) FROM inbox_settled t WHERE t.source = s.source)",
    ),
];

/// What is not as it must be, in words.
///
/// # Errors
///
/// When the database cannot be read.
pub(crate) fn complaints(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut check = connection.prepare("PRAGMA integrity_check")?;
    for line in check.query_map([], |row| row.get::<_, String>(0))? {
        complaints.extend(Some(line?).filter(|line| line != "ok"));
    }
    let broken = |row: &Row<'_>| row.get::<_, String>(0);
    if let Some(table) = connection.query_row("PRAGMA foreign_key_check", [], broken).optional()? {
        complaints.push(format!("a row of {table} refers to none"));
    }
    for (table, what, sentence) in RULES {
        if !connection.table_exists(Some("main"), table)? {
            continue;
        }
        let place = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        if let Some((of, at)) = connection.query_row(sentence, [], place).optional()? {
            complaints.push(format!("{what}: at {at} of {of}"));
        }
    }
    Ok(complaints)
}

/// What a consumer knows of some places of a producer's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) store: Vec<u8>,
    pub(crate) subscription: Vec<u8>,
    pub(crate) epoch: i64,
    /// The largest place that it has applied or was told to be settled.
    pub(crate) high: i64,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Nothing but that there is such a log.
    Nothing,
    /// This id was applied there.
    Applied { seq: i64, id: Vec<u8> },
    /// Everything from here to there is settled.
    Settled { first: i64, last: i64 },
}

/// All that the consumers in this database applied or know to be settled.
///
/// # Errors
///
/// When the database cannot be read.
pub(crate) fn known(connection: &Connection) -> rusqlite::Result<Vec<Known>> {
    if !connection.table_exists(Some("main"), "inbox_seen")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(
        "SELECT store, subscription, epoch, high, seq, seq, id
         FROM inbox_seen JOIN inbox_source USING (source)
         UNION ALL
         SELECT store, subscription, epoch, high, first, last, NULL
         FROM inbox_source LEFT JOIN inbox_settled USING (source)",
    )?;
    let known = statement.query_map([], |row| {
        let (first, last, id): (Option<i64>, Option<i64>, Option<Vec<u8>>) =
            (row.get(4)?, row.get(5)?, row.get(6)?);
        let what = match (first.zip(last), id) {
            (Some((seq, _)), Some(id)) => What::Applied { seq, id },
            (Some((first, last)), None) => What::Settled { first, last },
            (None, _) => What::Nothing,
        };
        Ok(Known {
            store: row.get(0)?,
            subscription: row.get(1)?,
            epoch: row.get(2)?,
            high: row.get(3)?,
            what,
        })
    })?;
    known.collect()
}

/// Whether the producer in this database bears out what a consumer knows of it; says why not.
/// Of a store that it is not, it knows nothing.
///
/// # Errors
///
/// When the database cannot be read.
pub(crate) fn doubts(connection: &Connection, known: &Known) -> rusqlite::Result<Option<String>> {
    if !connection.table_exists(Some("main"), "outbox_subscription")? {
        return Ok(None);
    }
    let Known { store, subscription, epoch: heard, high, what } = known;
    let found = connection.query_row(
        "SELECT subscription, sent_to, acked_to, epoch
         FROM outbox_subscription s JOIN outbox_store o ON o.uuid = ?1 WHERE s.uuid = ?2",
        (store, subscription),
        |row| {
            let number = |at| row.get::<_, i64>(at);
            Ok((number(0)?, number(1)?, number(2)?, number(3)?))
        },
    );
    let Some((number, sent_to, acked_to, epoch)) = found.optional()? else { return Ok(None) };
    Ok(if sent_to < *high {
        Some(format!("the consumer has {high}, and only {sent_to} were sent"))
    } else if epoch < *heard {
        Some(format!("the consumer heard epoch {heard}, and the producer is at {epoch}"))
    } else if acked_to > *high {
        Some(format!("{acked_to} was acknowledged, and the consumer has not more than {high}"))
    } else {
        match what {
            What::Nothing => None,
            What::Applied { seq, id } => doubts_id(connection, *seq, id)?,
            What::Settled { first, last } => doubts_range(connection, number, *first, *last)?,
        }
    })
}

/// As long as the log has the message, it has it under the id that was applied.
fn doubts_id(connection: &Connection, seq: i64, id: &[u8]) -> rusqlite::Result<Option<String>> {
    let sentence = "SELECT 1 FROM outbox_message WHERE seq = ?1 AND id <> ?2";
    let other = connection.query_row(sentence, (seq, id), |_| Ok(())).optional()?;
    Ok(other.map(|()| format!("{seq} was applied under another id than the log has")))
}

/// What is told to be settled waits for nothing.
fn doubts_range(
    connection: &Connection,
    subscription: i64,
    first: i64,
    last: i64,
) -> rusqlite::Result<Option<String>> {
    let found = connection.query_row(
        "SELECT seq, state FROM outbox_delivery
         WHERE subscription = ?1 AND seq BETWEEN ?2 AND ?3 AND state <> 'skipped'",
        (subscription, first, last),
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
    );
    let waits = found.optional()?;
    Ok(waits.map(|(seq, state)| format!("the consumer was told {seq} is settled; it is {state}")))
}
