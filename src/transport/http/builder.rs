//! What may be chosen about an endpoint, and what has to be asked for by name.

use super::Http;
use super::client::{self, Terms};
use super::form::Form;
use super::pace::Pace;
use super::send::Endpoint;
use crate::clock::{Clock, System};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Signer;
use reqwest::Url;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// An endpoint to be: where it is and how it is spoken to. [`start`](Self::start) makes the
/// [`Http`] transport.
#[derive(Clone)]
#[must_use = "nothing is sent before `start`"]
pub struct HttpBuilder {
    url: String,
    form: Form,
    allows_plain_http: bool,
    topics: Vec<String>,
    connect_timeout: Duration,
    answer_timeout: Duration,
    requests: Option<usize>,
    rate: Option<u32>,
    certificates: Vec<Vec<u8>>,
    clock: Arc<dyn Clock>,
}

impl Http {
    /// An endpoint whose requests are signed, with one key or (while keys are changed) several.
    pub fn signed(url: impl Into<String>, signer: impl Into<Signer>) -> HttpBuilder {
        HttpBuilder::new(url.into(), Some(signer.into()))
    }

    /// An endpoint that cannot tell who sends: whoever reaches it can make it do things.
    pub fn unsigned(url: impl Into<String>) -> HttpBuilder {
        HttpBuilder::new(url.into(), None)
    }
}

impl HttpBuilder {
    fn new(url: String, signer: Option<Signer>) -> Self {
        Self {
            url,
            form: Form { signer, to_inbox: false, binary: false, batch: None, gzip: false },
            allows_plain_http: false,
            topics: vec![">".into()],
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(60),
            requests: None,
            rate: None,
            certificates: Vec::new(),
            clock: Arc::new(System),
        }
    }

    /// The other end is an [`Inbox`](crate::Inbox) behind a
    /// [receiver](crate::Inbox::into_router): it is greeted, told what is settled, and checks the
    /// order within a key itself. An answer counts only if it bears an inbox's mark.
    pub fn to_inbox(mut self) -> Self {
        self.form.to_inbox = true;
        self
    }

    /// Attributes in header fields and the payload as the body (CloudEvents' binary mode), instead
    /// of one JSON document with both. A signature covers the body only: who is on the way may
    /// change the attributes. A message whose content type fits into no field goes as JSON.
    pub fn binary(mut self) -> Self {
        self.form.binary = true;
        self
    }

    /// Up to so many messages in one request, as a JSON array of documents. The answer names each
    /// of them; a bare 2xx acknowledges all.
    pub fn batches(mut self, messages: usize) -> Self {
        self.form.batch = Some(messages.max(1));
        self
    }

    /// Bodies of more than 1 KiB are compressed. Only where the other end is known to unpack them.
    pub fn gzip(mut self) -> Self {
        self.form.gzip = true;
        self
    }

    /// Takes a URL with `http:`: whoever is on the way can read and change what is sent. Not needed
    /// for this very machine (`localhost`, `127.0.0.1`, `[::1]`).
    pub fn allowing_plain_http(mut self) -> Self {
        self.allows_plain_http = true;
        self
    }

    /// The topics that this endpoint takes: all of them unless told otherwise.
    pub fn topics(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.topics = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// How long a connection may take to come about: 5 s unless told otherwise.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long an answer is listened for: 60 s unless told otherwise. The subscription's own
    /// timeout decides when a message is sent again; an answer that comes between the two counts.
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// How many requests are under way at a time: 64 unless told otherwise, 4 with batches, and one
    /// with batches to an inbox: several may overtake each other, and what comes before an earlier
    /// message of its key is refused there and sent again. Worth raising over a slow network, for
    /// messages without keys or of very many.
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = Some(requests.max(1));
        self
    }

    /// No more requests a second than this.
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = Some(per_second.max(1));
        self
    }

    /// Trusts this certificate authority too: a certificate in PEM.
    pub fn trusting(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.certificates.push(certificate.into());
        self
    }

    /// Where the time of signatures comes from; the machine's clock unless told otherwise.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The transport. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidEndpoint`] when the URL is none, or is plain `http:` to another machine
    /// without that being allowed; when a certificate cannot be read, or TLS cannot be set up.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime: requests are made on the one that this is called from.
    pub fn start(self) -> Result<Http> {
        let url = self.url()?;
        let requests = self.requests.unwrap_or(match (self.form.batch, self.form.to_inbox) {
            (Some(_), true) => 1,
            (Some(_), false) => 4,
            (None, _) => 64,
        });
        let client = client::client(&Terms {
            is_secure: url.scheme() == "https",
            connect_timeout: self.connect_timeout,
            answer_timeout: self.answer_timeout,
            certificates: &self.certificates,
        })?;
        let endpoint = Endpoint {
            url,
            client,
            form: self.form,
            requests,
            permits: Semaphore::new(requests),
            pace: self.rate.map(|rate| Pace::new(rate, Arc::clone(&self.clock))),
            clock: self.clock,
        };
        Ok(Http { endpoint: Arc::new(endpoint), runtime: Handle::current(), topics: self.topics })
    }

    fn url(&self) -> Result<Url> {
        let invalid = |why: &str, advice: &'static str| {
            Error::new(ErrorKind::InvalidEndpoint, format!("the endpoint {why}"), advice)
        };
        let advice = "give a URL such as https://warehouse.example/inbox";
        // The text of a URL may hold a password: not said.
        let url =
            Url::parse(&self.url).map_err(|error| invalid("is no URL", advice).because(error))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.allows_plain_http || is_this_machine(&url) => Ok(url),
            "http" => Err(invalid(
                "is plain http to another machine",
                "use https, or ask for it with `allowing_plain_http`",
            )),
            _ => Err(invalid("is neither https nor http", advice)),
        }
    }
}

/// Without the URL, which may hold a password or a token.
impl fmt::Debug for HttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBuilder").field("form", &self.form).finish_non_exhaustive()
    }
}

fn is_this_machine(url: &Url) -> bool {
    use std::net::IpAddr;
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
