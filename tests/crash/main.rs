//! The crash kit: its own teeth, and the library's promises under it; and under real kills.

mod calibration;
mod day;
mod futures;
mod hazards;
#[cfg(unix)]
mod kernel;
mod kit;
mod mistakes;
mod network;
mod page;
mod promises;
mod report;
mod scenarios;
mod story;
mod support;
