//! The consumer: effects once, whatever is delivered, however often, and whatever handlers do.

mod clock;
mod effects;
mod escape;
mod world;
