//! Whether two runs were the same: a hash of all that happened in one.

use crate::testing::disk::Op;
use xxhash_rust::xxh3::Xxh3;

/// What is no longer than this is no page, but a header or a checksum of a journal or a WAL: with a
/// salt in it that SQLite draws once for the whole process, and not from the seed
/// (<https://sqlite.org/fileformat2.html>). Of these only the place counts.
const SALTED: usize = 512;

/// The same for the same steps in the same order, and for hardly anything else.
pub(crate) fn trace(record: &[Op]) -> u64 {
    let mut hash = Xxh3::new();
    let number = |hash: &mut Xxh3, number: u64| hash.update(&number.to_le_bytes());
    for op in record {
        match op {
            Op::Write { machine, file, at, bytes } => {
                hash.update(machine.as_bytes());
                number(&mut hash, file.0);
                number(&mut hash, *at);
                number(&mut hash, bytes.len() as u64);
                if bytes.len() > SALTED {
                    hash.update(bytes);
                }
            }
            Op::Sync { machine, file } => {
                hash.update(machine.as_bytes());
                number(&mut hash, file.0);
                hash.update(b"sync");
            }
            Op::Event(event) => hash.update(event.to_string().as_bytes()),
            other => hash.update(format!("{other:?}").as_bytes()),
        }
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::disk::FileNumber;
    use crate::testing::events::Event;

    fn write(at: u64, with: u8) -> Op {
        let (machine, file) = ("shop".into(), FileNumber(1));
        Op::Write { machine, file, at, bytes: vec![with; 4_096].into() }
    }

    #[test]
    fn whatever_differs_shows() {
        let sync = || Op::Sync { machine: "shop".into(), file: FileNumber(1) };
        let lost = || Op::SyncLost { machine: "shop".into(), file: FileNumber(1), cached: false };
        let sent = |what: &str| Op::Event(Event::Sent { what: what.into() });
        let runs = [
            vec![],
            vec![write(0, 7)],
            vec![write(1, 7)],
            vec![write(0, 8)],
            vec![write(0, 7), write(0, 8)],
            vec![write(0, 7), sync()],
            vec![sync(), write(0, 7)],
            vec![write(0, 7), lost()],
            vec![sent("one")],
            vec![sent("two")],
        ];
        let hashes: std::collections::BTreeSet<u64> = runs.iter().map(|run| trace(run)).collect();
        assert_eq!(hashes.len(), runs.len());
        assert_eq!(trace(&runs[5]), trace(&[write(0, 7), sync()]));
    }
}
