//! What the transport sends in header fields, by the rules of the HTTP binding (section 3.1): the
//! SDK reads them with the types of one web framework or another only.

use super::sample::{Record, Sample, any_samples, chosen, put};
use super::sent::extensions;
use crate::foreign::{Taken, sent};
use crate::stage::Stage;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use surehand::transport::Http;

/// What a field holds. Nothing but printable ASCII is in it, and no more than has to be is encoded
/// (section 3.1.3.2).
#[track_caller]
fn decoded(value: &str) -> String {
    let is_plain = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b'"' && byte != b'%';
    let (mut bytes, mut rest) = (Vec::new(), value.as_bytes());
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            assert!(is_plain(*byte), "{value:?} has a byte that has to be encoded");
            bytes.push(*byte);
            continue;
        }
        let digits = std::str::from_utf8(&after[..2]).unwrap();
        assert_eq!(digits, digits.to_ascii_uppercase(), "{value:?}");
        let byte = u8::from_str_radix(digits, 16).unwrap();
        assert!(!is_plain(byte), "{value:?} encodes a byte that stands for itself");
        bytes.push(byte);
        rest = &after[2..];
    }
    String::from_utf8(bytes).unwrap()
}

/// The fields and the body say what was put into the outbox.
#[track_caller]
fn is_the_event(taken: &Taken, sample: &Sample, record: &Record) {
    let mut expected = extensions(sample, record);
    expected.extend([
        ("specversion".into(), "1.0".into()),
        ("id".into(), record.id.clone()),
        ("source".into(), record.source.clone()),
        ("type".into(), sample.topic.clone()),
        ("surehandattempt".into(), "1".into()),
    ]);
    let subject = sample.key.clone().filter(|key| !key.is_empty());
    expected.extend(subject.map(|key| ("subject".into(), key)));
    let mut found = BTreeMap::new();
    for name in taken.fields.keys() {
        if let Some(attribute) = name.as_str().strip_prefix("ce-") {
            found.insert(attribute.to_owned(), decoded(taken.field(name.as_str())));
        }
    }
    let time: jiff::Timestamp = found.remove("time").unwrap().parse().unwrap();
    assert_eq!(time.as_millisecond(), record.created_at_ms);
    assert_eq!(found, expected);
    // The type of the data is the type of the body, and has no field of its own.
    let content_type = taken.fields.get("content-type").map(|field| field.to_str().unwrap());
    assert_eq!(content_type, sample.content_type);
    assert_eq!(taken.body, sample.payload);
}

async fn are_understood(samples: &[Sample]) {
    let stage = Stage::set();
    let expected = put(&stage, samples);
    let taken = sent(&stage, |url| Http::unsigned(url).binary()).await;
    let mut ids = BTreeSet::new();
    for one in &taken {
        let id = one.field("ce-id");
        let (sample, record) = &expected[id];
        is_the_event(one, sample, record);
        assert!(ids.insert(id.to_owned()), "{id} came twice");
    }
    assert_eq!(ids.len(), samples.len());
}

#[tokio::test]
async fn attributes_are_fields_and_the_payload_is_the_body() {
    are_understood(&chosen()).await;
}

#[tokio::test]
async fn a_content_type_that_fits_into_no_field_goes_as_json() {
    let stage = Stage::set();
    let expected = put(&stage, &[Sample::of(Some("text/plain; name=\u{e9}"), b"1")]);
    let [one] = &sent(&stage, |url| Http::unsigned(url).binary()).await[..] else {
        panic!("it is one request");
    };
    assert_eq!(one.field("content-type"), "application/cloudevents+json");
    assert!(!one.fields.contains_key("ce-specversion"), "it is not both");
    let event: cloudevents::Event = serde_json::from_slice(&one.body).unwrap();
    let (sample, _) = &expected[cloudevents::AttributesReader::id(&event)];
    assert_eq!(cloudevents::AttributesReader::datacontenttype(&event), sample.content_type);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_events(samples in any_samples()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(are_understood(&samples));
    }
}
