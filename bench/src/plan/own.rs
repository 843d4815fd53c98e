//! Ours beside the floor, and ours beside ours under other circumstances.

use super::Scale;
use super::build::{Group, Side, floor, group, ours, pair};

pub fn groups(scale: Scale) -> Vec<Group> {
    vec![
        end_to_end(scale),
        callers(scale),
        inside(scale),
        backlog(scale),
        pending(scale),
        whole(scale),
        history(scale),
        trouble(scale),
        subscriptions(scale),
        payloads(scale),
        outage(scale),
        host(scale),
        latency(scale),
        wake_ups(scale),
        idle(scale),
        wal(scale),
    ]
}

/// Enqueue, relay, dedup and effect, acknowledge, prune; 200 bytes.
fn end_to_end(scale: Scale) -> Group {
    let counts = [
        (1024, scale.pick(200_000, 60_000)),
        (256, scale.pick(200_000, 50_000)),
        (64, scale.pick(100_000, 20_000)),
        (16, scale.pick(20_000, 4_000)),
        (1, scale.pick(2_000, 400)),
    ];
    let sides = counts.into_iter().flat_map(|(batch, count)| {
        pair(&format!("{batch}"), "end-to-end", &format!("--batch {batch} --count {count}"))
    });
    group("end-to-end", "End to end, by batch", &["rate"], sides.collect()).note(
        "A producer commits batches while a relay delivers them into an inbox, which inserts a row \
         for each; until the log is empty. The producer, the relay and the inbox take the same \
         batch.",
    )
}

fn callers(scale: Scale) -> Group {
    let time = format!("--count 100000000 --seconds {}", scale.pick(2.0, 0.7));
    let ours = |callers: u64, rows: u64| {
        ours(&format!("{callers} callers"), "enqueue", &format!("--callers {callers} {time}"))
            .beside(&format!("floor {rows} a commit"))
    };
    let floor = |rows: u64| {
        floor(&format!("{rows} a commit"), "enqueue", &format!("--batch {rows} {time}"))
    };
    let sides = vec![ours(50, 25), floor(25), ours(500, 64), floor(64)];
    let columns = ["rate", "p50", "p99", "p99_by_fair_time"];
    group("enqueue-async", "Enqueue through the async handle", &columns, sides).note(
        "Each caller is a task that waits for its durable commit before it enqueues the next. The \
         fair time of a call is callers / rate.",
    )
}

fn inside(scale: Scale) -> Group {
    let count = scale.pick(100_000, 20_000);
    let side = |name: &str, way: &str| {
        ours(name, "enqueue-inside", &format!("--way {way} --count {count}")).about(1.0)
    };
    let sides = vec![
        side("plain", "plain"),
        side("many in one call", "many"),
        side("with a key and headers", "keyed"),
        side("with an idempotency key", "idempotent"),
        side("with a bound", "bounded"),
    ];
    let columns = ["enqueue, ns", "insert, ns", "inserts", "look, ns", "inserts without it"];
    group("enqueue-inside", "Enqueue in the caller's own transaction", &columns, sides).note(
        "One `enqueue` beside one prepared insert of the same row into the same table, in \
         transactions of 5,000 that alternate; begin and commit are not counted. The look: whether \
         this is the right database and nobody bounds it, asked by the same insert; measured by an \
         insert that asks beside one that does not. Many in one call: `enqueue_all`, which looks \
         once.",
    )
}

/// Small backlogs are drained again and again in one process; of large ones so many seconds.
fn backlog(scale: Scale) -> Group {
    let again = scale.pick(1.5, 0.5);
    let small = [1_000_u64, 10_000, 100_000].into_iter().flat_map(|backlog| {
        let arguments = format!("--backlog {backlog} --seconds {again}");
        pair(&backlog.to_string(), "drains", &arguments)
    });
    let large = scale.pick(vec![300_000_u64, 1_000_000, 3_000_000], vec![300_000]);
    let seconds = scale.pick(1.5, 0.7);
    let large = large.into_iter().flat_map(|backlog| {
        pair(&backlog.to_string(), "handle", &format!("--seconds {seconds}"))
            .map(|side| side.filled(backlog).about(seconds + backlog as f64 / 1e6))
    });
    group("backlog", "Draining, by backlog", &["rate", "peak"], small.chain(large).collect()).note(
        "Relay and inbox with an effect of nothing. Up to 100,000 the time until the last handler \
         of a backlog that came with one commit; above, what is handled in a few seconds.",
    )
}

fn pending(scale: Scale) -> Group {
    let count = scale.pick(3_000_000, 300_000);
    let time = format!("--batch 100 --count 100000000 --seconds {}", scale.pick(1.5, 0.5));
    let sides = [ours as fn(&str, &'static str, &str) -> Side, floor].into_iter().flat_map(|who| {
        let empty = who("empty", "enqueue", &time);
        let pending = who(&format!("{count} pending"), "enqueue", &time);
        [empty.clone(), pending.beside(&empty.name).filled(count).about(4.0)]
    });
    group("pending", "Enqueue with many pending", &["rate"], sides.collect())
        .note("One connection, 100 messages in a commit.")
}

fn whole(scale: Scale) -> Group {
    let count = scale.pick(3_000_000, 300_000);
    let sides = pair(&count.to_string(), "handle", "")
        .map(|side| side.filled(count).about(count as f64 / 60_000.0));
    group("whole", "Draining all of a large backlog", &["rate", "peak", "file"], sides.into())
        .note("Once.")
        .runs(1)
}

fn history(scale: Scale) -> Group {
    let count: u64 = scale.pick(10_000_000, 300_000);
    let side = ours(&count.to_string(), "history", &format!("--count {count} --batch 1024"));
    let fewer = count.min(2_000_000);
    let bare = floor(&fewer.to_string(), "end-to-end", &format!("--count {fewer} --batch 1024"));
    let columns = ["rate", "last by first", "growth", "databases, MiB", "WAL, MiB", "peak"];
    let sides = vec![side.about(count as f64 / 150_000.0).beside(&bare.name), bare.about(10.0)];
    group("history", "After many messages", &columns, sides).runs(1).note(
        "One steady run in 50 windows: the median rate of the last ten by that of the first ten \
         after two that warm up; how far the two databases have grown in the second half over \
         the first; and the larger WAL, which has a bound of its own. The floor keeps every id, \
         and its end to end rate stands beside.",
    )
}

fn trouble(scale: Scale) -> Group {
    let count = scale.pick(100_000, 30_000);
    let side = |name: &str, way: &str, backlog: u64| {
        let arguments = format!("--way {way} --backlog {backlog} --count {count} --batch 256");
        ours(name, "trouble", &arguments).beside("ours plain")
    };
    let bare = floor("plain", "end-to-end", &format!("--batch 256 --count {count}"));
    let sides = vec![
        side("plain", "plain", 0).beside(&bare.name),
        bare,
        side("1,000 keys", "keys", 0),
        side("a parked key", "parked", scale.pick(100_000, 20_000)).about(5.0),
        side("10,000 waiting", "waiting", 10_000),
    ];
    group("trouble", "Keys, and messages that fail", &["rate", "waiting", "peak"], sides).note(
        "The rate of messages that succeed, with 1,000 keys; beside a key whose first message \
         fails again and again with many behind it; beside messages that wait for their retry.",
    )
}

fn subscriptions(scale: Scale) -> Group {
    let backlog = scale.pick(50_000, 10_000);
    let side = |callers: u64| {
        let arguments = format!("--callers {callers} --backlog {backlog}");
        ours(&callers.to_string(), "subscriptions", &arguments).about(callers as f64)
    };
    let sides = vec![side(1), side(10).beside("ours 1")];
    let columns = ["seconds", "enqueued/s meanwhile", "peak"];
    group("subscriptions", "Subscriptions of one log", &columns, sides).note(
        "The time until each subscription has handled the backlog, into an inbox of its own, while \
         a producer commits batches of 64.",
    )
}

fn payloads(scale: Scale) -> Group {
    let (small, large) = scale.pick((5_000, 100), (2_000, 40));
    let ids = scale.pick(100_000, 30_000);
    let mut sides = Vec::new();
    sides.extend(pair(
        "16 KiB",
        "end-to-end",
        &format!("--payload 16384 --batch 64 --count {small}"),
    ));
    sides.extend(pair(
        "1 MiB",
        "end-to-end",
        &format!("--payload 1048576 --batch 4 --count {large}"),
    ));
    sides.extend(pair("random ids", "end-to-end", &format!("--random-ids --count {ids}")));
    group("payloads", "Large payloads, and ids without an order", &["rate", "peak"], sides)
        .note("End to end, in batches of 64, 4 and 256.")
}

fn outage(scale: Scale) -> Group {
    let backlog: u64 = scale.pick(1_000_000, 100_000);
    let side = ours(&backlog.to_string(), "outage", &format!("--backlog {backlog} --batch 1024"));
    let columns =
        ["rate", "until it resumes, s", "enqueued/s during it", "exceptions", "peak", "file"];
    let bare = floor(&backlog.to_string(), "handle", "--batch 1024").filled(backlog).about(6.0);
    let sides = vec![side.about(15.0).beside(&bare.name), bare];
    group("outage", "A destination that was away", &columns, sides).runs(1).note(
        "Messages come in while it cannot be reached; then it is back. Once. The floor drains as \
         many that are pending.",
    )
}

fn host(scale: Scale) -> Group {
    let seconds = scale.pick(4.0, 1.5);
    // The floor is faster: neither is to be done before the turn is over.
    let fills = [scale.pick(1_000_000, 300_000), scale.pick(4_000_000, 1_500_000)];
    let sides = pair("beside", "host", &format!("--seconds {seconds}")).into_iter().zip(fills);
    let sides = sides.map(|(side, fill)| side.filled(fill).about(2.0 * seconds + 2.0)).collect();
    let columns = ["p50", "p99", "p99 alone, us", "p99 by alone", "rate"];
    group("host", "The host's own transactions", &columns, sides).note(
        "One row in an IMMEDIATE transaction, 200 a second: beside a relay that drains a backlog, \
         and alone before; with SQLite's own way to wait for a lock.",
    )
}

fn latency(scale: Scale) -> Group {
    let count = scale.pick(150, 50);
    let about = f64::from(count) * 0.024;
    let trials = format!("--count {count} --pause 20");
    let side = |name: &str, way: &str| {
        ours(name, "latency", &format!("--way {way} {trials}")).about(about).beside("floor sync")
    };
    let sides = vec![
        side("in process", "plain"),
        side("elsewhere", "elsewhere"),
        floor("sync", "sync", &trials).about(about),
    ];
    let columns = ["p50", "p99", "p999", "p50 from the call, us"];
    group("latency", "From a commit to its handler", &columns, sides).note(
        "On a system that does nothing else, with pauses of about 20 ms: through the async handle, \
         and from another process's own transaction. Beside it one sync of 4 KiB.",
    )
}

fn wake_ups(scale: Scale) -> Group {
    let count: u32 = scale.pick(10_000, 1_000);
    let side = ours("elsewhere", "latency", &format!("--way elsewhere --count {count} --pause 4"));
    let columns = ["missed", "p50", "p99", "p999", "max"];
    let sides = vec![side.about(f64::from(count) * 0.006)];
    group("wake-ups", "Missed wake-ups", &columns, sides)
        .runs(1)
        .note("A message that another process committed, and that came 50 ms later or more.")
}

fn idle(scale: Scale) -> Group {
    let side = ours("", "idle", "--seconds 10").about(11.5);
    group("idle", "While nothing happens", &["% of a core", "peak"], vec![side])
        .runs(scale.pick(3, 1))
        .note("A relay, an inbox and an async handle; processor time of all threads in 10 s.")
}

fn wal(scale: Scale) -> Group {
    let seconds = scale.pick(5.0, 2.0);
    let side = |name: &str, readers: u64| {
        let arguments = format!("--batch 16 --callers {readers} --seconds {seconds}");
        ours(name, "wal", &arguments).about(seconds)
    };
    let sides = vec![side("1 reader", 1), side("2 readers", 2)];
    let columns = ["WAL, MiB", "p50", "p99", "p999", "commits", "rate"];
    group("wal", "The WAL under load and readers", &columns, sides).note(
        "A producer commits batches of 16 as fast as it can while a relay delivers and readers \
         hold snapshots of 45 ms, one after the other; those of two overlap. Latencies are the \
         producer's.",
    )
}
