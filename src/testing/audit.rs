//! What must hold after every recovery, whatever the test is about.

use super::script::Failed;
use super::world::World;
use crate::store::audit;

/// The promise that these checks are.
pub(crate) const WHOLE: &str = "every store is whole, and none contradicts another";

/// Every database is whole, and no consumer knows of a message that its producer did not send.
pub(crate) fn whole(world: &World) -> Result<(), Failed> {
    let paths = world.named();
    for path in &paths {
        if let Some(complaint) = world.look(path, audit::complaints)?.into_iter().next() {
            return Err(format!("{path}: {complaint}").into());
        }
    }
    for path in &paths {
        for known in world.look(path, audit::known)? {
            for other in &paths {
                if let Some(doubt) = world.look(other, |db| audit::doubts(db, &known))? {
                    return Err(format!("{path} and {other}: {doubt}").into());
                }
            }
        }
    }
    Ok(())
}
