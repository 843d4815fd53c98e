//! The crash kit: its own teeth, and the library's promises under it.

mod kit;
mod network;
mod promises;
mod sqlite;
