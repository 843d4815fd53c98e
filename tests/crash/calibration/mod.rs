//! The simulated disk against what SQLite documents of each journal mode and `synchronous`: neither
//! kinder nor crueller (<https://sqlite.org/pragma.html#pragma_synchronous>).
//!
//! What SQLite promises has to hold in every state. What it says may be lost has to be lost in at
//! least one, or the disk is too kind and proves nothing. What was found is a table of
//! `docs/guarantees.md`.

mod cell;
mod handoff;
mod table;

use cell::{Cell, Found, Trial};
use std::sync::LazyLock;
use surehand::testing::{CrashTest, Profile, World};

/// What SQLite documents of a power cut. A kill loses nothing, whatever the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Documented {
    /// Nothing is lost.
    Durable,
    /// "might roll back following a power loss": consistent all the same.
    Consistent,
    /// The last commit may roll back: nobody synced that its journal was deleted.
    ButTheLast,
    /// The same, and "a very small (though non-zero) chance" of corruption: the pages in the
    /// journal and their number are synced at once. A page that comes back spoilt from there shows
    /// in `integrity_check`, so that no state of this is torn and not corrupt.
    MayCorrupt,
    /// "might become corrupted": anything.
    Nothing,
}

const DOCUMENTED: [(Cell, Documented); 8] = [
    (cell("WAL", "OFF"), Documented::Nothing),
    (cell("WAL", "NORMAL"), Documented::Consistent),
    (cell("WAL", "FULL"), Documented::Durable),
    (cell("WAL", "EXTRA"), Documented::Durable),
    (cell("DELETE", "OFF"), Documented::Nothing),
    (cell("DELETE", "NORMAL"), Documented::MayCorrupt),
    (cell("DELETE", "FULL"), Documented::ButTheLast),
    (cell("DELETE", "EXTRA"), Documented::Durable),
];

/// A cell after kills, and after power cuts.
#[derive(Clone, Copy, Debug)]
struct Measured {
    cell: Cell,
    sales: u32,
    documented: Documented,
    kills: Found,
    power_cuts: Found,
}

static ON_A_DISK: LazyLock<Vec<Measured>> = LazyLock::new(|| measure(Profile::Unix, 3));
static ON_A_LYING_DISK: LazyLock<Vec<Measured>> = LazyLock::new(|| measure(Profile::Lying, 2));

const fn cell(journal_mode: &'static str, synchronous: &'static str) -> Cell {
    Cell { journal_mode, synchronous }
}

fn measure(profile: Profile, sales: u32) -> Vec<Measured> {
    let measure = |(cell, documented)| {
        let trial = Trial { cell, profile, sales };
        let (kills, power_cuts) = (trial.killed(), trial.without_power());
        Measured { cell, sales, documented, kills, power_cuts }
    };
    DOCUMENTED.into_iter().map(measure).collect()
}

#[test]
fn a_kill_loses_nothing_at_any_setting_on_any_disk() {
    for Measured { cell, kills, .. } in ON_A_DISK.iter().chain(&*ON_A_LYING_DISK) {
        let Found { states, corrupt, torn, short, .. } = *kills;
        assert!(states > 20 && (corrupt, torn, short) == (0, 0, 0), "{cell:?}: {kills:?}");
    }
}

#[test]
fn a_power_cut_loses_what_sqlite_documents_and_nothing_else() {
    for Measured { cell, sales, documented, power_cuts, .. } in &*ON_A_DISK {
        let Found { states, corrupt, torn, most_lost, .. } = *power_cuts;
        let says = format!("{cell:?}: {power_cuts:?}");
        assert!(states > 1_000, "{says}");
        let may_corrupt = matches!(documented, Documented::MayCorrupt | Documented::Nothing);
        assert_eq!(corrupt > 0, may_corrupt, "corrupt, {says}");
        assert_eq!(torn > 0, *documented == Documented::Nothing, "torn, {says}");
        let lost = match documented {
            Documented::Durable => 0,
            Documented::ButTheLast | Documented::MayCorrupt => 1,
            // What a checkpoint has synced stays: the last transaction ran after it.
            Documented::Consistent => sales - 1,
            Documented::Nothing => *sales,
        };
        assert_eq!(most_lost, lost, "lost, {says}");
    }
}

#[test]
fn on_a_disk_that_lies_no_setting_keeps_anything_from_a_power_cut() {
    for Measured { cell, sales, power_cuts, .. } in &*ON_A_LYING_DISK {
        let Found { corrupt, torn, most_lost, .. } = *power_cuts;
        assert!(corrupt > 0 && torn > 0 && most_lost == *sales, "{cell:?}: {power_cuts:?}");
    }
}

#[test]
fn the_page_of_guarantees_says_what_was_measured() {
    table::check(&[("a disk", &ON_A_DISK), ("a disk that lies about syncs", &ON_A_LYING_DISK)]);
}

/// SQLite's unix layer syncs the folder for every WAL that it may have made, not for new ones only.
#[test]
fn a_commit_in_a_wal_that_a_killed_program_made_is_durable() {
    let note = |w: &World| {
        let db = w.connect("desk/notes.db")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        if w.promises("note").is_empty() {
            db.execute("INSERT INTO note VALUES ('milk')", [])?;
            w.promised("note", "milk");
        }
        Ok(())
    };
    let test = CrashTest::new("note").given(|w| {
        let db = w.connect("desk/notes.db")?;
        Ok(db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE note (text)")?)
    });
    let test = test.scenario(note).recover(note).invariant("a note is there", |w| {
        let db = w.connect("desk/notes.db")?;
        Ok(db.query_row("SELECT 1 FROM note", [], |_| Ok(()))?)
    });
    assert!(test.killed_first().depth(2).run().assert_survived().recovery_states > 50);
}
