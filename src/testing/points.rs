//! Places that code names without knowing which world it runs in: that of its thread.

use super::events::Event;
use super::world::World;
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

/// Runs this in a world.
pub(crate) fn within<T>(world: &World, run: impl FnOnce() -> T) -> T {
    /// Leaves it, by a panic as well.
    struct Leave(Option<World>);
    impl Drop for Leave {
        fn drop(&mut self) {
            HERE.set(self.0.take());
        }
    }
    let _leave = Leave(HERE.replace(Some(world.clone())));
    run()
}
