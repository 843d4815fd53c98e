//! Places that code names without knowing which world it runs in: that of its thread.

use super::events::Event;
use super::world::World;
use crate::mistake::{self, Mistake};
use std::cell::RefCell;

thread_local! {
    static HERE: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Passes a place of this name: what [`crash_point!`](crate::crash_point) does in a crash test.
pub fn passed(name: &'static str) {
    HERE.with_borrow(|here| {
        if let Some(world) = here {
            world.note(Event::Reached(name.into()));
        }
    });
}

/// Runs this in a world, making a mistake or none.
pub(crate) fn within<T>(world: &World, made: Option<Mistake>, run: impl FnOnce() -> T) -> T {
    /// Leaves it, by a panic as well.
    struct Leave(Option<World>, Option<Mistake>);
    impl Drop for Leave {
        fn drop(&mut self) {
            HERE.set(self.0.take());
            mistake::make(self.1);
        }
    }
    let _leave = Leave(HERE.replace(Some(world.clone())), mistake::make(made));
    run()
}
