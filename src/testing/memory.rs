//! SQLite's memory, which can be refused: the k-th allocation of a thread fails; and what its
//! connections share.
//!
//! SQLite asks for memory through a table of C functions
//! (<https://sqlite.org/c3ref/mem_methods.html>). The table here passes everything on to the one
//! that was there, and answers no where a test wants that. The rest of the process has its memory
//! from elsewhere.
#![allow(unsafe_code, reason = "a table of C functions")]

use rusqlite::ffi;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

/// What SQLite had before.
static BEFORE: OnceLock<Before> = OnceLock::new();
/// Whether SQLite uses the table here; not where it was started before the kit could ask.
static TAKEN: OnceLock<bool> = OnceLock::new();

type Malloc = unsafe extern "C" fn(c_int) -> *mut c_void;
type Realloc = unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void;

#[derive(Clone, Copy)]
struct Before {
    malloc: Malloc,
    realloc: Realloc,
}

thread_local! {
    /// How many allocations this thread has asked for since it began to count.
    static ASKED: Cell<u64> = const { Cell::new(0) };
    /// The one of them to refuse.
    static REFUSED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Takes SQLite's memory over; says whether it can. Only the first call does anything, and only
/// before SQLite is used.
pub(super) fn take_over() -> bool {
    *TAKEN.get_or_init(|| begin().is_some())
}

/// Counts the allocations of this thread from here on, and refuses the one of this number.
pub(super) fn count(refused: Option<u64>) {
    ASKED.set(0);
    REFUSED.set(refused);
}

/// Stops refusing; says how many allocations there were.
pub(super) fn counted() -> u64 {
    REFUSED.set(None);
    ASKED.get()
}

fn is_refused() -> bool {
    let number = ASKED.get();
    ASKED.set(number + 1);
    REFUSED.get() == Some(number)
}

fn begin() -> Option<()> {
    let mut before = ffi::sqlite3_mem_methods {
        xMalloc: None,
        xFree: None,
        xRealloc: None,
        xSize: None,
        xRoundup: None,
        xInit: None,
        xShutdown: None,
        pAppData: std::ptr::null_mut(),
    };
    // SAFETY: SQLite fills in a struct of ours. After its start it refuses, and nothing happens.
    // That no other thread starts it meanwhile is for the process to see to
    // (<https://sqlite.org/c3ref/config.html>): the kit asks before it uses SQLite itself, and
    // where others were first, either table leads to the same memory.
    if unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut before) } != 0 {
        return None;
    }
    let (malloc_before, realloc_before) = before.xMalloc.zip(before.xRealloc)?;
    // First, so that the table here leads somewhere from the moment that SQLite has it.
    BEFORE.set(Before { malloc: malloc_before, realloc: realloc_before }).ok()?;
    let ours =
        ffi::sqlite3_mem_methods { xMalloc: Some(malloc), xRealloc: Some(realloc), ..before };
    // SAFETY: SQLite copies the struct; its functions live as long as the process. Nobody counts
    // memory in use: all threads would wait for each other to do it. And pages are asked for one by
    // one: most connections of a test read few.
    let codes = unsafe {
        [
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const ours),
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0),
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_PAGECACHE, std::ptr::null_mut::<c_void>(), 0, 0),
        ]
    };
    (codes[0] == 0).then_some(())
}

unsafe extern "C" fn malloc(size: c_int) -> *mut c_void {
    match BEFORE.get() {
        // SAFETY: it is SQLite's own function, with what SQLite gives to it.
        Some(before) if !is_refused() => unsafe { (before.malloc)(size) },
        _ => std::ptr::null_mut(),
    }
}

unsafe extern "C" fn realloc(memory: *mut c_void, size: c_int) -> *mut c_void {
    match BEFORE.get() {
        // SAFETY: as above.
        Some(before) if !is_refused() => unsafe { (before.realloc)(memory, size) },
        _ => std::ptr::null_mut(),
    }
}

/// SQLite's size of a region of a WAL index.
const REGION: usize = 32_768;

/// Memory that connections share: it does not move, and goes with the last of them.
pub(super) struct Region(*mut Words);

/// SQLite keeps whole numbers in it, of 64 bits at the most, some of them atomic.
#[repr(C, align(8))]
struct Words([u8; REGION]);

// SAFETY: nothing here reads or writes through the pointer; SQLite does, under its own locks.
unsafe impl Send for Region {}

impl Region {
    pub(super) fn new() -> Self {
        Self(Box::into_raw(Box::new(Words([0; REGION]))))
    }

    /// Where it lies, for as long as this lives.
    pub(super) fn pointer(&self) -> *mut c_void {
        self.0.cast()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the pointer is from `Box::into_raw`, and this is its only owner. `unmap` drops
        // regions when no connection has them mapped any more.
        drop(unsafe { Box::from_raw(self.0) });
    }
}
