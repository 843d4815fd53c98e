//! What a rollback journal says, without the chance in it: each begins with a number drawn by
//! chance, to which the checksums of its pages are added.
//!
//! The format: <https://sqlite.org/fileformat2.html#the_rollback_journal>.

use super::region::number;
use super::wal::word;
use xxhash_rust::xxh3::Xxh3;

/// The magic, the count of pages, the number drawn, the size before, the sector, the page.
const HEADER: usize = 28;
const DRAWN: std::ops::Range<usize> = 12..16;

/// Adds a journal to a hash: of each checksum what the page adds to it.
pub(super) fn digest(content: &[u8], hash: &mut Xxh3) {
    let size = |at| number(content, at, 4).and_then(|size| usize::try_from(size).ok());
    let sizes = size(20).zip(size(24)).filter(|(sector, page)| *sector >= HEADER && *page >= 512);
    let (Some((sector, page)), Some(drawn)) = (sizes, word(content, DRAWN.start)) else {
        return hash.update(content);
    };
    hash.update(&content[..DRAWN.start]);
    hash.update(&content[DRAWN.end..sector.min(content.len())]);
    let mut pages = content.get(sector..).unwrap_or_default().chunks_exact(4 + page + 4);
    for record in &mut pages {
        let (page, checksum) = record.split_at(4 + page);
        hash.update(page);
        hash.update(&word(checksum, 0).unwrap_or(0).wrapping_sub(drawn).to_le_bytes());
    }
    hash.update(pages.remainder());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal of one page that adds this to its checksum.
    fn journal(drawn: u32, adds: u32) -> Vec<u8> {
        let mut content = vec![0xd9, 0xd5, 5, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 1];
        content.extend(drawn.to_be_bytes());
        for number in [2_u32, 512, 512] {
            content.extend(number.to_be_bytes());
        }
        content.resize(512, 0);
        content.extend([0, 0, 0, 1]);
        content.extend([7; 512]);
        content.extend(drawn.wrapping_add(adds).to_be_bytes());
        content
    }

    fn hash(content: &[u8]) -> u64 {
        let mut hash = Xxh3::new();
        digest(content, &mut hash);
        hash.digest()
    }

    #[test]
    fn what_was_drawn_makes_no_difference() {
        assert_eq!(hash(&journal(1, 14)), hash(&journal(u32::MAX, 14)));
        assert_ne!(hash(&journal(1, 14)), hash(&journal(1, 15)), "a checksum that is wrong");
        let (long, cut) = (journal(1, 14), journal(2, 14)[..900].to_vec());
        assert_ne!(hash(&long), hash(&cut));
        assert_ne!(hash(&long), hash(&long[..10]));
    }
}
