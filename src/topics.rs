//! Which topics a subscription takes.

/// Patterns over topics: words joined by dots, `*` for any one word, and `>` at the end for one or
/// more of any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topics(Vec<String>);

impl Topics {
    pub(crate) fn new(patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(patterns.into_iter().map(Into::into).collect())
    }

    /// As they are stored: a JSON array of texts. What is no such array takes nothing.
    pub(crate) fn parse(stored: &str) -> Self {
        Self(serde_json::from_str(stored).unwrap_or_default())
    }

    pub(crate) fn stored(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    pub(crate) fn contains(&self, topic: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, topic))
    }
}

/// Whether this is more than the name of one topic.
pub(crate) fn is_pattern(topic: &str) -> bool {
    topic.split('.').any(|word| word == "*" || word == ">")
}

fn matches(pattern: &str, topic: &str) -> bool {
    let mut words = topic.split('.');
    for part in pattern.split('.') {
        match (part, words.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (exact, Some(word)) if exact == word => {}
            _ => return false,
        }
    }
    words.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, topic: &str, expected: bool) {
        assert_eq!(Topics::new([pattern]).contains(topic), expected, "{pattern} on {topic}");
    }

    #[test]
    fn patterns_match_whole_words() {
        check("order.placed", "order.placed", true);
        check("order.placed", "order.placed.late", false);
        check("order.*", "order.placed", true);
        check("order.*", "order", false);
        check("order.*", "order.placed.late", false);
        check("order.>", "order.placed.late", true);
        check("order.>", "order", false);
        check(">", "order", true);
        check("*.placed", "order.placed", true);
        check("*.placed", "order.paid", false);
    }

    #[test]
    fn a_pattern_has_a_whole_word_that_stands_for_others() {
        for pattern in ["*", ">", "order.*", "*.placed", "order.>", ">.placed"] {
            assert!(is_pattern(pattern), "{pattern}");
        }
        for topic in ["", "order", "order.placed", "order*", "a->b.c"] {
            assert!(!is_pattern(topic), "{topic}");
        }
    }

    #[test]
    fn they_survive_being_stored() {
        let topics = Topics::new(["order.*", ">"]);
        assert_eq!(Topics::parse(&topics.stored()), topics);
        assert!(!Topics::parse("nonsense").contains("order"));
    }
}
