//! Whole systems in any weather: nothing is lost, and nothing takes effect twice.

mod same;
mod shop;
mod systems;
mod teeth;
