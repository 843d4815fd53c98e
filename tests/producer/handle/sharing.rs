//! Callers share a commit and nothing else.

use super::super::support::{PATIENCE, Shop, order, placed};
use super::{call, commits, in_one_group, start};
use surehand::{AsyncOutbox, Error, ErrorKind};

/// What a caller's own code may say.
#[derive(Debug)]
enum Refused {
    SoldOut,
    Outbox(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Outbox(error)
    }
}

/// An order and its message; the caller says what becomes of it.
async fn buy(
    handle: AsyncOutbox,
    number: i64,
    then: fn() -> Result<(), Refused>,
) -> Result<(), Refused> {
    handle
        .transact(move |tx, outbox| {
            order(tx, number);
            outbox.enqueue(tx, placed())?;
            then()
        })
        .await
}

#[tokio::test]
async fn a_message_is_committed_when_its_call_returns() {
    let shop = Shop::new();
    let id = start(&shop).enqueue(placed()).await.unwrap();
    assert_eq!(shop.read::<[u8; 16]>("SELECT id FROM outbox_message"), *id.as_bytes());
}

#[tokio::test]
async fn what_is_committed_survives_a_power_cut() {
    let shop = Shop::new();
    let settings = start(&shop).transact(|tx, outbox| outbox.durability_of(tx)).await.unwrap();
    assert!(settings.survives_power_cut(), "{settings:?}");
}

#[tokio::test]
async fn rows_and_messages_of_a_caller_are_committed_together() {
    let shop = Shop::new();
    buy(start(&shop), 41, || Ok(())).await.unwrap();
    assert_eq!(shop.written(), (1, 1));
}

#[tokio::test]
async fn callers_that_wait_at_the_same_time_share_one_commit() {
    let shop = Shop::new();
    let handle = start(&shop);
    handle.enqueue(placed()).await.unwrap();
    let before = commits(&shop.path);
    let caller = |number: i64| {
        let handle = handle.clone();
        call(async move { handle.enqueue(placed().payload(number.to_string())).await })
    };
    let answers = in_one_group(&handle, (0..64).map(caller).collect()).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(shop.written().1, 65);
    assert_eq!(commits(&shop.path) - before, 1);
}

#[tokio::test]
async fn messages_keep_the_order_in_which_they_were_handed_in() {
    let shop = Shop::new();
    let handle = start(&shop);
    let caller = |number: i64| {
        let handle = handle.clone();
        call(async move { handle.enqueue(placed().payload(number.to_string())).await })
    };
    in_one_group(&handle, (0..300).map(caller).collect()).await;
    let sql = "SELECT group_concat(payload, ' ') FROM (SELECT * FROM outbox_message ORDER BY seq)";
    let expected: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    assert_eq!(shop.read::<String>(sql), expected.join(" "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_and_two_handles_lose_nothing_and_write_nothing_twice() {
    let shop = Shop::new();
    let handles = [start(&shop), start(&shop)];
    let tasks = (0..8).map(|task| {
        let handle = handles[task % 2].clone();
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..50 {
                ids.push(handle.enqueue(placed()).await.unwrap().to_string());
            }
            ids
        })
    });
    let mut ids = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        ids.extend(task.await.unwrap());
    }
    ids.sort();
    let pending = shop.outbox.pending(&shop.db).unwrap();
    let mut written: Vec<_> = pending.iter().map(|one| one.id().to_string()).collect();
    written.sort();
    assert_eq!(written.len(), 400);
    assert_eq!(written, ids);
}

#[tokio::test]
async fn an_error_undoes_what_its_caller_wrote_and_nothing_else() {
    let shop = Shop::new();
    let handle = start(&shop);
    let calls = vec![
        call(buy(handle.clone(), 1, || Ok(()))),
        call(buy(handle.clone(), 2, || Err(Refused::SoldOut))),
        call(buy(handle.clone(), 3, || Ok(()))),
    ];
    let answers = in_one_group(&handle, calls).await;
    assert!(matches!(&answers[..], [Ok(()), Err(Refused::SoldOut), Ok(())]), "{answers:?}");
    assert_eq!(shop.written(), (2, 2));
    assert_eq!(shop.read::<String>("SELECT group_concat(id) FROM orders"), "1,3");
}

#[tokio::test]
async fn a_panic_undoes_what_its_caller_wrote_and_nothing_else() {
    let shop = Shop::new();
    let handle = start(&shop);
    let calls = vec![
        call(buy(handle.clone(), 1, || Ok(()))),
        call(buy(handle.clone(), 2, || panic!("of a caller"))),
        call(buy(handle.clone(), 3, || Ok(()))),
    ];
    let answers = in_one_group(&handle, calls).await;
    let [Ok(()), Err(Refused::Outbox(error)), Ok(())] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(error.to_string().contains("nothing of it was written"), "{error}");
    assert_eq!(shop.read::<String>("SELECT group_concat(id) FROM orders"), "1,3");
}

#[tokio::test]
async fn a_message_over_a_limit_is_refused_and_the_others_are_not() {
    let shop = Shop::new();
    let handle = start(&shop);
    let caller = |key: String| {
        let handle = handle.clone();
        call(async move { handle.enqueue(placed().key(key)).await })
    };
    let calls = vec![caller("k".into()), caller("k".repeat(256)), caller("k".into())];
    let answers = in_one_group(&handle, calls).await;
    let kinds = answers.into_iter().map(|answer| answer.err().map(|error| error.kind()));
    assert_eq!(kinds.collect::<Vec<_>>(), [None, Some(ErrorKind::InvalidMessage), None]);
    assert_eq!(shop.written().1, 2);
}

#[tokio::test]
async fn relays_of_the_process_are_told_of_a_commit_and_of_no_other() {
    let shop = Shop::new();
    let (rung, heard) = std::sync::mpsc::channel();
    let listener = std::sync::Arc::new(move || rung.send(()).unwrap());
    let _listening = shop.outbox.doorbell().listen(listener);
    let handle = start(&shop);
    handle.enqueue(placed()).await.unwrap();
    heard.recv_timeout(PATIENCE).unwrap();
    handle.transact(|tx, _| Ok::<_, Error>(tx.execute_batch("COMMIT").ok())).await.unwrap_err();
    handle.transact(|_, _| Ok::<_, Error>(())).await.unwrap();
    // The third call rang; the second would have rung before it.
    heard.recv_timeout(PATIENCE).unwrap();
    assert!(heard.try_recv().is_err(), "a commit that failed was announced");
}
