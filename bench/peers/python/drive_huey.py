"""Drives huey with its SQLite storage: one connection behind a lock, shared by all threads."""

import os
import sqlite3
import sys
import time

from huey import SqliteHuey

import reading

SUBJECT = {
    "subject": "huey",
    "version": "3.5.4",
    "settings": [
        {
            "name": "default",
            "survives_power_cut": True,
            "note": "WAL, synchronous=FULL: the default of SQLite, as huey sets none",
        },
    ],
    "acknowledges": False,
    "deduplicates": False,
    "joins_callers_transaction": False,
    "order_within_key": False,
    "language": "Python",
}

INSERT = "insert into task (queue, data, priority) values (?, ?, ?)"


def perform(arguments):
    if arguments.case == "handle":
        raise reading.Cannot("no acknowledgement: taking a task deletes it")
    huey = SqliteHuey(filename=os.path.join(arguments.directory, "huey.db"))
    arrivals = reading.Arrivals()

    @huey.task()
    def handle(message):
        arrivals.handler_begins(message)

    if arguments.case == "produce":
        reading.produce_on_request(lambda sequence: handle(reading.payload(sequence)))
        return None
    if arguments.case == "enqueue":
        taken = enqueue(handle, arguments)
    elif arguments.case == "fill":
        taken = fill(huey, handle, arguments)
    elif arguments.case == "finished":
        note = "nothing is kept: taking a task deletes it, and a result of None is not stored"
        taken = {"count": 0, "seconds": 0.0, "note": note}
    elif arguments.case in ("latency", "latency-elsewhere"):
        taken = latency(huey, handle, arrivals, arguments)
    else:
        raise ValueError(f"there is no case {arguments.case}")
    connection = huey.storage.conn
    known = {
        pragma: connection.execute(f"pragma {pragma}").fetchone()[0]
        for pragma in reading.PRAGMAS
    }
    huey.storage.close()
    sqlite = {"sqlite": sqlite3.sqlite_version}
    return sqlite | {"pragmas": [reading.connection("storage", known)]} | taken


def enqueue(handle, arguments):
    if arguments.batch > 1:
        raise reading.Cannot("no batch: each task is enqueued in a transaction of its own")
    return reading.enqueue_by_threads(arguments, lambda batch: handle(reading.payload(batch[0])))


def fill(huey, handle, arguments):
    # The rows that `enqueue` of the storage writes, but in one transaction.
    begin = time.monotonic()
    storage = huey.storage
    with storage.db(commit=True) as cursor:
        for sequence in range(arguments.count):
            data = huey.serialize_task(handle.s(reading.payload(sequence)))
            cursor.execute(INSERT, (storage.name, storage.to_blob(data), 0))
    return {"count": arguments.count, "seconds": time.monotonic() - begin}


def latency(huey, handle, arrivals, arguments):
    consumer = huey.create_consumer(workers=1, periodic=False)
    consumer.start()

    def call(sequence):
        handle(reading.payload(sequence))
        return time.monotonic_ns()

    note = "its worker looks again after 100 ms, and then after ever longer pauses up to 10 s"
    try:
        if arguments.case == "latency":
            taken = reading.latencies(arguments, arrivals, call)
        else:
            with reading.Elsewhere(arguments) as elsewhere:
                taken = reading.latencies(arguments, arrivals, elsewhere.enqueue)
    finally:
        consumer.stop(graceful=True)
    return taken | {"note": note}


if __name__ == "__main__":
    sys.exit(reading.run(SUBJECT, perform))
