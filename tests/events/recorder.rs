//! A subscriber of `tracing` that remembers what it is told.

use super::stage::eventually;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, Once};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) level: Level,
    pub(crate) text: String,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Seen {
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.fields.get(name).is_some_and(|found| found == value)
    }

    /// It is about this subscription, and says whose event it is.
    pub(crate) fn is_about(&self, subscription: &str) -> bool {
        self.has("messaging.destination.subscription.name", subscription)
            && self.has("messaging.system", "surehand")
    }
}

/// From now on events are remembered.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Recorder).unwrap());
}

/// The first event of that text that is as wanted, once there is one.
#[track_caller]
pub(crate) fn hear(level: Level, text: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
    let of_that_text =
        || SEEN.lock().unwrap().iter().filter(|seen| seen.text == text).cloned().collect();
    let found = eventually(|| {
        let all: Vec<Seen> = of_that_text();
        all.into_iter().find(|seen| wanted(seen))
    });
    let seen = found.unwrap_or_else(|| panic!("{text:?} is not among {:#?}", of_that_text()));
    assert_eq!(seen.level, level, "{seen:?}");
    seen
}

struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("surehand")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let text = fields.0.remove("message").unwrap_or_default();
        let level = *event.metadata().level();
        SEEN.lock().unwrap().push(Seen { level, text, fields: fields.0 });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
