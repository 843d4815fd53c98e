//! The consumer: effects once, whatever is delivered, however often, and whatever handlers do.

mod clock;
mod effects;
mod escape;
mod prepare;
mod together;
mod world;
