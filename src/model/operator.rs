//! What people do: look after dead letters, make backups, and restore them.

use super::explore::Steps;
use super::producer::Producer;
use super::scope::{Faults, Scope, spend};
use super::state::{Disk, State};
use crate::id::{Incarnation, Seq};

/// A budget, its name, and what is done to a dead letter.
type Care = (fn(&mut Faults) -> &mut u8, &'static str, fn(&mut Producer, Seq));

const CARE: [Care; 3] = [
    (|one| &mut one.redrive, "redrives", Producer::redrive),
    (|one| &mut one.skip, "skips", Producer::skip),
    (|one| &mut one.replace, "replaces", Producer::replace),
];

impl State {
    pub(super) fn operate(&self, scope: &Scope, steps: &mut Steps) {
        for (seq, number) in self.producer.visible().dead() {
            for (budget, name, act) in CARE {
                let mut state = self.clone();
                if !spend(budget(&mut state.faults)) {
                    continue;
                }
                let mut producer = self.producer.visible().clone();
                act(&mut producer, seq);
                if scope.rules.bump {
                    let epoch = producer.incarnation.epoch + 1;
                    let nonce = self.fresh_nonce(epoch);
                    producer.incarnation = Incarnation { epoch, nonce };
                }
                // With NORMAL, on somebody's own connection: the worst that may be.
                state.producer.commit(producer, false);
                state.notice();
                steps.fault(|| format!("somebody {name} message {number}"), state);
            }
        }
        self.back_up(steps);
    }

    fn back_up(&self, steps: &mut Steps) {
        if self.faults.restore == 0 {
            return;
        }
        let mut state = self.clone();
        if let Some(backup) = &self.backup {
            state.faults.restore -= 1;
            state.producer = Disk::restore(backup.clone());
            state.backup = None;
            state.relays = [None, None];
            state.restored = true;
            steps.fault(|| "somebody restores the backup".into(), state);
        } else {
            state.backup = Some(self.producer.durable_image());
            steps.fault(|| "somebody makes a backup".into(), state);
        }
    }
}
