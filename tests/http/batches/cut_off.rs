//! Answers that are cut off on their way, by a server that speaks HTTP by hand.

use super::{ANSWERS, all_came_again, hand_over, ids, orders};
use crate::stage::Stage;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Reads one request to its end; none if the connection was not needed.
fn body_of(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let bytes = stream.read(&mut chunk).unwrap();
        if bytes == 0 {
            return None;
        }
        read.extend_from_slice(&chunk[..bytes]);
        let Some(head) = read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8(read[..head].to_vec()).unwrap().to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let body = &read[head + 4..];
        if body.len() == length.parse::<usize>().unwrap() {
            return Some(body.to_vec());
        }
    }
}

/// Sends so much of a response to the first batch and closes the connection; any other gets a bare
/// 204. Returns the orders of each request.
async fn cut_off(response: fn(&str) -> String) -> Vec<Vec<i64>> {
    let stage = Stage::set();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_over);
    let server = std::thread::spawn(move || {
        let mut all: Vec<Vec<i64>> = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            if told.load(Ordering::SeqCst) {
                return all;
            }
            let Some(body) = body_of(&mut stream) else { continue };
            let answers: Value = ids(&body).iter().map(|id| json!({ "id": id })).collect();
            let response = match all.len() {
                0 => response(&answers.to_string()),
                _ => "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned(),
            };
            all.push(orders(&body));
            stream.write_all(response.as_bytes()).unwrap();
        }
    });
    hand_over(&stage, format!("http://{address}/")).await;
    stage.has_handed_over_all();
    is_over.store(true, Ordering::SeqCst);
    drop(TcpStream::connect(address).unwrap());
    server.join().unwrap()
}

/// A response that announces the whole of its body, and has the beginning of it.
fn announced(media_type: &str, body: &str, kept: usize) -> String {
    let length = body.len();
    let head = format!("content-type: {media_type}\r\ncontent-length: {length}");
    format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{}", &body[..kept])
}

#[tokio::test]
async fn an_answer_that_is_cut_off_proves_nothing() {
    let responses: [fn(&str) -> String; 4] = [
        |answers| announced(ANSWERS, answers, 0),
        |answers| announced(ANSWERS, answers, answers.len() / 2),
        |answers| announced(ANSWERS, answers, answers.len() - 1),
        |answers| {
            let head = "transfer-encoding: chunked";
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {ANSWERS}\r\n{head}\r\n\r\n9\r\n{}\r\n",
                &answers[..9]
            )
        },
    ];
    for response in responses {
        all_came_again(&cut_off(response).await);
    }
}

/// The status was there, and speaks of all.
#[tokio::test]
async fn a_bare_2xx_counts_whatever_becomes_of_its_body() {
    let all = cut_off(|answers| announced("text/html", answers, 9)).await;
    assert_eq!(all, [[0, 1, 2, 3]]);
}

#[tokio::test]
async fn a_head_that_is_cut_off_proves_nothing() {
    for response in [|_: &str| String::new(), |_: &str| "HTTP/1.1 200 OK\r\ncont".to_owned()] {
        all_came_again(&cut_off(response).await);
    }
}
