//! Whole systems in any weather: nothing is lost, and nothing takes effect twice.

mod same;
mod shop;
mod systems;
mod teeth;

pub(crate) use shop::PROMISE;
use surehand::testing::CrashTest;

/// Small systems, for whoever makes mistakes in them.
pub(crate) fn systems() -> [CrashTest; 2] {
    let one = shop::System { depots: &["east"], relays: 1, sales: 8 };
    let two = shop::System { depots: &["east", "west"], relays: 2, sales: 12 };
    [shop::test("one depot", one), shop::test("two depots", two)]
}
