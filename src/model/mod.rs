//! The protocol, explored: the real decisions of `relay::lane` and `inbox::admit`, driven through
//! every interleaving of a small world.
//!
//! `scope` says what may happen and which rules hold. `producer` and `consumer` are the two files,
//! each with images that a power cut may undo (`state::Disk`); `network` is what lies between.
//! `relay`, `greeting` and `inbox` play the shells around the real decisions, as
//! `relay::{engine, served}` and `inbox::process` are; `actions`, `faults` and `operator` are the
//! steps of the world. `invariants` say what must never be, and `explore` goes through all of it,
//! breadth first, so that a counterexample is a shortest one. The tests: in `worlds` every rule
//! holds, in `broken` one or two do not.
//!
//! Time stands still (`relay::lane::frozen`): what waits may have waited long enough or not, and
//! what is under way may be overdue or not; both are tried. A rule is broken in the shell; where it
//! lives in a decision, by what the decision is told or by what becomes of its answer.
//!
//! Larger worlds: `SUREHAND_MODEL=full cargo test --release --lib model -- --nocapture`.
//!
//! Not modelled: several subscriptions, scheduled messages, statements in parts, a restored
//! consumer, a transport without an inbox at its end.

mod actions;
mod broken;
mod consumer;
mod explore;
mod faults;
mod greeting;
mod inbox;
mod invariants;
mod network;
mod operator;
mod producer;
mod relay;
mod scope;
mod state;
mod worlds;
