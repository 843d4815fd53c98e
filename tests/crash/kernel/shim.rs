//! A VFS (<https://sqlite.org/vfs.html>) over the real one of this system, which counts the calls
//! that change something others can see, and kills its own process before or after the k-th.
//!
//! The only test with `unsafe` in it. Every callback passes on what SQLite gave it, as it came, to
//! the real VFS, and keeps nothing of it: a pointer that SQLite promises to be valid for the call
//! is valid for the call inside it. None of them can panic, so nothing unwinds into SQLite.
#![allow(unsafe_code, reason = "a VFS is a table of C functions")]

use serde::{Deserialize, Serialize};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use surehand::rusqlite::ffi;

/// What connections are opened by.
pub(crate) const NAME: &CStr = c"surehand-kill";
const SIGKILL: c_int = 9;

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kill {
    /// The number of the call, from 1.
    pub(crate) at: u64,
    /// Not before the call is made, but when it was.
    pub(crate) after: bool,
}

static CALLS: AtomicU64 = AtomicU64::new(0);
static BEFORE: AtomicU64 = AtomicU64::new(0);
static AFTER: AtomicU64 = AtomicU64::new(0);

/// How many calls there were, of those that are counted.
pub(crate) fn calls() -> u64 {
    CALLS.load(Ordering::SeqCst)
}

/// Makes the VFS known to SQLite, and says when this process is to die, if it is.
pub(crate) fn register(kill: Option<Kill>) {
    static ONCE: Once = Once::new();
    if let Some(kill) = kill {
        let plan = if kill.after { &AFTER } else { &BEFORE };
        plan.store(kill.at, Ordering::SeqCst);
    }
    ONCE.call_once(|| {
        // SAFETY: with a null name SQLite looks up its default VFS, which is never freed. It
        // initializes itself first, and both calls are safe from any thread.
        let real = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
        assert!(!real.is_null(), "this system has a VFS");
        // SAFETY: as above; nobody changes the table of a registered VFS.
        let vfs = shim_over(unsafe { &*real });
        // SAFETY: the table, and the name it points to, live as long as the process.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes the VFS");
    });
}

fn shim_over(real: &'static ffi::sqlite3_vfs) -> ffi::sqlite3_vfs {
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<File>() as c_int + real.szOsFile,
        mxPathname: real.mxPathname,
        pNext: std::ptr::null_mut(),
        zName: NAME.as_ptr(),
        pAppData: std::ptr::from_ref(real).cast_mut().cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: None,
        xGetLastError: Some(last_error),
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

/// Makes a call that is counted, unless this process dies before it.
fn counted(call: impl FnOnce() -> c_int) -> c_int {
    let number = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
    if BEFORE.load(Ordering::SeqCst) == number {
        die();
    }
    let code = call();
    if AFTER.load(Ordering::SeqCst) == number {
        die();
    }
    code
}

fn die() -> ! {
    unsafe extern "C" {
        fn kill(process: c_int, signal: c_int) -> c_int;
    }
    // SAFETY: it takes two numbers. A signal to oneself has come before this returns, and takes
    // all threads: nothing below is reached, nothing is dropped and nothing is flushed.
    unsafe { kill(std::process::id().cast_signed(), SIGKILL) };
    std::process::abort();
}

// ---- Files -----------------------------------------------------------------------------------

/// What SQLite allocates for a file of ours. The real VFS's own follows right behind, aligned,
/// because the size of this is a multiple of a pointer's.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// The locks of the WAL index that this connection holds alone, one bit for each.
    alone: usize,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Without xFetch: nothing is written past these calls, but the WAL index.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The real VFS's file behind ours.
///
/// # Safety
///
/// `file` is memory that SQLite allocated for a file of this VFS.
unsafe fn behind(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `szOsFile` asks for both sizes, so that the place behind is inside of the memory.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// The file behind, and what the real VFS can do with it.
///
/// # Safety
///
/// `file` is one that `open` opened and nobody closed.
unsafe fn real(
    file: *mut ffi::sqlite3_file,
) -> (*mut ffi::sqlite3_file, &'static ffi::sqlite3_io_methods) {
    // SAFETY: `open` succeeded, so the real one has set its methods, which are never freed.
    unsafe {
        let file = behind(file);
        (file, &*(*file).pMethods)
    }
}

/// A call on a file: passed on, and counted or not. `$missing` is said without such a method.
macro_rules! on_file {
    ($name:ident, $method:ident($($argument:ident: $type:ty),*), $through:path, $missing:expr) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file, $($argument: $type),*) -> c_int {
            // SAFETY: SQLite calls this for files that are open.
            let (file, methods) = unsafe { real(file) };
            let Some(method) = methods.$method else { return $missing };
            // SAFETY: the file is the real VFS's own, and the rest is as SQLite gave it.
            $through(|| unsafe { method(file, $($argument),*) })
        }
    };
}

/// Makes a call that changes nothing for others.
fn plain(call: impl FnOnce() -> c_int) -> c_int {
    call()
}

on_file!(close, xClose(), plain, ffi::SQLITE_IOERR_CLOSE);
on_file!(read, xRead(buffer: *mut c_void, size: c_int, at: i64), plain, ffi::SQLITE_IOERR_READ);
on_file!(
    write,
    xWrite(bytes: *const c_void, size: c_int, at: i64),
    counted,
    ffi::SQLITE_IOERR_WRITE
);
on_file!(truncate, xTruncate(size: i64), counted, ffi::SQLITE_IOERR_TRUNCATE);
on_file!(sync, xSync(flags: c_int), counted, ffi::SQLITE_IOERR_FSYNC);
on_file!(file_size, xFileSize(size: *mut i64), plain, ffi::SQLITE_IOERR_FSTAT);
on_file!(lock, xLock(level: c_int), plain, ffi::SQLITE_IOERR_LOCK);
on_file!(unlock, xUnlock(level: c_int), plain, ffi::SQLITE_IOERR_UNLOCK);
on_file!(
    check_reserved_lock,
    xCheckReservedLock(result: *mut c_int),
    plain,
    ffi::SQLITE_IOERR_CHECKRESERVEDLOCK
);
on_file!(
    file_control,
    xFileControl(operation: c_int, argument: *mut c_void),
    plain,
    ffi::SQLITE_NOTFOUND
);
on_file!(sector_size, xSectorSize(), plain, 0);
on_file!(device_characteristics, xDeviceCharacteristics(), plain, 0);

/// Memory that is made for others is counted.
unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite calls this for files that are open.
    let (file, methods) = unsafe { real(file) };
    let Some(method) = methods.xShmMap else { return ffi::SQLITE_IOERR_SHMMAP };
    // SAFETY: the file is the real VFS's own, and the rest is as SQLite gave it.
    let call = || unsafe { method(file, region, size, extend, out) };
    if extend == 0 { call() } else { counted(call) }
}

/// Locks that are held alone are counted, once they are had: what is stored in the WAL index,
/// without any call, is stored between them and the barriers.
unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: SQLite calls this for files that are open.
    let (behind, methods) = unsafe { real(file) };
    let Some(method) = methods.xShmLock else { return ffi::SQLITE_IOERR_SHMLOCK };
    // SAFETY: the file is the real VFS's own, and the rest is as SQLite gave it.
    let call = || unsafe { method(behind, offset, count, flags) };
    if flags & ffi::SQLITE_SHM_EXCLUSIVE == 0 {
        return call();
    }
    let slots = ((1_usize << count) - 1) << offset;
    // SAFETY: the memory is a file of ours, and SQLite never uses one from two threads at once.
    let alone = unsafe { &mut (*file.cast::<File>()).alone };
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        *alone &= !slots;
        return counted(call);
    }
    let code = call();
    if code == ffi::SQLITE_OK {
        *alone |= slots;
        // How often somebody tried before is chance.
        return counted(|| code);
    }
    code
}

/// Counted by whoever has a lock alone, and may have stored something: readers change nothing.
unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: SQLite calls this for files that are open, and uses none from two threads at once.
    let (behind, methods, alone) = unsafe {
        let (behind, methods) = real(file);
        (behind, methods, (*file.cast::<File>()).alone)
    };
    let Some(method) = methods.xShmBarrier else { return };
    let call = || {
        // SAFETY: the file is the real VFS's own.
        unsafe { method(behind) };
        ffi::SQLITE_OK
    };
    if alone == 0 {
        plain(call)
    } else {
        counted(call)
    };
}

/// Counted when it takes the file away.
unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: SQLite calls this for files that are open.
    let (file, methods) = unsafe { real(file) };
    let Some(method) = methods.xShmUnmap else { return ffi::SQLITE_OK };
    // SAFETY: the file is the real VFS's own, and the rest is as SQLite gave it.
    let call = || unsafe { method(file, delete) };
    if delete == 0 { call() } else { counted(call) }
}

// ---- The VFS ---------------------------------------------------------------------------------

/// The real VFS that ours stands before.
///
/// # Safety
///
/// `vfs` is the one that `register` made.
unsafe fn below(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: `shim_over` stored it there.
    unsafe { (*vfs).pAppData.cast() }
}

/// Counted when it makes a file.
unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gave memory of `szOsFile` bytes. A file without methods is never closed, and
    // the real one's own are set by its `xOpen`, at the latest.
    let (vfs, real) = unsafe {
        let ours = file.cast::<File>();
        (*ours).base.pMethods = std::ptr::null();
        (*ours).alone = 0;
        (*behind(file)).pMethods = std::ptr::null();
        (below(vfs), behind(file))
    };
    // SAFETY: the table of a registered VFS is never changed or freed.
    let Some(method) = (unsafe { (*vfs).xOpen }) else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: the memory behind ours is the real VFS's own, and the rest is as SQLite gave it: the
    // name, too, which carries parameters behind its end.
    let call = || unsafe { method(vfs, name, real, flags, out_flags) };
    // SAFETY: the name is null or as SQLite gave it.
    let makes = flags & ffi::SQLITE_OPEN_CREATE != 0 && unsafe { is_absent(vfs, name) };
    let code = if makes { counted(call) } else { call() };
    // SAFETY: as at the beginning. SQLite closes what has methods, even when opening failed.
    unsafe {
        if !(*real).pMethods.is_null() {
            (*file).pMethods = &raw const METHODS;
        }
    }
    code
}

/// Whether there is no file of this name.
///
/// # Safety
///
/// `vfs` is the real one, and `name` null or a C string.
unsafe fn is_absent(vfs: *mut ffi::sqlite3_vfs, name: *const c_char) -> bool {
    let mut exists = 0;
    // SAFETY: as above; `exists` lives during the call.
    match unsafe { (*vfs).xAccess } {
        Some(method) if !name.is_null() => {
            // SAFETY: as above.
            let code = unsafe { method(vfs, name, ffi::SQLITE_ACCESS_EXISTS, &raw mut exists) };
            code == ffi::SQLITE_OK && exists == 0
        }
        _ => false,
    }
}

/// A call on the VFS itself: as `on_file`.
macro_rules! on_vfs {
    ($name:ident, $method:ident($($argument:ident: $type:ty),*), $through:path, $missing:expr) => {
        unsafe extern "C" fn $name(vfs: *mut ffi::sqlite3_vfs, $($argument: $type),*) -> c_int {
            // SAFETY: it is our VFS; the one below it is never changed or freed.
            let (vfs, method) = unsafe {
                let vfs = below(vfs);
                (vfs, (*vfs).$method)
            };
            let Some(method) = method else { return $missing };
            // SAFETY: the VFS is the real one, and the rest is as SQLite gave it.
            $through(|| unsafe { method(vfs, $($argument),*) })
        }
    };
}

on_vfs!(
    delete,
    xDelete(name: *const c_char, sync_directory: c_int),
    counted,
    ffi::SQLITE_IOERR_DELETE
);
on_vfs!(
    access,
    xAccess(name: *const c_char, flags: c_int, result: *mut c_int),
    plain,
    ffi::SQLITE_IOERR_ACCESS
);
on_vfs!(
    full_pathname,
    xFullPathname(name: *const c_char, size: c_int, full: *mut c_char),
    plain,
    ffi::SQLITE_CANTOPEN
);
on_vfs!(randomness, xRandomness(size: c_int, out: *mut c_char), plain, 0);
on_vfs!(sleep, xSleep(microseconds: c_int), plain, 0);
on_vfs!(last_error, xGetLastError(size: c_int, out: *mut c_char), plain, 0);
on_vfs!(current_time_int64, xCurrentTimeInt64(out: *mut i64), plain, ffi::SQLITE_ERROR);
