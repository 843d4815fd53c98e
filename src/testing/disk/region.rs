//! Where in a file of SQLite's a byte lies: in which page, in which frame of the WAL.
//!
//! The formats: <https://sqlite.org/fileformat2.html>, sections 1.3 and 4.

/// The header of a WAL, and that of each of its frames.
const WAL_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// Says it in words; empty where there is nothing to say.
pub(super) fn region(name: &str, content: &[u8], at: u64) -> String {
    if name.ends_with("-wal") {
        return frame(content, at);
    }
    let is_database = content.starts_with(b"SQLite format 3\0");
    // A page size of 65536 does not fit, and is written as 1.
    let size = match number(content, 16, 2) {
        Some(1) => 65_536,
        Some(size) if is_database && size >= 512 => size,
        _ => return String::new(),
    };
    format!("page {}", at / size + 1)
}

fn frame(content: &[u8], at: u64) -> String {
    let Some(size) = number(content, 8, 4).filter(|size| *size >= 512) else {
        return String::new();
    };
    let Some(inside) = at.checked_sub(WAL_HEADER) else { return "the WAL's header".into() };
    let frame = inside / (FRAME_HEADER + size);
    let header = WAL_HEADER + frame * (FRAME_HEADER + size);
    let page = number(content, header, 4);
    let commits = number(content, header + 4, 4).is_some_and(|pages| pages > 0);
    let page = page.map_or(String::new(), |page| format!(" with page {page}"));
    let commit = if commits { ", a commit" } else { "" };
    format!("frame {}{page}{commit}", frame + 1)
}

/// A big-endian number of so many bytes.
pub(super) fn number(content: &[u8], at: u64, bytes: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let bytes = content.get(at..at.checked_add(bytes)?)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_database() {
        let mut content = b"SQLite format 3\0\x10\x00".to_vec();
        content.resize(100, 0);
        assert_eq!(region("shop.db", &content, 0), "page 1");
        assert_eq!(region("shop.db", &content, 4_096), "page 2");
        assert_eq!(region("notes.txt", b"milk", 0), "");
    }

    #[test]
    fn a_frame_of_a_wal() {
        let mut content = vec![0; 32 + 2 * 1_048];
        content[10..12].copy_from_slice(&1_024_u16.to_be_bytes());
        content[32 + 3] = 7;
        content[32 + 1_048 + 3] = 9;
        content[32 + 1_048 + 7] = 12;
        assert_eq!(region("shop.db-wal", &content, 8), "the WAL's header");
        assert_eq!(region("shop.db-wal", &content, 600), "frame 1 with page 7");
        assert_eq!(region("shop.db-wal", &content, 1_080), "frame 2 with page 9, a commit");
        assert_eq!(region("shop.db-wal", &[], 8), "");
    }
}
