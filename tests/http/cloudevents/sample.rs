//! Messages of every kind, and what is known of them before they are sent.

use crate::stage::Stage;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use surehand::rusqlite::Connection;
use surehand::{Message, Outbox};

/// What a message is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) payload: Vec<u8>,
}

impl Sample {
    pub(crate) fn of(content_type: Option<&'static str>, payload: &[u8]) -> Self {
        let (topic, payload) = ("order.placed".into(), payload.to_vec());
        Self { topic, content_type, payload, ..Self::default() }
    }

    pub(crate) fn message(&self) -> Message {
        let mut message = Message::new(&self.topic).payload(self.payload.clone());
        if let Some(key) = &self.key {
            message = message.key(key);
        }
        if let Some(content_type) = self.content_type {
            message = message.content_type(content_type);
        }
        self.headers.iter().fold(message, |message, (name, value)| message.header(name, value))
    }

    pub(crate) fn is_json(&self) -> bool {
        self.content_type.is_some_and(|content_type| content_type.contains("json"))
    }
}

/// What the outbox adds to a message.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) created_at_ms: i64,
    pub(crate) seq: i64,
}

/// Enqueues them; what is known of each then is by its id.
pub(crate) fn put(stage: &Stage, samples: &[Sample]) -> BTreeMap<String, (Sample, Record)> {
    stage.put(samples.iter().map(Sample::message));
    let source = format!("urn:surehand:{}", Outbox::open(&stage.shop).unwrap().store_id());
    let shop = Connection::open(&stage.shop).unwrap();
    let sql = "SELECT seq, lower(hex(id)), created_at_ms FROM outbox_message ORDER BY seq";
    let mut read = shop.prepare(sql).unwrap();
    let records = read.query_map([], |row| {
        let hex: String = row.get(1)?;
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        let (id, source) = (parts.join("-"), source.clone());
        Ok(Record { id, source, created_at_ms: row.get(2)?, seq: row.get(0)? })
    });
    let records = records.unwrap().map(Result::unwrap);
    records.zip(samples).map(|(one, sample)| (one.id.clone(), (sample.clone(), one))).collect()
}

/// Chosen because each is written in another way.
pub(crate) fn chosen() -> Vec<Sample> {
    let (json, text) = (Some("application/json"), Some("text/plain; charset=utf-8"));
    let mut samples = vec![
        Sample::of(json, br#"{"order_id":41,"price":1.50,"note":"\u00e9"}"#),
        Sample::of(Some("application/vnd.shop+json"), b"[1,2.0,-0,1e3]"),
        Sample::of(json, b" \r\n{ \"order_id\" : 41 }\n"),
        Sample::of(json, b"{\"cut off"),
        Sample::of(json, b"\"data_base64\""),
        Sample::of(json, b"null"),
        Sample::of(json, b""),
        Sample::of(text, b"null"),
        Sample::of(text, "two lines\r\n\"\u{20ac}\"\0\u{7f}".as_bytes()),
        Sample::of(text, b""),
        Sample::of(text, b"\xff\xfe no text at all"),
        Sample::of(Some("application/octet-stream"), &[0, 255, 128, 10, 13]),
        Sample::of(None, b"{\"a\":1} "),
        Sample::of(None, b"text"),
        Sample::of(None, &[0, 159, 146, 150]),
        Sample::of(None, b""),
    ];
    let named = [
        ("\u{540d}\u{524d}.\u{1f4e6}", Some("K\u{f6}ln \"5%\"")),
        ("tab\there", Some("a\r\nce-id: forged")),
        ("a.b", Some("")),
        (" blanks ", Some(" ")),
    ];
    samples.extend(named.map(|(topic, key)| Sample {
        topic: topic.into(),
        key: key.map(str::to_owned),
        ..Sample::of(json, b"1")
    }));
    let headers: [&[(&str, &str)]; 5] = [
        &[("tenant", "north"), ("attempt2", "\u{e9}t\u{e9} 100%\r\n")],
        &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
        &[("Tenant", "north"), ("tenant", "south")],
        &[("id", "forged"), ("data", "forged"), ("surehandkey", "forged"), ("sequence", "-1")],
        &[("", "empty"), ("a-name", "-"), ("abcdefghijklmnopqrstu", "21"), ("fits", "")],
    ];
    let pairs = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    samples.extend(headers.map(|headers| Sample {
        headers: headers.iter().map(pairs).collect(),
        ..Sample::of(json, b"1")
    }));
    samples
}

/// Any messages.
pub(crate) fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    let text = |most| vec(any::<char>(), 0..most).prop_map(String::from_iter);
    let content_type = proptest::sample::select(vec![
        None,
        Some("application/json"),
        Some("application/vnd.shop+json"),
        Some("text/plain"),
        Some("application/octet-stream"),
    ]);
    let payload = prop_oneof![
        vec(any::<u8>(), 0..40),
        any::<String>().prop_map(String::into_bytes),
        text(9).prop_map(|text| serde_json::to_vec(&text).unwrap()),
        "[ \n]{0,2}(\\{\"a\": ?[0-9]{1,18}\\}|\\[true,1\\.[0-9]{1,9}\\])[ \n]{0,2}"
            .prop_map(String::into_bytes),
    ];
    let name = prop_oneof!["[a-z0-9]{1,21}", "[a-zA-Z-]{1,5}", text(4)];
    let topic = vec(any::<char>(), 1..60).prop_map(String::from_iter);
    let key = proptest::option::of(text(60));
    let sample = (topic, key, btree_map(name, text(12), 0..4), content_type, payload);
    let sample = sample.prop_map(|(topic, key, headers, content_type, payload)| Sample {
        topic,
        key,
        headers,
        content_type,
        payload,
    });
    vec(sample, 1..30)
}
