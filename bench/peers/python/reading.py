"""What the Python programs that drive the peers have in common.

The same as the Rust crate `reading`: arguments, the reading that is printed, and how a throughput
and a latency are taken. The contract is in the README of the folder above.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time

PAYLOAD_BYTES = 200
DIGITS = 12

# How long the queue is left idle after each message of a latency case.
PAUSE_SECONDS = 0.005

PRAGMAS = ["journal_mode", "synchronous", "cache_size", "page_size", "wal_autocheckpoint"]


class Cannot(Exception):
    """The peer cannot do this, and why."""


def payload(sequence):
    """200 bytes of ASCII that begin with their number."""
    return f"{sequence:0{DIGITS}}".ljust(PAYLOAD_BYTES, "x")


class Share:
    """The messages of a case, given out to the callers as they come for the next batch."""

    def __init__(self, arguments):
        self.begin = time.monotonic()
        self.end = self.begin + arguments.seconds
        self.count = arguments.count
        self.batch = arguments.batch
        self.given = 0
        self.lock = threading.Lock()

    def next(self):
        """The numbers of the next batch, or None when all are given out or the time is over."""
        if time.monotonic() >= self.end:
            return None
        with self.lock:
            begin = self.given
            if begin >= self.count:
                return None
            self.given = min(self.count, begin + self.batch)
            return range(begin, self.given)


def enqueue_by_threads(arguments, enqueue):
    """Has as many threads as there are callers call `enqueue` with batches of numbers."""
    share = Share(arguments)
    problems = []

    def call():
        try:
            while (batch := share.next()) is not None:
                enqueue(batch)
        except Exception as problem:  # A thread's error would only be printed otherwise.
            problems.append(problem)

    threads = [threading.Thread(target=call) for _ in range(arguments.callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return {"count": share.given, "seconds": time.monotonic() - share.begin}


class Arrivals:
    """When the handler began with each message, by the clock that all processes share."""

    def __init__(self):
        self.begun = {}
        self.changed = threading.Condition()

    def handler_begins(self, message):
        now = time.monotonic_ns()
        with self.changed:
            # The first delivery counts, should a message come twice.
            self.begun.setdefault(int(message[:DIGITS]), now)
            self.changed.notify_all()

    def wait_for(self, sequence, end):
        with self.changed:
            arrived = self.changed.wait_for(
                lambda: sequence in self.begun, max(0.0, end - time.monotonic())
            )
            return self.begun[sequence] if arrived else None


def latencies(arguments, arrivals, enqueue):
    """Enqueues one message after another on an idle queue.

    `enqueue` returns the time at which the message was committed: when its call had returned. A
    handler that was quicker than that return has a latency of 0.
    """
    begin = time.monotonic()
    taken = []
    for sequence in range(arguments.count):
        committed = enqueue(sequence)
        begun = arrivals.wait_for(sequence, begin + arguments.seconds)
        # A message on its way when the time is over has no latency that could be told.
        if begun is None:
            break
        taken.append(max(0, begun - committed))
        # Whoever looks at a fixed pace would be met at the same moment each time.
        time.sleep(PAUSE_SECONDS * (0.6 + 0.8 * (sequence % 97) / 97))
    if not taken:
        raise RuntimeError("no message was handled in the time given")
    taken.sort()

    def rank(thousandths):
        rank = -(-len(taken) * thousandths // 1000)
        return taken[rank - 1] / 1000

    spread = {"p50": rank(500), "p99": rank(990), "p999": rank(999), "max": rank(1000)}
    return {"count": len(taken), "seconds": time.monotonic() - begin, "latency_us": spread}


class Elsewhere:
    """A producer in a process of its own, which enqueues a message whenever it is asked to."""

    def __init__(self, arguments):
        command = [sys.executable, sys.argv[0], "produce"]
        command += ["--directory", arguments.directory, "--setting", arguments.setting]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.answer()

    def enqueue(self, sequence):
        self.process.stdin.write(f"{sequence}\n")
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the producer in the other process has ended")
        return int(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The end of its input ends the producer; one that hangs is ended by its id.
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def produce_on_request(enqueue):
    """The producer's side of `Elsewhere`: enqueues on request until its input ends."""
    print(time.monotonic_ns(), flush=True)
    for line in sys.stdin:
        enqueue(int(line))
        print(time.monotonic_ns(), flush=True)


def connection(name, known):
    """What is known of the settings of one connection; the rest is null."""
    return {"connection": name} | {pragma: known.get(pragma) for pragma in PRAGMAS}


def run(subject, perform):
    """The whole of a program: reads the arguments, has the case done and prints its reading."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("--directory", default="")
    parser.add_argument("--setting", default="default")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--callers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    if arguments.case == "describe":
        print(json.dumps(subject))
        return 0
    try:
        line = answer(subject, arguments, perform)
    except Exception as problem:
        print(f"{subject['subject']}: {problem!r}", file=sys.stderr)
        return 1
    if line is not None:
        print(json.dumps(line), flush=True)
    return 0


def answer(subject, arguments, perform):
    if not os.path.isdir(arguments.directory):
        raise ValueError("--directory has to name a directory that exists")
    if arguments.setting not in [setting["name"] for setting in subject["settings"]]:
        raise ValueError(f"there is no setting {arguments.setting}")
    line = {key: subject[key] for key in ["subject", "version"]}
    line["setting"] = arguments.setting
    try:
        reading = perform(arguments)
    except Cannot as reason:
        return line | {"cannot": str(reason)}
    if reading is None:
        return None
    sizes = {"peak_bytes": peak_bytes(), "file_bytes": bytes_of_files(arguments.directory)}
    return line | reading | sizes


def peak_bytes():
    """The most memory that this process ever had, as Linux counts it; 0 where it is not told."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def bytes_of_files(directory):
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(folder, name))
            except FileNotFoundError:
                pass  # A log file that another process removed meanwhile.
    return total
