// Drives plainjob with better-sqlite3. All calls are synchronous and on one thread, so callers
// take turns, and one worker is as quick as several.

import { join } from "node:path";

import Database from "better-sqlite3";
import { better, defineQueue, defineWorker } from "plainjob";

import {
  Arrivals,
  Elsewhere,
  PRAGMAS,
  latencies,
  monotonicNanoseconds,
  payload,
  produceOnRequest,
  run,
  secondsSince,
} from "./reading.mjs";

const SUBJECT = {
  subject: "plainjob",
  version: "0.0.14",
  settings: [
    {
      name: "default",
      survives_power_cut: false,
      note: "WAL, synchronous=NORMAL, as the package opens its file",
    },
    {
      name: "full",
      survives_power_cut: true,
      note: "WAL, synchronous=FULL, set on its connection after opening",
    },
  ],
  acknowledges: true,
  deduplicates: false,
  joins_callers_transaction: true,
  order_within_key: false,
  language: "JavaScript",
};

const TYPE = "message";

const PENDING = 0;

const FILL_BATCH = 1000;

const SILENT = { error() {}, warn() {}, info() {}, debug() {} };

// Gives the one job that the peer has finished itself as a pattern to all others, which leaves
// them exactly as the peer leaves a finished job.
const FINISH_ALL = `
  UPDATE plainjob_jobs SET (status, failed_at, error) =
      (SELECT status, failed_at, error FROM plainjob_jobs WHERE status > 0 LIMIT 1)
    WHERE status = 0`;

async function perform(asked) {
  const sqlite = new Database(join(asked.directory, "plainjob.db"));
  const queue = defineQueue({ connection: better(sqlite), logger: SILENT });
  if (asked.setting === "full") sqlite.pragma("synchronous = FULL");
  const cases = {
    enqueue,
    fill,
    handle,
    finished,
    latency,
    "latency-elsewhere": latencyElsewhere,
    produce,
  };
  try {
    if (!(asked.case in cases)) throw new Error(`there is no case ${asked.case}`);
    const reading = await cases[asked.case](queue, asked, sqlite);
    return reading && { ...readBack(sqlite), ...reading };
  } finally {
    queue.close();
  }
}

function readBack(sqlite) {
  const connection = { connection: "queue" };
  for (const pragma of PRAGMAS) connection[pragma] = sqlite.pragma(pragma, { simple: true });
  const version = sqlite.prepare("SELECT sqlite_version()").pluck().get();
  return { sqlite: version, pragmas: [connection] };
}

async function enqueue(queue, asked) {
  const begin = monotonicNanoseconds();
  let given = 0;
  const call = async () => {
    while (given < asked.count && secondsSince(begin) < asked.seconds) {
      const first = given;
      given = Math.min(asked.count, first + asked.batch);
      if (given - first === 1) {
        queue.add(TYPE, payload(first));
      } else {
        queue.addMany(TYPE, numbers(first, given).map(payload));
      }
      // The next caller's turn.
      if (asked.callers > 1) await null;
    }
  };
  await Promise.all(Array.from({ length: asked.callers }, call));
  return { count: given, seconds: secondsSince(begin) };
}

function numbers(first, end) {
  return Array.from({ length: end - first }, (_, index) => first + index);
}

async function fill(queue, asked) {
  return enqueue(queue, { ...asked, callers: 1, batch: FILL_BATCH, seconds: Infinity });
}

async function handle(queue, asked) {
  const pending = queue.countJobs({ type: TYPE, status: PENDING });
  const begin = monotonicNanoseconds();
  let acknowledged = 0;
  if (pending === 0) return { count: 0, seconds: 0 };
  const worker = defineWorker(TYPE, () => {}, {
    queue,
    logger: SILENT,
    onCompleted() {
      acknowledged += 1;
      // No timer fires while there are jobs, so the worker is stopped from within.
      if (acknowledged === pending || secondsSince(begin) >= asked.seconds) worker.stop();
    },
  });
  await worker.start();
  return { count: acknowledged, seconds: secondsSince(begin) };
}

async function finished(queue, asked, sqlite) {
  const begin = monotonicNanoseconds();
  await fill(queue, { ...asked, count: 1 });
  await handle(queue, asked);
  await fill(queue, { ...asked, count: asked.count - 1 });
  sqlite.exec(FINISH_ALL);
  return {
    count: asked.count,
    seconds: secondsSince(begin),
    note: "one was handled by the peer, the others were written by SQL like it",
  };
}

async function withWorker(queue, take) {
  const arrivals = new Arrivals();
  const note = "its worker looks every second";
  const begins = ({ data }) => arrivals.handlerBegins(JSON.parse(data));
  const worker = defineWorker(TYPE, begins, { queue, logger: SILENT });
  const ended = worker.start();
  try {
    return { ...(await take(arrivals)), note };
  } finally {
    await worker.stop();
    await ended;
  }
}

async function latency(queue, asked) {
  return withWorker(queue, (arrivals) =>
    latencies(asked, arrivals, (sequence) => {
      queue.add(TYPE, payload(sequence));
      return monotonicNanoseconds();
    }),
  );
}

async function latencyElsewhere(queue, asked) {
  const elsewhere = await Elsewhere.start(asked);
  try {
    return await withWorker(queue, (arrivals) =>
      latencies(asked, arrivals, (sequence) => elsewhere.enqueue(sequence)),
    );
  } finally {
    await elsewhere.end();
  }
}

async function produce(queue) {
  await produceOnRequest((sequence) => queue.add(TYPE, payload(sequence)));
}

await run(SUBJECT, perform);
