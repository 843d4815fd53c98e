//! Media types: which ones there are, and how one is told from another.

/// One event, its attributes and its data in one JSON object.
pub(crate) const EVENT: &str = "application/cloudevents+json";
/// A JSON array of such events.
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";
/// A hello or a statement of a relay; see `docs/http.md`.
pub(crate) const CONTROL: &str = "application/vnd.surehand.control+json";
/// What became of each event of a batch.
pub(crate) const ANSWERS: &str = "application/vnd.surehand.answers+json";
/// A refusal (RFC 9457).
pub(crate) const PROBLEM: &str = "application/problem+json";
/// What a handler answered.
pub(crate) const JSON: &str = "application/json";

/// The field in which an inbox says which revision took effect, `-` if that is not known any more:
/// the mark of its answers.
pub(crate) const REVISION: &str = "surehand-revision";
/// The field that says that the effect is from an earlier attempt.
pub(crate) const DUPLICATE: &str = "surehand-duplicate";

/// The type without its parameters, in small letters.
pub(crate) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether content of this type is JSON (RFC 6839 for the suffix).
pub(crate) fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    essence == JSON || essence == "text/json" || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_capitals_do_not_count() {
        assert_eq!(essence(" Application/CloudEvents+JSON ; charset=UTF-8"), EVENT);
        assert!(is_json("application/problem+JSON; q=1"));
        assert!(!is_json("application/jsonp"));
    }
}
