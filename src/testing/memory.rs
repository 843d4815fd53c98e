//! SQLite's memory, which can be refused: the k-th allocation of a thread fails.
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

/// What SQLite had before; none where it was started before the kit could ask.
static BEFORE: OnceLock<Option<Before>> = OnceLock::new();

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
    BEFORE.get_or_init(begin).is_some()
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

fn begin() -> Option<Before> {
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
    if unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut before) } != 0 {
        return None;
    }
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
    let (malloc, realloc) = before.xMalloc.zip(before.xRealloc)?;
    (codes == [0; 3]).then_some(Before { malloc, realloc })
}

fn before() -> Option<Before> {
    *BEFORE.get()?
}

unsafe extern "C" fn malloc(size: c_int) -> *mut c_void {
    match before() {
        // SAFETY: it is SQLite's own function, with what SQLite gives to it.
        Some(before) if !is_refused() => unsafe { (before.malloc)(size) },
        _ => std::ptr::null_mut(),
    }
}

unsafe extern "C" fn realloc(memory: *mut c_void, size: c_int) -> *mut c_void {
    match before() {
        // SAFETY: as above.
        Some(before) if !is_refused() => unsafe { (before.realloc)(memory, size) },
        _ => std::ptr::null_mut(),
    }
}
