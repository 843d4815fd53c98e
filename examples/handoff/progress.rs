//! How the run is going: one live line on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// What there is to see.
pub(crate) struct Sight {
    pub(crate) placed: i64,
    pub(crate) shipped: i64,
    pub(crate) goal: i64,
    pub(crate) kills: u64,
    pub(crate) planned_kills: u64,
}

/// Writes to the standard error output.
pub(crate) struct Progress {
    live: bool,
    next: Option<Instant>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { live: std::io::stderr().is_terminal(), next: None }
    }

    pub(crate) fn show(&mut self, sight: &Sight, now: Instant) {
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        let every = if self.live { Duration::from_millis(100) } else { Duration::from_secs(2) };
        self.next = Some(now + every);
        let Sight { placed, shipped, goal, kills, planned_kills } = sight;
        let line = format!(
            "{} placed {placed}  shipped {shipped}  of {goal}  kills {kills}/{planned_kills}",
            bar(*placed, *shipped, *goal)
        );
        // A progress line that cannot be written is not worth failing for.
        let _ = if self.live {
            write!(std::io::stderr(), "\r\x1b[2K{line}")
        } else {
            writeln!(std::io::stderr(), "{line}")
        };
    }

    /// Makes room for what comes next.
    pub(crate) fn clear(&mut self) {
        self.next = None;
        if self.live {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

/// `#` for what is shipped, `+` for what is placed.
fn bar(placed: i64, shipped: i64, goal: i64) -> String {
    const WIDTH: i64 = 30;
    let upto = |count: i64| (count * WIDTH / goal.max(1)).clamp(0, WIDTH);
    let cell = |at: i64| match at {
        at if at < upto(shipped) => '#',
        at if at < upto(placed) => '+',
        _ => '.',
    };
    (0..WIDTH).map(cell).collect()
}
