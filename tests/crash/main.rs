//! The crash kit: its own teeth, and the library's promises under it.

mod calibration;
mod hazards;
mod kit;
mod promises;
