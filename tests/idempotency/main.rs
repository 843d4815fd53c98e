//! Idempotency keys over HTTP: what a repeated request is told, and what runs twice and what not.

mod answers;
mod ended;
mod kept;
mod killed;
mod own;
mod processes;
mod refused;
mod stage;
