//! What a transport promises, asked of every one that is shipped, and of some that lie.
//!
//! The crash kit's own `Link` is not here: nothing carries what is on its network but a `World` at
//! work, and an inbox at its end is fed by the same function as one behind `Local`.

mod courier;
mod report;
mod runner;
mod shipped;
mod wrong;
