"""Drives localqueue: one `SimpleQueue`, shared by all threads."""

import os
import sqlite3
import sys
import threading
import time

from localqueue import DurabilityMode, Empty, SimpleQueue, Worker

import reading

SUBJECT = {
    "subject": "localqueue",
    "version": "1.4.1",
    "settings": [
        {
            "name": "default",
            "survives_power_cut": False,
            "note": "WAL, synchronous=NORMAL (DurabilityMode.RELAXED), which is the default",
        },
        {
            "name": "full",
            "survives_power_cut": True,
            "note": "WAL, synchronous=FULL (DurabilityMode.DURABLE)",
        },
    ],
    "acknowledges": True,
    "deduplicates": True,
    "joins_callers_transaction": False,
    "order_within_key": False,
    "language": "Python",
}

FILL_BATCH = 1000

# Gives the one message that the peer has acknowledged itself as a pattern to all others, which
# leaves them exactly as the peer leaves an acknowledged message.
FINISH_ALL = """
    UPDATE messages SET (status, attempts, lease_until, receipt, updated_at) =
        (SELECT status, attempts, lease_until, receipt, updated_at FROM messages
            WHERE status = 2 LIMIT 1)
        WHERE status = 0
"""


def open_queue(arguments):
    full = arguments.setting == "full"
    durability = DurabilityMode.DURABLE if full else DurabilityMode.RELAXED
    return SimpleQueue(arguments.directory, durability=durability)


def perform(arguments):
    queue = open_queue(arguments)
    if arguments.case == "produce":
        reading.produce_on_request(lambda sequence: queue.put(reading.payload(sequence)))
        return None
    cases = {
        "enqueue": enqueue,
        "fill": fill,
        "handle": handle,
        "finished": finish,
        "latency": latency,
        "latency-elsewhere": latency,
    }
    if arguments.case not in cases:
        raise ValueError(f"there is no case {arguments.case}")
    taken = cases[arguments.case](queue, arguments)
    diagnostics = queue.diagnostics()
    known = {
        "journal_mode": diagnostics.journal_mode,
        "synchronous": diagnostics.synchronous,
        "page_size": diagnostics.page_size,
    }
    queue.close()
    sqlite = {"sqlite": diagnostics.sqlite_version}
    return sqlite | {"pragmas": [reading.connection("queue", known)]} | taken


def enqueue(queue, arguments):
    def put(batch):
        if len(batch) == 1:
            queue.put(reading.payload(batch[0]))
        else:
            queue.put_many([reading.payload(sequence) for sequence in batch])

    return reading.enqueue_by_threads(arguments, put)


def fill(queue, arguments):
    arguments.seconds = float("inf")
    arguments.batch = FILL_BATCH
    return enqueue(queue, arguments)


def handle(queue, arguments):
    # One thread: a claim and an acknowledgement are a transaction each on one connection.
    begin = time.monotonic()
    acknowledged = 0
    while time.monotonic() - begin < arguments.seconds:
        try:
            job = queue.get_nowait()
        except Empty:
            break
        queue.ack(job)
        acknowledged += 1
    return {"count": acknowledged, "seconds": time.monotonic() - begin}


def finish(queue, arguments):
    begin = time.monotonic()
    queue.put(reading.payload(0))
    queue.ack(queue.get_nowait())
    wanted = arguments.count
    arguments.count = wanted - 1
    fill(queue, arguments)
    with sqlite3.connect(os.path.join(arguments.directory, "localqueue.db")) as connection:
        connection.execute(FINISH_ALL)
    connection.close()
    return {
        "count": wanted,
        "seconds": time.monotonic() - begin,
        "note": "one was handled by the peer, the others were written by SQL like it",
    }


def latency(queue, arguments):
    arrivals = reading.Arrivals()
    worker = Worker(queue, lambda job: arrivals.handler_begins(job.data))
    thread = threading.Thread(target=worker.run)
    thread.start()

    def put(sequence):
        queue.put(reading.payload(sequence))
        return time.monotonic_ns()

    try:
        if arguments.case == "latency":
            taken = reading.latencies(arguments, arrivals, put)
        else:
            with reading.Elsewhere(arguments) as elsewhere:
                taken = reading.latencies(arguments, arrivals, elsewhere.enqueue)
    finally:
        worker.stop()
        thread.join()
    note = "its worker looks again after 10 ms, and then after ever longer pauses up to 250 ms"
    return taken | {"note": note}


if __name__ == "__main__":
    sys.exit(reading.run(SUBJECT, perform))
