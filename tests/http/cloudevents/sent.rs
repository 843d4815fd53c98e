//! What the transport sends as JSON, one event or an array of them.

use super::sample::{Record, Sample, any_samples, chosen, put};
use crate::foreign::{Taken, sent};
use crate::stage::{Stage, secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudevents::event::ExtensionValue;
use cloudevents::{AttributesReader, Data, Event};
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use surehand::transport::{Http, HttpBuilder};

/// Names that mean something else to CloudEvents, or to us.
const TAKEN: [&str; 10] = [
    "id",
    "source",
    "type",
    "specversion",
    "subject",
    "time",
    "data",
    "datacontenttype",
    "dataschema",
    "sequence",
];

/// The extensions that others are to see.
pub(super) fn extensions(sample: &Sample, record: &Record) -> BTreeMap<String, String> {
    let fits = |name: &str| {
        let letters = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
        let is_free = !TAKEN.contains(&name) && !name.starts_with("surehand");
        letters && is_free && (1..=20).contains(&name.len())
    };
    let mut extensions: BTreeMap<_, _> =
        sample.headers.clone().into_iter().filter(|(name, _)| fits(name)).collect();
    if sample.headers.keys().any(|name| !fits(name)) {
        let all = serde_json::to_string(&sample.headers).unwrap();
        extensions.insert("surehandheaders".into(), all);
    }
    if sample.key.as_deref() == Some("") {
        extensions.insert("surehandkey".into(), String::new());
    }
    extensions.insert("sequence".into(), format!("{:019}", record.seq));
    extensions
}

/// The SDK reads of it what was put into the outbox.
#[track_caller]
fn is_the_event(document: &str, sample: &Sample, record: &Record) {
    let event: Event = serde_json::from_str(document).unwrap_or_else(|error| {
        panic!("the SDK does not read {document}, of {sample:?}: {error}");
    });
    assert_eq!(event.id(), record.id);
    assert_eq!(event.source().as_str(), record.source);
    assert_eq!(event.ty(), sample.topic);
    assert_eq!(event.subject(), sample.key.as_deref().filter(|key| !key.is_empty()));
    assert_eq!(event.time().unwrap().timestamp_millis(), record.created_at_ms);
    assert_eq!(event.datacontenttype(), sample.content_type);
    assert_eq!(event.dataschema(), None);
    let found = event.iter_extensions().map(|(name, value)| match value {
        ExtensionValue::String(text) => (name.to_owned(), text.clone()),
        other => panic!("{name} is no text but {other:?}"),
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), extensions(sample, record), "{document}");
    match event.data() {
        None => assert!(sample.payload.is_empty(), "nothing is left of {sample:?}"),
        Some(Data::Json(value)) => {
            assert_eq!(value, &serde_json::from_slice::<Value>(&sample.payload).unwrap());
        }
        Some(Data::String(text)) => assert_eq!(text.as_bytes(), sample.payload),
        Some(Data::Binary(bytes)) => {
            assert_eq!(bytes, &sample.payload);
            let is_text = sample.content_type.is_some() && !sample.is_json();
            let is_readable = is_text && std::str::from_utf8(bytes).is_ok();
            assert!(!is_readable, "it could be text: {document}");
        }
    }
    assert_eq!(bytes(document, sample), sample.payload, "{document}");
}

/// The payload, byte for byte, by the rules of the JSON format (section 3.1): the SDK keeps no more
/// of JSON than what it means.
fn bytes(document: &str, sample: &Sample) -> Vec<u8> {
    let members: HashMap<String, &RawValue> = serde_json::from_str(document).unwrap();
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).unwrap();
    match (members.get("data"), members.get("data_base64")) {
        (None, None) => Vec::new(),
        (None, Some(raw)) => STANDARD.decode(text(raw)).unwrap(),
        (Some(raw), None) if sample.is_json() => raw.get().into(),
        (Some(raw), None) => text(raw).into_bytes(),
        (Some(_), Some(_)) => panic!("data twice in {document}"),
    }
}

/// Sends them, and has the SDK read each.
async fn are_understood(samples: &[Sample], http: impl FnOnce(String) -> HttpBuilder) {
    let stage = Stage::set();
    let expected = put(&stage, samples);
    let taken = sent(&stage, http).await;
    let mut ids = BTreeSet::new();
    for document in taken.iter().flat_map(documents) {
        let event: Event = serde_json::from_str(&document).unwrap();
        let (sample, record) = &expected[event.id()];
        is_the_event(&document, sample, record);
        assert!(ids.insert(event.id().to_owned()), "{document} came twice");
    }
    assert_eq!(ids.len(), samples.len());
}

/// The events of a request, as text.
fn documents(taken: &Taken) -> Vec<String> {
    let body = std::str::from_utf8(&taken.body).unwrap();
    match taken.field("content-type") {
        "application/cloudevents+json" => {
            let event: Event = serde_json::from_str(body).unwrap();
            assert_eq!(taken.field("webhook-id"), event.id(), "one id for one message");
            assert_eq!(taken.field("idempotency-key"), event.id());
            vec![body.to_owned()]
        }
        "application/cloudevents-batch+json" => {
            let events: Vec<&RawValue> = serde_json::from_str(body).unwrap();
            // The SDK reads the whole as well.
            let read: Vec<Event> = serde_json::from_str(body).unwrap();
            assert_eq!(read.len(), events.len());
            events.into_iter().map(|event| event.get().to_owned()).collect()
        }
        other => panic!("{other} was not expected"),
    }
}

#[tokio::test]
async fn one_event_in_a_request() {
    are_understood(&chosen(), Http::unsigned).await;
    are_understood(&chosen(), |url| Http::signed(url, secret(1))).await;
}

#[tokio::test]
async fn several_events_in_a_request() {
    are_understood(&chosen(), |url| Http::unsigned(url).batches(100)).await;
    are_understood(&chosen(), |url| Http::signed(url, secret(1)).batches(7)).await;
}

/// Valid JSON that many readers refuse would take the event down with it, and in a batch all the
/// others.
#[tokio::test]
async fn data_that_readers_of_json_refuse_does_not_spoil_the_event() {
    let deep = ["[".repeat(200), "]".repeat(200)].concat();
    for payload in ["\"\\ud800\"", "1e999", "{\"\\udfff\":1}", &deep] {
        let samples = [Sample::of(Some("application/json"), payload.as_bytes())];
        are_understood(&samples, Http::unsigned).await;
        are_understood(&samples, |url| Http::unsigned(url).batches(9)).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_events(samples in any_samples(), in_batches: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(are_understood(&samples, |url| match in_batches {
            true => Http::unsigned(url).batches(8),
            false => Http::unsigned(url),
        }));
    }
}
