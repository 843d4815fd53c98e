//! A client that sends exactly what it is told.

use crate::stage::secret;
use serde_json::Value;
use std::net::SocketAddr;
use surehand::clock::{Clock, System};
use surehand::http::{Secret, Signer};

/// What came back.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) status: u16,
    pub(crate) fields: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Came {
    /// The name of the problem that the answer is, which has to be one.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let document: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document["status"], self.status);
        assert!(document["title"].is_string() && document["detail"].is_string());
        let kind = document["type"].as_str().unwrap();
        kind.strip_prefix("urn:surehand:problem:").unwrap().to_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A request to be.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn now_s() -> i64 {
    System.now().wall_ms / 1_000
}

impl Post {
    pub(crate) fn new(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let fields = vec![("content-type".into(), media_type.into())];
        Self { fields, body: body.into() }
    }

    pub(crate) fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Signed now with the first secret.
    pub(crate) fn signed(self, id: &str) -> Self {
        self.signed_with(secret(1), id, now_s())
    }

    pub(crate) fn signed_with(self, secret: Secret, id: &str, at_s: i64) -> Self {
        let signature = Signer::new(secret).sign(id, at_s, &self.body);
        self.field("webhook-id", id)
            .field("webhook-timestamp", at_s.to_string())
            .field("webhook-signature", signature)
    }

    pub(crate) async fn to(self, address: SocketAddr) -> Came {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(no_tls())
            .no_proxy()
            .build()
            .unwrap();
        let mut request = client.post(format!("http://{address}/")).body(self.body);
        for (name, value) in self.fields {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let (status, fields) = (response.status().as_u16(), response.headers().clone());
        Came { status, fields, body: response.bytes().await.unwrap().to_vec() }
    }
}

/// Nobody is trusted: these tests speak plain HTTP to their own machine.
fn no_tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// An order as a CloudEvent of a sender that is no outbox of ours.
pub(crate) fn event(id: &str, order: i64) -> String {
    serde_json::json!({
        "specversion": "1.0", "id": id, "source": "/shops/north", "type": "order.placed",
        "datacontenttype": "application/json", "data": order,
    })
    .to_string()
}

pub(crate) const EVENT: &str = "application/cloudevents+json";
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";
