//! What the programs that drive the peers have in common: their arguments, the reading that they
//! print, and how a throughput and a latency are taken. The contract is in the folder's README.

mod arguments;
mod latency;
mod payload;
mod report;
mod share;

pub use arguments::Arguments;
pub use latency::{Arrivals, Elsewhere, latencies, monotonic_nanoseconds, produce_on_request};
pub use payload::{PAYLOAD_BYTES, payload, sequence_of};
pub use report::{Answer, Connection, Reading, Setting, Subject, run};
pub use share::{Deadline, Share};

/// An error of a peer or of a driver: the program says it on stderr and ends with exit code 1.
pub type Problem = Box<dyn std::error::Error + Send + Sync>;
