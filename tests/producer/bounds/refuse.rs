//! At the bound the enqueue fails in its caller's transaction, and nothing is written.

use super::super::support::{Shop, begin, order, placed};
use super::{NAMES, bound, deliver, is_full, operator, shop, sized, stats};
use std::time::Duration;
use surehand::operator::WhenFull;
use surehand::{Message, SubscriptionState};

#[tokio::test]
async fn at_the_bound_of_messages_the_next_is_refused_and_nothing_of_it_is_written() {
    let mut shop = shop().await;
    bound(&shop, Some(2), None, WhenFull::Refuse);
    shop.enqueue(placed()).unwrap();
    shop.enqueue(placed()).unwrap();
    let text = is_full(shop.enqueue(placed().idempotency_key("request")));
    for part in ["\"orders\"", "2 pending messages", "limit of 2", "nothing was written"] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert_eq!(shop.written().1, 2);
    assert_eq!(shop.read::<i64>("SELECT count(*) FROM outbox_idempotency"), 0);
}

#[tokio::test]
async fn at_the_bound_of_bytes_only_what_fits_is_written() {
    let mut shop = shop().await;
    bound(&shop, None, Some(100), WhenFull::Refuse);
    shop.enqueue(sized(60)).unwrap();
    let text = is_full(shop.enqueue(sized(41)));
    assert!(text.contains("101 pending bytes, with a limit of 100"), "{text}");
    shop.enqueue(sized(40)).unwrap();
    is_full(shop.enqueue(sized(1)));
    shop.enqueue(sized(0)).unwrap();
}

#[tokio::test]
async fn the_transaction_goes_on_without_the_message_that_was_refused() {
    let mut shop = shop().await;
    bound(&shop, Some(1), Some(10), WhenFull::Refuse);
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    is_full(outbox.enqueue(&tx, sized(11)));
    outbox.enqueue(&tx, sized(10)).unwrap();
    is_full(outbox.enqueue_all(&tx, [placed(), placed()]));
    order(&tx, 2);
    tx.commit().unwrap();
    assert_eq!(shop.written(), (2, 1));
}

#[tokio::test]
async fn what_another_subscription_takes_is_not_refused() {
    let mut shop = shop().await;
    bound(&shop, Some(0), Some(0), WhenFull::Refuse);
    shop.enqueue(Message::new("bill.paid").payload("41")).unwrap();
    is_full(shop.enqueue(placed()));
}

#[tokio::test]
async fn there_is_room_again_after_delivery() {
    let mut shop = shop().await;
    bound(&shop, Some(2), Some(100), WhenFull::Refuse);
    for _ in 0..3 {
        shop.enqueue(sized(50)).unwrap();
        shop.enqueue(sized(50)).unwrap();
        is_full(shop.enqueue(sized(0)));
        deliver(&shop, NAMES).await;
    }
}

#[tokio::test]
async fn there_is_room_again_after_a_rollback() {
    let mut shop = shop().await;
    bound(&shop, Some(1), Some(100), WhenFull::Refuse);
    let (tx, outbox) = shop.begin();
    outbox.enqueue(&tx, sized(100)).unwrap();
    tx.rollback().unwrap();
    shop.enqueue(sized(100)).unwrap();
}

#[tokio::test]
async fn a_repeat_with_its_idempotency_key_needs_no_room() {
    let mut shop = shop().await;
    bound(&shop, Some(1), Some(100), WhenFull::Refuse);
    let message = || sized(100).idempotency_key("request 41");
    let first = shop.enqueue(message()).unwrap();
    assert_eq!(shop.enqueue(message()).unwrap(), first);
    assert_eq!(shop.written().1, 1);
}

#[tokio::test]
async fn what_is_pending_counts_when_the_bound_is_set() {
    let mut shop = shop().await;
    shop.enqueue(sized(60)).unwrap();
    shop.enqueue(sized(30).delay(Duration::from_secs(60))).unwrap();
    shop.enqueue(Message::new("bill.paid").payload("no order, no bytes")).unwrap();
    bound(&shop, None, Some(100), WhenFull::Refuse);
    is_full(shop.enqueue(sized(11)));
    shop.enqueue(sized(10)).unwrap();
}

#[tokio::test]
async fn a_bound_that_is_taken_away_refuses_nothing() {
    let mut shop = shop().await;
    bound(&shop, Some(0), Some(0), WhenFull::Refuse);
    is_full(shop.enqueue(placed()));
    bound(&shop, None, None, WhenFull::Refuse);
    shop.enqueue(sized(1_000)).unwrap();
}

#[tokio::test]
async fn dead_letters_count_until_they_are_resolved() {
    let mut shop = shop().await;
    bound(&shop, Some(1), Some(10), WhenFull::Refuse);
    shop.enqueue(placed().payload("poison")).unwrap();
    deliver(&shop, NAMES).await;
    is_full(shop.enqueue(sized(0)));
    let mut operator = operator(&shop);
    let mut dead = operator.dead_letters("orders").unwrap();
    let letters = dead.list(0, 10).unwrap();
    dead.skip(&letters[0]).unwrap();
    shop.enqueue(sized(10)).unwrap();
}

/// A message is promised when it is enqueued: there is nobody to refuse it to when it is due.
#[tokio::test]
async fn a_scheduled_message_is_checked_when_it_is_enqueued_and_joins_the_log_in_any_case() {
    let mut shop = shop().await;
    bound(&shop, Some(2), Some(100), WhenFull::Refuse);
    for _ in 0..4 {
        shop.enqueue(sized(25).delay(Duration::from_millis(1))).unwrap();
    }
    is_full(shop.enqueue(sized(1)));
    // The relay of the other subscription lets them join.
    deliver(&shop, ["audit"]).await;
    assert_eq!(shop.written().1, 4);
    let text = is_full(shop.enqueue(sized(0)));
    assert!(text.contains("4 pending messages"), "{text}");
    deliver(&shop, NAMES).await;
    assert_eq!(stats(&shop, "orders").delivered, 4);
    shop.enqueue(sized(100)).unwrap();
}

#[tokio::test]
async fn a_subscription_that_refuses_changes_nothing_for_the_others() {
    let mut shop = shop().await;
    bound(&shop, None, Some(10), WhenFull::Refuse);
    let mut operator = operator(&shop);
    operator.bound("audit", Some(0), None, WhenFull::Refuse).unwrap();
    for _ in 0..3 {
        let tx = begin(&mut shop.db);
        is_full(shop.outbox.enqueue(&tx, sized(10)));
        tx.commit().unwrap();
    }
    operator.bound("audit", None, None, WhenFull::Refuse).unwrap();
    shop.enqueue(sized(10)).unwrap();
    operator.bound("audit", Some(0), None, WhenFull::Refuse).unwrap();
    bound(&shop, None, Some(10), WhenFull::Detach);
    let tx = begin(&mut shop.db);
    is_full(shop.outbox.enqueue(&tx, sized(1)));
    tx.commit().unwrap();
    assert_eq!(stats(&shop, "orders").state, SubscriptionState::Active);
}
