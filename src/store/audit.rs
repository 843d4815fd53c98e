//! Whether a store is whole: what must hold in it at any time, whatever happened. For tests.

use rusqlite::{Connection, OptionalExtension, Row};

/// What SQLite itself checks, and sentences that answer with a row for each thing that is wrong.
const RULES: [(&str, &str, &str); 6] = [
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

/// A place that a consumer knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) store: Vec<u8>,
    pub(crate) subscription: Vec<u8>,
    pub(crate) epoch: i64,
    pub(crate) seq: i64,
    /// The id that was applied there; none where only that it is settled is known.
    pub(crate) id: Option<Vec<u8>>,
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
        "SELECT store, subscription, epoch, seq, id FROM inbox_seen JOIN inbox_source USING (source)
         UNION ALL
         SELECT store, subscription, epoch, max(last), NULL
         FROM inbox_settled JOIN inbox_source USING (source) GROUP BY source",
    )?;
    let known = statement.query_map([], |row| {
        Ok(Known {
            store: row.get(0)?,
            subscription: row.get(1)?,
            epoch: row.get(2)?,
            seq: row.get(3)?,
            id: row.get(4)?,
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
    let found = connection.query_row(
        "SELECT sent_to, epoch, (SELECT id FROM outbox_message WHERE seq = ?3)
         FROM outbox_subscription s JOIN outbox_store o ON o.uuid = ?1 WHERE s.uuid = ?2",
        (&known.store, &known.subscription, known.seq),
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<Vec<u8>>>(2)?)),
    );
    let Some((sent_to, epoch, id)) = found.optional()? else { return Ok(None) };
    let Known { seq, epoch: heard, .. } = known;
    Ok(if sent_to < *seq {
        Some(format!("the consumer has {seq}, and only {sent_to} were sent"))
    } else if epoch < *heard {
        Some(format!("the consumer heard epoch {heard}, and the producer is at {epoch}"))
    } else if id.is_some() && known.id.is_some() && id != known.id {
        Some(format!("{seq} was applied under another id than the log has"))
    } else {
        None
    })
}
