//! One endpoint, and what is under way to it.

use super::answer::{Answer, EXCERPT_BYTES, Said, retry_after, said};
use super::errand::{Errand, Report};
use super::form::{Draft, Form};
use super::pace::Pace;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::handoff::{Applied, Hello, Outcome, lines};
use crate::http::control::{Control, read_welcome};
use crate::http::{answers, media};
use crate::message::Envelope;
use crate::transport::{Greeter, Ticket, Welcome};
use crate::watermark::Ranges;
use http::{HeaderMap, header};
use reqwest::{Client, Response, Url};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// The longest answer that is read: replies of a whole batch.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Payloads of one batch, but for the message that passes it.
const BATCH_BYTES: usize = 1024 * 1024;

/// Where messages go, and how.
pub(super) struct Endpoint {
    pub(super) url: Url,
    pub(super) client: Client,
    pub(super) form: Form,
    /// How many requests are under way at the most.
    pub(super) requests: usize,
    pub(super) permits: Semaphore,
    pub(super) pace: Option<Pace>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Endpoint {
    /// What may be said of where it is: no password, no query.
    pub(super) fn place(&self) -> String {
        format!("{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }

    /// As many messages as are under way four times over, and no more than five seconds' worth.
    pub(super) fn capacity(&self) -> usize {
        let waiting = self.requests.saturating_mul(4);
        let paced = self.pace.as_ref().map_or(usize::MAX, |pace| pace.per_second as usize * 5);
        waiting.min(paced).saturating_mul(self.form.batch.unwrap_or(1))
    }

    fn now_s(&self) -> i64 {
        self.clock.now().wall_ms.div_euclid(1_000)
    }

    /// Delivers what the relay asked for.
    pub(super) async fn run(self: Arc<Self>, errand: Errand) {
        if let Some(most) = self.form.batch.filter(|_| !errand.envelopes.is_empty()) {
            return self.batches(&errand, most).await;
        }
        let Errand { hello, settled, envelopes, report } = errand;
        // Before the messages: one of them may wait for what it says.
        if !settled.is_empty() && self.form.to_inbox {
            self.state(&hello, settled, &report).await;
        }
        for line in lines(envelopes) {
            let (endpoint, report) = (Arc::clone(&self), Arc::clone(&report));
            tokio::spawn(async move { endpoint.singles(&hello, line, &report).await });
        }
    }

    async fn state(&self, hello: &Hello, settled: Ranges, report: &Report) {
        let control = Control::Settled(*hello, settled);
        match self.post(self.form.control(&control, self.now_s())).await {
            Ok(answer) if answer.is_ok() && answer.mark.is_some() => report.confirm(),
            Ok(answer) => report.endpoint(said(&answer, true)),
            Err(said) => report.endpoint(said),
        }
    }

    /// One after the other; after a failure the rest of the key has to wait.
    async fn singles(&self, hello: &Hello, line: Vec<Envelope>, report: &Report) {
        let mut blocked = false;
        for envelope in line {
            let ticket = envelope.ticket();
            if blocked {
                report.settle([(ticket, Outcome::Blocked)]);
                continue;
            }
            let Ok(_permit) = self.permits.acquire().await else { return };
            if report.is_over() {
                return;
            }
            let answer = self.post(self.form.single(hello, &envelope, self.now_s())).await;
            let said = answer.map_or_else(|said| said, |answer| said(&answer, self.form.to_inbox));
            blocked = !report.say(ticket, said);
        }
    }

    async fn batches(&self, errand: &Errand, most: usize) {
        let mut settled = errand.settled.clone();
        let mut rest = errand.envelopes.as_slice();
        while !rest.is_empty() && !errand.report.is_over() {
            let (batch, after) = rest.split_at(fitting(rest, most));
            let refused = self.batch(errand, &settled, batch).await;
            // Not all of them may be to blame: each is sent alone.
            if let Some(outcome) = refused {
                match batch {
                    [alone] => errand.report.settle([(alone.ticket(), outcome)]),
                    _ => self.one_by_one(errand, &settled, batch).await,
                }
            }
            settled = Ranges::new();
            rest = after;
        }
    }

    async fn one_by_one(&self, errand: &Errand, settled: &Ranges, batch: &[Envelope]) {
        for alone in batch {
            if errand.report.is_over() {
                return;
            }
            if let Some(outcome) = self.batch(errand, settled, std::slice::from_ref(alone)).await {
                errand.report.settle([(alone.ticket(), outcome)]);
            }
        }
    }

    /// Sends one batch, and passes on what the answer proves; returns what it says of all of them
    /// together, if that is no acknowledgement.
    async fn batch(
        &self,
        errand: &Errand,
        settled: &Ranges,
        batch: &[Envelope],
    ) -> Option<Outcome> {
        let Errand { hello, report, .. } = errand;
        let tickets: Vec<Ticket> = batch.iter().map(Envelope::ticket).collect();
        // In line first, and written while others are under way.
        let write = async { self.form.batch(hello, settled, batch, self.now_s()) };
        let (permit, draft) = tokio::join!(biased; self.permits.acquire(), write);
        let _permit = permit.ok()?;
        if report.is_over() {
            return None;
        }
        let answer = match self.post(draft).await {
            Ok(answer) => answer,
            Err(said) => {
                report.endpoint(said);
                return None;
            }
        };
        if answer.is_ok() && answer.is_itemised {
            match answers::proved(&answer.body, &tickets) {
                Ok(outcomes) => {
                    report.settle(outcomes);
                    if answer.mark.is_some() && !settled.is_empty() {
                        report.confirm();
                    }
                }
                Err(why) => tracing::warn!(%why, "an answer to a batch proves nothing"),
            }
            return None;
        }
        // The mark of an inbox is on answers that name each message.
        let said = match said(&Answer { mark: None, ..answer }, self.form.to_inbox) {
            Said::Each(Outcome::Applied(applied)) => {
                let all = tickets.into_iter();
                report.settle(all.map(|ticket| (ticket, Outcome::Applied(applied.clone()))));
                return None;
            }
            Said::Each(outcome) => return Some(outcome),
            said => said,
        };
        report.endpoint(said);
        None
    }

    /// Asks to be listened to. Without an answer the relay asks again.
    pub(super) async fn greet(self: Arc<Self>, hello: Hello, greeter: Greeter) {
        if !self.form.to_inbox {
            return greeter.welcome(Welcome::Stranger);
        }
        let control = Control::Hello(hello);
        let answer = self.post(self.form.control(&control, self.now_s())).await;
        let welcome = match &answer {
            Ok(answer) if answer.is_ok() => read_welcome(&answer.body).ok(),
            _ => None,
        };
        match welcome {
            Some(welcome) => greeter.welcome(welcome),
            None => {
                let why = match answer {
                    Ok(answer) => answer.in_words(),
                    Err(said) => format!("{said:?}"),
                };
                tracing::warn!(to = self.place(), %why, "the inbox did not answer a hello");
            }
        }
    }

    /// Makes one request. What went wrong is either known not to have arrived, or is not known.
    async fn post(&self, draft: Draft) -> Result<Answer, Said> {
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
        let Draft { fields, body } = draft;
        let request = self.client.post(self.url.clone()).headers(fields).body(body);
        Ok(self.answer(request.send().await.map_err(lost)?).await)
    }

    /// The status and the fields say what happened; a body that is cut off only says less.
    async fn answer(&self, mut response: Response) -> Answer {
        let fields = response.headers();
        let wall_ms = u64::try_from(self.clock.now().wall_ms).unwrap_or(0);
        let now = UNIX_EPOCH + Duration::from_millis(wall_ms);
        let mut answer = Answer {
            status: response.status().as_u16(),
            retry_after: text(fields, header::RETRY_AFTER.as_str())
                .and_then(|field| retry_after(field, now)),
            mark: mark(fields),
            is_itemised: text(fields, header::CONTENT_TYPE.as_str())
                .is_some_and(|media_type| media::essence(media_type) == media::ANSWERS),
            body: Vec::new(),
        };
        // Of a body that nobody reads to the end the connection is not used again.
        let most = if answer.mark.is_some() || answer.is_itemised || self.form.to_inbox {
            ANSWER_BYTES
        } else {
            EXCERPT_BYTES
        };
        let is_whole = loop {
            let Ok(chunk) = response.chunk().await else { break false };
            let Some(chunk) = chunk else { break true };
            let room = most.saturating_sub(answer.body.len());
            answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                break false;
            }
        };
        if let Some(mark) = answer.mark.as_mut().filter(|_| is_whole && !answer.body.is_empty()) {
            mark.reply = Some(answer.body.clone());
        }
        answer
    }
}

/// How many of these fit into one batch: one at least.
fn fitting(envelopes: &[Envelope], most: usize) -> usize {
    let mut bytes = 0;
    let fits = envelopes.iter().take(most).take_while(|envelope| {
        let fits = bytes < BATCH_BYTES;
        bytes += envelope.payload().len();
        fits
    });
    fits.count().max(1)
}

/// Without a connection nothing arrived; of anything later nobody knows.
fn lost(error: reqwest::Error) -> Said {
    let is_unreached = error.is_connect();
    let why = Failure::retry(error.without_url()).to_string();
    if is_unreached { Said::Rest(why, None) } else { Said::Nothing(why) }
}

fn text<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a str> {
    fields.get(name)?.to_str().ok()
}

/// The mark of an inbox.
fn mark(fields: &HeaderMap) -> Option<Applied> {
    let revision = text(fields, media::REVISION)?.parse().ok();
    let duplicate = fields.contains_key(media::DUPLICATE);
    Some(Applied { revision, duplicate, reply: None })
}
