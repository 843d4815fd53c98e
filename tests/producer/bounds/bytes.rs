//! The bytes that are pending, where they are counted by more than an enqueue and a delivery.

use super::super::support::{Shop, placed, settle};
use super::{bound, stats, taken};
use surehand::operator::WhenFull;
use surehand::{Message, Relay, Subscription, transport};

async fn deliver_topics(shop: &Shop, topics: &[&str]) {
    let subscription = Subscription::new("orders").topics(topics.to_vec());
    let transport = transport::function(taken);
    settle(Relay::open(&shop.path).unwrap().subscribe(subscription, transport)).await;
}

#[tokio::test]
async fn bytes_of_a_topic_that_is_no_longer_taken_come_back() {
    let mut shop = Shop::new();
    deliver_topics(&shop, &["order.>", "bill.>"]).await;
    bound(&shop, None, Some(100), WhenFull::Refuse);
    shop.enqueue(Message::new("bill.paid").payload(vec![b'x'; 60])).unwrap();
    deliver_topics(&shop, &["order.>"]).await;
    assert_eq!((stats(&shop, "orders").pending, shop.written().1), (0, 0));
    shop.enqueue(placed().payload(vec![b'x'; 100])).unwrap();
}
