//! The consumer: effects once, whatever is delivered, however often, and whatever handlers do.

#![allow(dead_code, unused_imports, reason = "helpers are shared by plays to come")]

mod clock;
mod effects;
mod escape;
mod prepare;
mod together;
mod world;
