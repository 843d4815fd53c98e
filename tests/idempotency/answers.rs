//! What is given again, and what runs again.

use crate::stage::{Said, Shop, order, router, send};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body that comes in parts, and does not say how long it is.
pub(crate) fn parts<const N: usize>(parts: [&'static str; N]) -> Body {
    struct Parts(Vec<&'static str>);
    impl http_body::Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            let next = (!self.0.is_empty()).then(|| self.0.remove(0));
            Poll::Ready(next.map(|part| Ok(http_body::Frame::data(part.into()))))
        }
    }
    Body::new(Parts(parts.to_vec()))
}

/// An answer with everything that may be got wrong.
fn intricate(number: i64) -> Response {
    let mut response = Response::new(Body::from(vec![0, 255, b'\r', b'\n', 200, 7]));
    *response.status_mut() = StatusCode::from_u16(201).unwrap();
    let fields = response.headers_mut();
    fields.insert("location", format!("/orders/{number}").parse().unwrap());
    fields.append("set-cookie", HeaderValue::from_static("a=1; Path=/"));
    fields.append("set-cookie", HeaderValue::from_static("b=2: c"));
    fields.insert("x-empty", HeaderValue::from_static(""));
    fields.insert("x-tab", HeaderValue::from_static("a\tb: c"));
    fields.insert("x-latin", HeaderValue::from_bytes(b"gr\xfc\xdfe").unwrap());
    response
}

#[tokio::test]
async fn a_repeated_request_is_answered_byte_for_byte() {
    let shop = Shop::new();
    let (insert, path) = (shop.ordering(), shop.path.clone());
    let router = router(&shop.keys(), move || async move {
        insert("A-1");
        let count = "SELECT count(*) FROM orders";
        let connection = crate::stage::connect(&path);
        intricate(connection.query_row(count, [], |row| row.get(0)).unwrap())
    });
    let first = send(&router, order("\"k\"")).await;
    let expected = Said::of(intricate(1)).await;
    assert_eq!((first.status, &first.body), (expected.status, &expected.body));
    for (name, value) in &expected.headers {
        assert!(first.headers.get_all(name).iter().any(|found| found == value), "{name}");
    }
    for key in ["\"k\"", "k"] {
        assert_eq!(send(&router, order(key)).await, first);
    }
    assert_eq!(shop.orders(), 1);
    assert_ne!(send(&router, order("other")).await, first);
    assert_eq!(shop.orders(), 2);
}

#[tokio::test]
async fn what_belongs_to_the_connection_is_not_given_again() {
    let shop = Shop::new();
    let router = router(&shop.keys(), || async {
        let passing = [("connection", "close"), ("date", "Thu, 01 Jan 1970 00:00:00 GMT")];
        (passing, [("x-kept", "1")], "placed")
    });
    assert_eq!(send(&router, order("k")).await.headers["connection"], "close");
    let again = send(&router, order("k")).await;
    again.is(200, "placed");
    assert_eq!(again.headers["x-kept"], "1");
    assert!(!again.headers.contains_key("connection") && !again.headers.contains_key("date"));
}

#[tokio::test]
async fn a_refusal_of_the_handler_is_an_answer_and_a_failure_is_none() {
    let shop = Shop::new();
    let insert = shop.ordering();
    let router = router(&shop.keys(), move |status: String| async move {
        insert("A-1");
        (StatusCode::from_u16(status.parse().unwrap()).unwrap(), "why")
    });
    let cases = [(200, 1), (303, 1), (400, 1), (402, 1), (404, 1), (409, 1), (422, 1)];
    let failures = [(408, 2), (425, 2), (429, 2), (500, 2), (502, 2), (503, 2), (504, 2)];
    for (status, runs) in cases.into_iter().chain(failures) {
        let before = shop.orders();
        for _ in 0..2 {
            let request = crate::stage::order_of(&format!("k-{status}"), &status.to_string());
            send(&router, request).await.is(status, "why");
        }
        assert_eq!(shop.orders() - before, runs, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_goes_out_whole_and_is_not_kept() {
    let shop = Shop::new();
    let insert = shop.ordering();
    let router = router(&shop.keys().longest_response(5), move |kind: String| async move {
        insert(&kind);
        match kind.as_str() {
            "sized" => Body::from("placed"),
            "streamed" => parts(["pl", "ac", "ed", "!"]),
            _ => parts(["pl", "ace"]),
        }
    });
    for (kind, whole, runs) in
        [("sized", "placed", 2), ("streamed", "placed!", 2), ("", "place", 1)]
    {
        let before = shop.orders();
        for _ in 0..2 {
            send(&router, crate::stage::order_of(&format!("k{kind}"), kind)).await.is(200, whole);
        }
        assert_eq!(shop.orders() - before, runs, "{kind}");
    }
}

#[tokio::test]
async fn two_tenants_with_one_key_are_two() {
    let shop = Shop::new();
    let insert = shop.ordering();
    let keys = shop
        .keys()
        .tenant(|parts| String::from_utf8_lossy(parts.headers["x-tenant"].as_bytes()).into_owned());
    let router = router(&keys, move |parts: http::request::Parts| async move {
        insert("A-1");
        parts.headers["x-tenant"].clone().as_bytes().to_vec()
    });
    // The last two are one text if tenant and key are put together.
    for (number, (tenant, key)) in
        [("ann", "k"), ("bob", "k"), ("bo", "bk"), ("", "bobk")].into_iter().enumerate()
    {
        for _ in 0..2 {
            let mut request = order(key);
            request.headers_mut().insert("x-tenant", HeaderValue::from_static(tenant));
            send(&router, request).await.is(200, tenant);
        }
        assert_eq!(shop.orders(), i64::try_from(number).unwrap() + 1);
    }
}
