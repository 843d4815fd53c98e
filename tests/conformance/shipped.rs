//! Every transport that is shipped keeps what a transport promises.

use surehand::testing::conformance::{Conformance, Consumer, Finding, Report};
use surehand::transport::{self, Function, Local};

/// The checks that were not made, with their reasons.
fn skipped(report: &Report) -> Vec<(&str, &str)> {
    let checks = report.checks.iter();
    let skipped = checks.filter_map(|check| match &check.finding {
        Finding::Skipped(why) => Some((check.name.as_str(), why.as_str())),
        _ => None,
    });
    skipped.collect()
}

fn function(consumer: Consumer) -> Function {
    transport::function(move |envelope| {
        let consumer = consumer.clone();
        async move { consumer.take(envelope).await }
    })
}

#[test]
fn local_keeps_its_promises() {
    let report = Conformance::with_inbox("local", Local::new).run();
    println!("{report}");
    report.assert();
    let skips = [("a prepare step is its own message's", "nothing is prepared")];
    assert_eq!(skipped(&report), skips);
}

#[test]
fn local_with_prepare_steps_keeps_its_promises() {
    let report = Conformance::with_inbox("local, prepared", Local::new).prepared().run();
    println!("{report}");
    report.assert();
    assert_eq!(skipped(&report), []);
}

#[test]
fn a_function_keeps_its_promises() {
    let report = Conformance::with_function("function", function).run();
    println!("{report}");
    report.assert();
    let no_inbox = "no inbox at its end";
    let skips = [
        ("a request is applied in its order", no_inbox),
        ("a prepare step is its own message's", "nothing is prepared"),
        ("a duplicate is answered, and has no effect", "nobody remembers"),
        ("a statement is merged, and lets the consumer forget", no_inbox),
        ("what an inbox says comes back as it is", no_inbox),
        ("who is not registered is fenced", no_inbox),
        ("a store that went back in time is noticed", no_inbox),
        ("no settler outlives a consumer that is gone", no_inbox),
    ];
    assert_eq!(skipped(&report), skips);
}

#[test]
fn a_function_that_calls_one_at_a_time_keeps_its_promises() {
    let one = |consumer| function(consumer).concurrency(1);
    Conformance::with_function("function, one at a time", one).run().assert();
}

#[test]
fn a_shared_transport_keeps_its_promises() {
    let shared = |inbox| std::sync::Arc::new(Local::new(inbox));
    Conformance::with_inbox("shared", shared).run().assert();
}
