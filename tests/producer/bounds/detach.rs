//! At the bound the laggard is given up, loudly, and the business goes on.

use super::super::loud::said;
use super::super::support::placed;
use super::{NAMES, bound, deliver, operator, shop, sized, stats};
use surehand::SubscriptionState::{Active, Detached};
use surehand::operator::WhenFull;

#[tokio::test]
async fn the_message_is_written_and_the_laggard_detached() {
    let mut shop = shop().await;
    bound(&shop, Some(1), None, WhenFull::Detach);
    shop.enqueue(placed()).unwrap();
    assert_eq!(stats(&shop, "orders").state, Active);
    shop.enqueue(placed()).unwrap();
    assert_eq!(stats(&shop, "orders").state, Detached);
    assert_eq!(shop.written().1, 2);
}

#[tokio::test]
async fn it_is_detached_for_too_many_bytes_too() {
    let mut shop = shop().await;
    bound(&shop, None, Some(100), WhenFull::Detach);
    shop.enqueue(sized(100)).unwrap();
    assert_eq!(stats(&shop, "orders").state, Active);
    shop.enqueue(sized(1)).unwrap();
    assert_eq!(stats(&shop, "orders").state, Detached);
}

#[tokio::test]
async fn it_is_detached_with_the_transaction_or_not_at_all() {
    let mut shop = shop().await;
    bound(&shop, Some(0), None, WhenFull::Detach);
    let (tx, outbox) = shop.begin();
    outbox.enqueue(&tx, placed()).unwrap();
    tx.rollback().unwrap();
    assert_eq!(stats(&shop, "orders").state, Active);
}

#[tokio::test]
async fn it_is_said_as_an_error_with_the_name_and_the_numbers() {
    let mut shop = shop().await;
    bound(&shop, Some(1), None, WhenFull::Detach);
    for _ in 0..3 {
        shop.enqueue(placed()).unwrap();
    }
    let errors = said();
    assert_eq!(errors.len(), 1, "{errors:?}");
    for part in ["orders", "1 pending messages, with a limit of 1 and is detached"] {
        assert!(errors[0].contains(part), "{part:?} is not in {:?}", errors[0]);
    }
}

#[tokio::test]
async fn other_subscriptions_get_everything_and_the_log_is_not_kept_for_it() {
    let mut shop = shop().await;
    bound(&shop, Some(1), None, WhenFull::Detach);
    for _ in 0..5 {
        shop.enqueue(placed()).unwrap();
    }
    deliver(&shop, NAMES).await;
    assert_eq!((stats(&shop, "audit").delivered, stats(&shop, "orders").delivered), (5, 0));
    assert_eq!(shop.written().1, 0);
}

#[tokio::test]
async fn after_resume_it_goes_on_with_what_comes_and_has_room_for_it() {
    let mut shop = shop().await;
    bound(&shop, Some(2), Some(100), WhenFull::Detach);
    for _ in 0..5 {
        shop.enqueue(sized(50)).unwrap();
    }
    deliver(&shop, NAMES).await;
    operator(&shop).resume("orders").unwrap();
    shop.enqueue(sized(50)).unwrap();
    shop.enqueue(sized(50)).unwrap();
    assert_eq!(stats(&shop, "orders").state, Active);
    deliver(&shop, NAMES).await;
    assert_eq!(stats(&shop, "orders").delivered, 2);
    for _ in 0..3 {
        shop.enqueue(placed()).unwrap();
    }
    assert_eq!(stats(&shop, "orders").state, Detached);
}

/// The log still has what another subscription waits for.
#[tokio::test]
async fn after_resume_it_goes_on_with_what_the_log_has_under_a_bound_that_allows_it() {
    let mut shop = shop().await;
    for (allowed, state) in [(1, Detached), (10, Active)] {
        bound(&shop, Some(1), None, WhenFull::Detach);
        shop.enqueue(placed()).unwrap();
        shop.enqueue(placed()).unwrap();
        assert_eq!(stats(&shop, "orders").state, Detached);
        bound(&shop, Some(allowed), None, WhenFull::Detach);
        operator(&shop).resume("orders").unwrap();
        shop.enqueue(placed()).unwrap();
        assert_eq!(stats(&shop, "orders").state, state);
    }
    deliver(&shop, NAMES).await;
    assert_eq!(stats(&shop, "orders").delivered, 6);
}

/// Paused, it would hold the log again, and what it refuses would be refused for ever.
#[tokio::test]
async fn pausing_what_is_detached_holds_up_nobody() {
    let mut shop = shop().await;
    bound(&shop, Some(1), None, WhenFull::Detach);
    shop.enqueue(placed()).unwrap();
    shop.enqueue(placed()).unwrap();
    bound(&shop, Some(1), None, WhenFull::Refuse);
    operator(&shop).pause("orders").unwrap();
    assert_eq!(stats(&shop, "orders").state, Detached);
    shop.enqueue(placed()).unwrap();
    deliver(&shop, NAMES).await;
    assert_eq!(shop.written().1, 0);
}
