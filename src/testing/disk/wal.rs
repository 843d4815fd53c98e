//! What a WAL says, without the chance in it: two files that differ in nothing but their salts mean
//! the same, and are one state.
//!
//! The format: <https://sqlite.org/fileformat2.html#walformat>.

use xxhash_rust::xxh3::Xxh3;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// A pair of numbers that grow with each word.
type Checksum = (u32, u32);

/// Adds a WAL to a hash: of salts it counts which are the same, and of checksums whether they are
/// right.
pub(super) fn digest(content: &[u8], hash: &mut Xxh3) {
    let size = word(content, 8).and_then(|size| usize::try_from(size).ok());
    let Some(size) = size.filter(|size| content.len() >= HEADER && *size >= 512) else {
        return hash.update(content);
    };
    // The lowest bit of the magic number says which way round words are summed.
    let is_big = content[3] & 1 == 1;
    hash.update(&content[..16]);
    let mut salts = vec![&content[16..24]];
    let mut sum = summed((0, 0), &content[..24], is_big);
    let mut holds = Some(sum) == checksum(content, 24);
    hash.update(&[u8::from(holds)]);
    let mut frames = content[HEADER..].chunks_exact(FRAME_HEADER + size);
    for frame in &mut frames {
        let salt = &frame[8..16];
        let known = salts.iter().position(|known| *known == salt);
        let number = known.unwrap_or(salts.len());
        if known.is_none() {
            salts.push(salt);
        }
        // After the first frame that does not hold, SQLite reads no other.
        holds &= number == 0;
        if holds {
            sum = summed(summed(sum, &frame[..8], is_big), &frame[FRAME_HEADER..], is_big);
            holds = Some(sum) == checksum(frame, 16);
        }
        hash.update(&frame[..8]);
        hash.update(&number.to_le_bytes());
        hash.update(&[u8::from(holds)]);
        hash.update(&frame[FRAME_HEADER..]);
    }
    let rest = frames.remainder();
    hash.update(&rest[..rest.len().min(8)]);
    hash.update(rest.get(FRAME_HEADER..).unwrap_or_default());
    hash.update(&rest.len().to_le_bytes());
}

fn summed(mut sum: Checksum, bytes: &[u8], is_big: bool) -> Checksum {
    let word = |bytes: &[u8]| {
        let word = bytes.try_into().unwrap_or([0; 4]);
        if is_big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    };
    for pair in bytes.chunks_exact(8) {
        sum.0 = sum.0.wrapping_add(word(&pair[..4])).wrapping_add(sum.1);
        sum.1 = sum.1.wrapping_add(word(&pair[4..])).wrapping_add(sum.0);
    }
    sum
}

fn checksum(bytes: &[u8], at: usize) -> Option<Checksum> {
    Some((word(bytes, at)?, word(bytes, at + 4)?))
}

/// A number of four bytes, the highest first.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAL of two frames, the second one a commit, as SQLite writes it with these salts.
    fn wal(salt: u8, fill: u8) -> Vec<u8> {
        let mut content = vec![0x37, 0x7f, 0x06, 0x82, 0, 0x2d, 0xe2, 0x18, 0, 0, 2, 0, 0, 0, 0, 0];
        content.extend([salt; 8]);
        let mut sum = summed((0, 0), &content, false);
        let push = |content: &mut Vec<u8>, sum: Checksum| {
            content.extend(sum.0.to_be_bytes());
            content.extend(sum.1.to_be_bytes());
        };
        push(&mut content, sum);
        for frame in [1, 2] {
            let head = [0, 0, 0, frame, 0, 0, 0, frame - 1];
            let page = [fill; 512];
            sum = summed(summed(sum, &head, false), &page, false);
            content.extend(head);
            content.extend([salt; 8]);
            push(&mut content, sum);
            content.extend(page);
        }
        content
    }

    fn hash(content: &[u8]) -> u64 {
        let mut hash = Xxh3::new();
        digest(content, &mut hash);
        hash.digest()
    }

    #[test]
    fn salts_alone_make_no_difference() {
        assert_eq!(hash(&wal(1, 9)), hash(&wal(2, 9)));
        assert_eq!(hash(&wal(1, 9)[..700]), hash(&wal(2, 9)[..700]));
    }

    #[test]
    fn all_else_does() {
        let whole = wal(1, 9);
        let mut others = vec![wal(1, 8), whole[..31].to_vec(), whole[..700].to_vec(), Vec::new()];
        // A page, a page's number, a checksum, a salt that fits no other.
        for place in [80, 35, 50, 42] {
            let mut other = whole.clone();
            other[place] ^= 1;
            others.push(other);
        }
        let hashes: std::collections::BTreeSet<u64> = others.iter().map(|it| hash(it)).collect();
        assert_eq!(hashes.len(), others.len());
        assert!(!hashes.contains(&hash(&whole)));
    }
}
