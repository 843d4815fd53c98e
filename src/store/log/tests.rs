//! How much joins the log at once.

use super::{append_due, next_due};
use crate::database::Database;
use crate::store::{self, Role};

#[test]
fn large_messages_that_are_due_join_the_log_a_few_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::new(directory.path().join("shop.db"));
    let connection = store::open(&database, Role::Outbox).unwrap();
    let schedule = "INSERT INTO outbox_scheduled (due_at_ms, topic, payload) VALUES \
        (1, 'n', zeroblob(60)), (1, 'n', NULL), (2, 'n', zeroblob(60)), (3, 'n', zeroblob(200)), \
        (9, 'n', 'not due')";
    connection.execute_batch(schedule).unwrap();
    // The one that exceeds the bytes is the last: even the largest joins some time.
    for appended in [3, 1, 0] {
        assert_eq!(append_due(&connection, 5, (100, 100)).unwrap(), appended);
    }
    assert_eq!(next_due(&connection).unwrap(), Some(9));
}
