//! When the disk is full, or fails, everybody who shared the commit is told so.

use super::super::support::{Shop, placed};
use super::{Call, call, in_one_group, start};
use std::path::Path;
use std::process::Command;
use surehand::rusqlite::{Connection, Savepoint};
use surehand::{AsyncOutbox, Error, ErrorKind, Outbox, limits};

const LIMITED: &str = "SUREHAND_TEST_LIMITED";

fn enqueue(handle: &AsyncOutbox, bytes: usize) -> Call<Result<surehand::MessageId, Error>> {
    let handle = handle.clone();
    call(async move { handle.enqueue(placed().payload(vec![b'p'; bytes])).await })
}

/// A shop whose disk has room for a hundred pages of the database.
fn small_disk() -> Shop {
    Shop::with(|database| {
        database.opened_by(|path| {
            let connection = Connection::open(path)?;
            connection.pragma_update(None, "max_page_count", 100)?;
            Ok(connection)
        })
    })
}

#[tokio::test]
async fn a_full_disk_undoes_the_group_and_everybody_is_told_so() {
    let shop = small_disk();
    let handle = start(&shop);
    let calls =
        vec![enqueue(&handle, 10), enqueue(&handle, limits::PAYLOAD_BYTES), enqueue(&handle, 10)];
    for answer in in_one_group(&handle, calls).await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
        assert!(error.is_retryable());
        assert!(error.to_string().ends_with("free space and try again"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
    assert_eq!(shop.written().1, 0);
    handle.enqueue(placed()).await.unwrap();
    assert_eq!(shop.written().1, 1);
}

/// Of an error that is not ours nobody else can be told what it was.
#[tokio::test]
async fn a_full_disk_met_by_a_callers_own_statement_fails_the_group_too() {
    let shop = small_disk();
    shop.db.execute_batch("CREATE TABLE attachment (content BLOB)").unwrap();
    let handle = start(&shop);
    let own = handle.clone();
    let own = call(async move {
        let fill = move |tx: &Savepoint<'_>, _: &Outbox| {
            tx.execute("INSERT INTO attachment VALUES (zeroblob(1000000))", [])?;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        };
        own.transact(fill).await.map_err(|error| error.to_string())
    });
    let other = handle.clone();
    let other = call(async move {
        let one = other.enqueue(placed()).await;
        one.map(drop).map_err(|error| error.to_string())
    });
    let answers = in_one_group(&handle, vec![other, own]).await;
    let [Err(other), Err(own)] = &answers[..] else { panic!("{answers:?}") };
    assert!(own.contains("full"), "{own}");
    assert!(other.contains("nothing of the group was written"), "{other}");
    assert!(other.contains("if the disk is full, free space"), "{other}");
    assert_eq!(shop.written(), (0, 0));
}

/// Not a test of its own: a process that may not write large files, and meets an I/O error there.
#[tokio::test]
async fn limited() {
    let Ok(path) = std::env::var(LIMITED) else { return };
    let handle = AsyncOutbox::start(Outbox::open(&path).unwrap()).unwrap();
    let mut written = 0;
    let mut errors = Vec::new();
    // The first group fits, with room for a checkpoint; the second is larger than the limit.
    for bytes in [limits::PAYLOAD_BYTES / 8, limits::PAYLOAD_BYTES] {
        assert!(errors.is_empty(), "{errors:?}");
        let calls = (0..3).map(|_| enqueue(&handle, bytes)).collect();
        let answers = in_one_group(&handle, calls).await;
        written += answers.iter().filter(|answer| answer.is_ok()).count();
        errors.extend(answers.into_iter().filter_map(Result::err));
    }
    assert_eq!(errors.len(), 3);
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("idempotency key"), "{error}");
    }
    // On a connection that was opened anew.
    handle.enqueue(placed()).await.unwrap();
    println!("written {}", written + 1);
}

fn messages(path: &Path) -> usize {
    let count: i64 = super::super::support::read(path, "SELECT count(*) FROM outbox_message");
    usize::try_from(count).unwrap()
}

#[cfg(unix)]
#[test]
fn an_io_error_of_the_commit_is_unknown_to_everybody() {
    let shop = Shop::new();
    // Without the signal a write beyond the limit fails like any other.
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" handle::full::limited --exact \
        --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, &shop.path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let written = text.lines().find_map(|line| line.split_once("written "));
    let written: usize = written.expect("an account").1.parse().unwrap();
    // What is unknown may be there or not; what was answered is.
    assert!([written, written + 3].contains(&messages(&shop.path)), "{written}");
}
