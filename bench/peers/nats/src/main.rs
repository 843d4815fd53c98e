//! Drives NATS JetStream: a server of its own on this machine, a stream in files that keeps a
//! message until it is acknowledged, and one client connection that all tasks share.

mod server;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context};
use futures::StreamExt;
use reading::{
    Answer, Arguments, Arrivals, Deadline, Elsewhere, Problem, Reading, Setting, Share, Subject,
    payload,
};
use server::Server;
use tokio::runtime::Runtime;
use tokio::time::timeout;

const SETTINGS: &[Setting] = &[
    Setting {
        name: "default",
        survives_power_cut: false,
        note: "acknowledges a message before it is on the disk, and syncs every 2 minutes",
    },
    Setting {
        name: "always",
        survives_power_cut: true,
        note: "sync_interval: always, so each message is on the disk before it is acknowledged",
    },
];

const STREAM: &str = "MESSAGES";

const TOPIC: &str = "messages";

const CONSUMER: &str = "worker";

const FILL_BATCH: u64 = 1_000;

/// How long the answers to what was sent are waited for when the time is over.
const GRACE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let version = match server::version() {
        Ok(version) => version,
        Err(problem) => {
            eprintln!("nats: the server cannot be run: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let subject = Subject {
        name: "nats",
        version: version.leak(),
        settings: SETTINGS,
        acknowledges: true,
        deduplicates: true,
        joins_callers_transaction: false,
        order_within_key: false,
    };
    reading::run(&subject, perform)
}

fn perform(arguments: &Arguments) -> Result<Answer, Problem> {
    let runtime = Runtime::new()?;
    if arguments.case == "produce" {
        let context = runtime.block_on(connect(&Server::address_in(&arguments.directory)?))?;
        reading::produce_on_request(|sequence| runtime.block_on(publish(&context, sequence)))?;
        return Ok(Answer::Nothing);
    }
    let server = Server::start(arguments)?;
    let context = runtime.block_on(connect(&server.address))?;
    let stream = runtime.block_on(open(&context))?;
    let reading = match arguments.case.as_str() {
        "enqueue" => runtime.block_on(enqueue(&context, arguments, Share::new(arguments)))?,
        "fill" => {
            let share = Share::to_fill(arguments, FILL_BATCH);
            runtime.block_on(enqueue(&context, arguments, share))?
        }
        "handle" => runtime.block_on(handle(&context, stream, arguments))?,
        "finished" => Reading::of(0, Duration::ZERO),
        "latency" | "latency-elsewhere" => latency(&runtime, &context, &stream, arguments)?,
        other => return Err(format!("there is no case {other}").into()),
    };
    let kept = match arguments.case.as_str() {
        "finished" => "; nothing is kept: acknowledging removes the message",
        _ => "",
    };
    let note = format!("syncs {}; memory of client and server{kept}", server.sync()?);
    Ok(reading.with_memory_of(server.process_id()).note(note).into())
}

async fn connect(address: &str) -> Result<Context, Problem> {
    Ok(jetstream::new(async_nats::connect(address).await?))
}

/// A stream as a queue of work: in files, and a message is removed when it is acknowledged.
async fn open(context: &Context) -> Result<Stream, Problem> {
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec![TOPIC.to_owned()],
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::File,
        ..Config::default()
    };
    Ok(context.get_or_create_stream(config).await?)
}

async fn consumer(stream: &Stream) -> Result<PullConsumer, Problem> {
    let config = pull::Config {
        durable_name: Some(CONSUMER.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    };
    Ok(stream.get_or_create_consumer(CONSUMER, config).await?)
}

/// Sends a message and waits until the server says that it has it.
async fn publish(context: &Context, sequence: u64) -> Result<(), Problem> {
    context.publish(TOPIC, payload(sequence).into()).await?.await?;
    Ok(())
}

async fn enqueue(
    context: &Context,
    arguments: &Arguments,
    share: Share,
) -> Result<Reading, Problem> {
    let share = Arc::new(share);
    let callers: Vec<_> = (0..arguments.callers)
        .map(|_| tokio::spawn(enqueue_as_caller(context.clone(), Arc::clone(&share))))
        .collect();
    let mut stored = 0;
    for caller in callers {
        stored += caller.await??;
    }
    Ok(Reading::of(stored, share.elapsed()))
}

/// A batch is sent as a whole, and then the answers to all its messages are awaited. Gives how many
/// of them came: with many callers and a slow disk, some are still missing when the time is over.
async fn enqueue_as_caller(context: Context, share: Arc<Share>) -> Result<u64, Problem> {
    let mut stored = 0;
    while let Some(batch) = share.next() {
        let mut answers = Vec::new();
        for sequence in batch {
            answers.push(context.publish(TOPIC, payload(sequence).into()).await?);
        }
        for answer in answers {
            let patience = share.remaining().saturating_add(GRACE);
            let Ok(answer) = timeout(patience, answer.into_future()).await else {
                return Ok(stored);
            };
            answer?;
            stored += 1;
        }
    }
    Ok(stored)
}

async fn handle(
    context: &Context,
    mut stream: Stream,
    arguments: &Arguments,
) -> Result<Reading, Problem> {
    let pending = stream.info().await?.state.messages;
    let consumer = consumer(&stream).await?;
    let deadline = Deadline::after(arguments.time);
    let mut messages = consumer.messages().await?;
    let mut handled = 0;
    while handled < pending {
        let Ok(Some(message)) = timeout(deadline.remaining(), messages.next()).await else { break };
        message?.ack().await?;
        handled += 1;
    }
    context.client().flush().await?;
    // The server removes what is acknowledged a little later, and only what it removed counts.
    let mut left = stream.info().await?.state.messages;
    while left > pending - handled && !deadline.has_passed() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        left = stream.info().await?.state.messages;
    }
    Ok(Reading::of(pending - left, deadline.elapsed()))
}

fn latency(
    runtime: &Runtime,
    context: &Context,
    stream: &Stream,
    arguments: &Arguments,
) -> Result<Reading, Problem> {
    let arrivals = Arc::new(Arrivals::new(arguments.count));
    let consumer = runtime.block_on(consumer(stream))?;
    let worker = runtime.spawn(work(consumer, Arc::clone(&arrivals)));
    let deadline;
    let latencies = if arguments.case == "latency" {
        deadline = Deadline::after(arguments.time);
        reading::latencies(arguments, &arrivals, |sequence| {
            runtime.block_on(publish(context, sequence))?;
            Ok(reading::monotonic_nanoseconds())
        })?
    } else {
        let mut elsewhere = Elsewhere::start(arguments)?;
        deadline = Deadline::after(arguments.time);
        reading::latencies(arguments, &arrivals, |sequence| elsewhere.enqueue(sequence))?
    };
    worker.abort();
    Ok(Reading::of_latencies(latencies, deadline.elapsed()))
}

async fn work(consumer: PullConsumer, arrivals: Arc<Arrivals>) -> Result<(), Problem> {
    let mut messages = consumer.messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        arrivals.handler_begins(&message.payload);
        message.ack().await?;
    }
    Ok(())
}
