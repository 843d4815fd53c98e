// What a Node program that drives a peer needs: the same as the Rust crate `reading`. Arguments,
// the reading that is printed, and how a throughput and a latency are taken. The contract is in
// the README of the folder above.

import { spawn } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const PAYLOAD_BYTES = 200;
const DIGITS = 12;

// How long the queue is left idle after each message of a latency case.
const PAUSE_MILLISECONDS = 5;

export const PRAGMAS = [
  "journal_mode",
  "synchronous",
  "cache_size",
  "page_size",
  "wal_autocheckpoint",
];

// The peer cannot do this, and why.
export class Cannot extends Error {}

// 200 bytes of ASCII that begin with their number.
export function payload(sequence) {
  return String(sequence).padStart(DIGITS, "0").padEnd(PAYLOAD_BYTES, "x");
}

// Nanoseconds of the clock that all processes share.
export function monotonicNanoseconds() {
  return process.hrtime.bigint();
}

export function secondsSince(begin) {
  return Number(monotonicNanoseconds() - begin) / 1e9;
}

// When the handler began with each message.
export class Arrivals {
  #begun = new Map();
  #waiting = new Map();

  handlerBegins(message) {
    const now = monotonicNanoseconds();
    const sequence = Number(message.slice(0, DIGITS));
    // The first delivery counts, should a message come twice.
    if (!this.#begun.has(sequence)) {
      this.#begun.set(sequence, now);
      this.#waiting.get(sequence)?.();
    }
  }

  async waitFor(sequence, seconds) {
    if (!this.#begun.has(sequence) && seconds > 0) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, seconds * 1000);
        this.#waiting.set(sequence, () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#begun.get(sequence);
  }
}

// Enqueues one message after another on an idle queue. `enqueue` gives the time at which the
// message was committed: when its call had returned. A handler that was quicker than that return
// has a latency of 0.
export async function latencies(asked, arrivals, enqueue) {
  const begin = monotonicNanoseconds();
  const taken = [];
  for (let sequence = 0; sequence < asked.count; sequence += 1) {
    const committed = await enqueue(sequence);
    const begun = await arrivals.waitFor(sequence, asked.seconds - secondsSince(begin));
    // A message on its way when the time is over has no latency that could be told.
    if (begun === undefined) break;
    taken.push(Math.max(0, Number(begun - committed)));
    // Whoever looks at a fixed pace would be met at the same moment each time.
    await sleep(PAUSE_MILLISECONDS * (0.6 + (0.8 * (sequence % 97)) / 97));
  }
  if (taken.length === 0) throw new Error("no message was handled in the time given");
  taken.sort((one, other) => one - other);
  const rank = (part) => taken[Math.max(1, Math.ceil(taken.length * part)) - 1] / 1000;
  return {
    count: taken.length,
    seconds: secondsSince(begin),
    latency_us: { p50: rank(0.5), p99: rank(0.99), p999: rank(0.999), max: rank(1) },
  };
}

// A producer in a process of its own, which enqueues a message whenever it is asked to.
export class Elsewhere {
  #process;
  #answers;

  static async start(asked) {
    const elsewhere = new Elsewhere();
    const words = [process.argv[1], "produce"];
    words.push("--directory", asked.directory, "--setting", asked.setting);
    elsewhere.#process = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: elsewhere.#process.stdout });
    elsewhere.#answers = lines[Symbol.asyncIterator]();
    await elsewhere.#answer();
    return elsewhere;
  }

  async enqueue(sequence) {
    this.#process.stdin.write(`${sequence}\n`);
    return this.#answer();
  }

  async #answer() {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("the producer in the other process has ended");
    return BigInt(value);
  }

  // The end of its input ends the producer; one that hangs is ended by its id.
  async end() {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.stdin.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(timer);
  }
}

// The producer's side of `Elsewhere`: enqueues on request until its input ends.
export async function produceOnRequest(enqueue) {
  console.log(String(monotonicNanoseconds()));
  for await (const line of createInterface({ input: process.stdin })) {
    enqueue(Number(line));
    console.log(String(monotonicNanoseconds()));
  }
}

// The whole of a program: reads the arguments, has the case done and prints its reading.
export async function run(subject, perform) {
  try {
    const asked = read(process.argv.slice(2));
    const line = asked.case === "describe" ? subject : await answer(subject, asked, perform);
    if (line !== undefined) console.log(JSON.stringify(line));
  } catch (problem) {
    console.error(`${subject.subject}: ${problem.stack}`);
    process.exitCode = 1;
  }
}

function read([name, ...words]) {
  const asked = {
    case: name,
    directory: "",
    setting: "default",
    count: 10_000,
    callers: 1,
    batch: 1,
    seconds: 10,
  };
  for (let at = 0; at < words.length; at += 2) {
    const key = words[at].replace(/^--/, "");
    if (!(key in asked) || words[at + 1] === undefined) {
      throw new Error(`${words[at]} is not an argument or has no value`);
    }
    asked[key] = typeof asked[key] === "number" ? Number(words[at + 1]) : words[at + 1];
  }
  return asked;
}

async function answer(subject, asked, perform) {
  if (!statSync(asked.directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Error("--directory has to name a directory that exists");
  }
  if (!subject.settings.some((setting) => setting.name === asked.setting)) {
    throw new Error(`there is no setting ${asked.setting}`);
  }
  const line = { subject: subject.subject, version: subject.version, setting: asked.setting };
  try {
    const reading = await perform(asked);
    if (reading === undefined) return undefined;
    const sizes = { peak_bytes: peakBytes(), file_bytes: bytesOfFiles(asked.directory) };
    return { ...line, ...reading, ...sizes };
  } catch (problem) {
    if (problem instanceof Cannot) return { ...line, cannot: problem.message };
    throw problem;
  }
}

// The most memory that this process ever had, as Linux counts it; 0 where it is not told.
function peakBytes() {
  try {
    const line = readFileSync("/proc/self/status", "ascii").match(/^VmHWM:\s*(\d+) kB$/m);
    return line ? Number(line[1]) * 1024 : 0;
  } catch {
    return 0;
  }
}

function bytesOfFiles(directory) {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    // A log file may be removed meanwhile by another process.
    bytes += entry.isDirectory()
      ? bytesOfFiles(path)
      : (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  }
  return bytes;
}
