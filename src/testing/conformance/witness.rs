//! Somebody who looks whether an effect is there, at the moment its message is answered.

use super::board::Board;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::id::MessageId;
use crate::outbox::Outbox;
use rusqlite::Connection;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Looks from outside: through a connection of its own, where effects are in a database.
pub(super) enum Witness {
    Store(Box<Mutex<Store>>),
    Calls(Arc<Board>),
}

/// The consumer's database, where each effect is a message it enqueued.
pub(super) struct Store {
    outbox: Outbox,
    connection: Connection,
}

impl Witness {
    pub(super) fn of_store(path: PathBuf, outbox: Outbox) -> Result<Self> {
        let opened = Database::new(path).connect();
        let connection = opened.map_err(|error| Error::sqlite("look at the consumer's", error))?;
        Ok(Self::Store(Box::new(Mutex::new(Store { outbox, connection }))))
    }

    /// The effects that are there for everybody to see, in order.
    pub(super) fn effects(&self) -> Vec<MessageId> {
        match self {
            Self::Store(store) => {
                let store = store.lock().unwrap_or_else(PoisonError::into_inner);
                let pending = store.outbox.pending(&store.connection);
                pending.unwrap_or_default().iter().map(|effect| effect.id).collect()
            }
            Self::Calls(board) => board.look(|seen| seen.done.clone()),
        }
    }

    /// Those of these messages whose effect is there.
    pub(super) fn sees(&self, ids: Vec<MessageId>) -> HashSet<MessageId> {
        if ids.is_empty() {
            return HashSet::new();
        }
        let effects: HashSet<MessageId> = self.effects().into_iter().collect();
        ids.into_iter().filter(|id| effects.contains(id)).collect()
    }
}
