//! The network between relay and warehouse, as bad as a seed makes it: requests are lost, delayed
//! and sent twice, answers are lost or cut off, connections are reset.

use crate::shop::Outcome;
use crate::shop::chance::Chance;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Of a hundred requests so many meet each trouble.
const LOST: u64 = 3;
const TWICE: u64 = 6;
const ANSWER_LOST: u64 = 9;
const ANSWER_CUT: u64 = 12;
const DELAYED: u64 = 20;

/// What became of the requests that passed.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    pub(crate) lost: AtomicU64,
    pub(crate) twice: AtomicU64,
    pub(crate) answers_lost: AtomicU64,
    pub(crate) answers_cut: AtomicU64,
    pub(crate) delayed: AtomicU64,
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, twice, answers_lost, answers_cut, delayed } = self;
        let [lost, twice, answers_lost, answers_cut, delayed] =
            [lost, twice, answers_lost, answers_cut, delayed]
                .map(|one| one.load(Ordering::Relaxed));
        write!(
            f,
            "the network lost {lost} requests and {answers_lost} answers, cut {answers_cut} \
             answers off, and brought {twice} requests twice and {delayed} late"
        )
    }
}

/// A proxy on a thread of its own, for as long as the program runs.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) troubles: Arc<Troubles>,
}

struct Way {
    to: SocketAddr,
    chance: Mutex<Chance>,
    troubles: Arc<Troubles>,
}

impl Proxy {
    /// Stands before a server at `to`, whether that is up or not.
    pub(crate) fn start(to: SocketAddr, seed: u64) -> Outcome<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let troubles = Arc::<Troubles>::default();
        let chance = Mutex::new(Chance::new(seed));
        let way = Arc::new(Way { to, chance, troubles: Arc::clone(&troubles) });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                while let Ok((client, _)) = listener.accept().await {
                    let way = Arc::clone(&way);
                    // Whatever goes wrong here is what networks do.
                    tokio::spawn(async move { way.pass(client).await.ok() });
                }
            });
        });
        Ok(Self { address, troubles })
    }
}

impl Way {
    /// Passes on the requests of one connection, until one of them meets its end.
    async fn pass(&self, mut client: TcpStream) -> std::io::Result<()> {
        while let Some(request) = message(&mut client).await? {
            let (drawn, place) = self.draw();
            let count = |what: &AtomicU64| what.fetch_add(1, Ordering::Relaxed);
            if drawn < LOST {
                count(&self.troubles.lost);
                return reset(client);
            }
            if (ANSWER_CUT..DELAYED).contains(&drawn) {
                count(&self.troubles.delayed);
                tokio::time::sleep(Duration::from_millis(place % 200)).await;
            }
            let mut answer = self.ask(&request).await?;
            if (LOST..TWICE).contains(&drawn) {
                count(&self.troubles.twice);
                answer = self.ask(&request).await?;
            }
            match drawn {
                TWICE..ANSWER_LOST => {
                    count(&self.troubles.answers_lost);
                    return reset(client);
                }
                ANSWER_LOST..ANSWER_CUT => {
                    count(&self.troubles.answers_cut);
                    let end = usize::try_from(place).unwrap_or(0) % answer.len().max(1);
                    client.write_all(&answer[..end]).await?;
                    return reset(client);
                }
                _ => client.write_all(&answer).await?,
            }
        }
        Ok(())
    }

    fn draw(&self) -> (u64, u64) {
        let mut chance = self.chance.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (chance.below(100), chance.below(1 << 20))
    }

    /// One request on a connection of its own.
    async fn ask(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.to).await?;
        server.write_all(request).await?;
        message(&mut server).await?.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    }
}

/// Closes at once, with a reset instead of an end.
fn reset(stream: TcpStream) -> std::io::Result<()> {
    stream.set_zero_linger()
}

/// The bytes of one message of HTTP/1.1 with a length; none at the end of the connection.
async fn message(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    loop {
        if length(&bytes).is_some_and(|length| bytes.len() >= length) {
            return Ok(Some(bytes));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// How many bytes a message has, once its header has come.
fn length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let header = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let fields = header.lines().filter_map(|line| line.split_once(':'));
    let mut length = fields.filter(|(name, _)| *name == "content-length");
    let length = length.find_map(|(_, value)| value.trim().parse::<usize>().ok());
    Some(end + length.unwrap_or(0))
}
