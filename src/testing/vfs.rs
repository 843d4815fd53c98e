//! The disk as SQLite sees it: a VFS (<https://sqlite.org/vfs.html>) over [`Disk`].
//!
//! SQLite calls the functions below with pointers that it promises to be valid for the call; what
//! those point to is ours, and lives as it says at each. No panic unwinds into SQLite: it becomes
//! an I/O error.
//!
//! A VFS is registered and never freed, because a connection keeps a pointer to its own for as long
//! as it lives. One that nobody uses any more serves another disk.
#![allow(unsafe_code, reason = "a VFS is a table of C functions")]

use super::disk::{Disk, Mode, Profile, Refusal};
use super::opened::{Opened, Shown, code, level, lock, place};
use crate::clock::Clock;
use rusqlite::ffi;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex};

/// The longest path, with its end.
const LONGEST_PATH: c_int = 512;
/// The start of 1970 in SQLite's time, milliseconds of the Julian calendar.
const UNIX_EPOCH_MS: i64 = 210_866_760_000_000;

/// VFSes that nobody uses.
static FREE: Mutex<Vec<&'static Slot>> = Mutex::new(Vec::new());
static REGISTERED: AtomicU64 = AtomicU64::new(0);

/// A disk under a name that SQLite can open files by.
pub(crate) struct Mounted {
    slot: &'static Slot,
    shown: Arc<Shown>,
}

/// One VFS of SQLite's list.
struct Slot {
    name: CString,
    shown: Mutex<Option<Arc<Shown>>>,
}

impl Mounted {
    pub(crate) fn new(disk: Arc<Disk>, clock: Arc<dyn Clock>) -> Self {
        let free = lock(&FREE).pop();
        let slot = free.unwrap_or_else(register);
        let shown = Arc::new(Shown { disk, clock, indexes: Mutex::default() });
        *lock(&slot.shown) = Some(Arc::clone(&shown));
        Self { slot, shown }
    }

    /// The name to open connections by.
    pub(crate) fn name(&self) -> &'static CStr {
        &self.slot.name
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        *lock(&self.slot.shown) = None;
        // Files that are open keep the disk; their VFS is not given to another one.
        if Arc::strong_count(&self.shown) == 1 {
            lock(&FREE).push(self.slot);
        }
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mounted").field(&self.slot.name).finish()
    }
}

/// Adds a VFS to SQLite's list.
fn register() -> &'static Slot {
    let number = REGISTERED.fetch_add(1, Ordering::Relaxed);
    let name = CString::new(format!("surehand-{number}")).unwrap_or_default();
    let slot: &'static Slot = Box::leak(Box::new(Slot { name, shown: Mutex::new(None) }));
    let vfs = ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<File>() as c_int,
        mxPathname: LONGEST_PATH,
        pNext: std::ptr::null_mut(),
        zName: slot.name.as_ptr(),
        pAppData: std::ptr::from_ref(slot).cast_mut().cast(),
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
        // SQLite asks the other one.
        xCurrentTime: None,
        xGetLastError: None,
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    };
    // SAFETY: the struct and all it points to are leaked, so that they outlive every use of them;
    // registering initializes SQLite first, and is safe from any thread.
    let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0) };
    assert_eq!(code, ffi::SQLITE_OK, "SQLite takes the VFS");
    slot
}

/// What SQLite allocates for a file of ours; it begins with what SQLite itself knows of files.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    opened: *mut Opened,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Without xFetch: nothing is read through a memory map.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(file_lock),
    xUnlock: Some(file_unlock),
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

fn guarded(call: impl FnOnce() -> c_int) -> c_int {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(ffi::SQLITE_IOERR)
}

/// What this VFS shows.
///
/// # Safety
///
/// `vfs` is one that `register` made.
unsafe fn shown(vfs: *mut ffi::sqlite3_vfs) -> Option<Arc<Shown>> {
    // SAFETY: `register` leaks both, and `pAppData` points to the slot.
    let slot = unsafe { &*(*vfs).pAppData.cast::<Slot>() };
    lock(&slot.shown).clone()
}

/// The file that SQLite means.
///
/// # Safety
///
/// `file` is one that `open` opened and nobody closed.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a Opened {
    // SAFETY: `open` stored a box there, which only `close` frees; SQLite calls nothing after it.
    unsafe { &*(*file.cast::<File>()).opened }
}

/// A path, if it is one of ours: text.
///
/// # Safety
///
/// `name` is null, or ends with a zero byte and lives during the call.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

/// # Safety
///
/// As <https://sqlite.org/c3ref/vfs.html> says of xOpen: `file` is memory of `szOsFile` bytes.
unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    guarded(|| {
        let file = file.cast::<File>();
        // SAFETY: SQLite gave the memory for a file of ours. Without methods it never closes it.
        unsafe { (*file).base.pMethods = std::ptr::null() };
        // SAFETY: it is our VFS, and SQLite's name is null or a C string.
        let (shown, path) = unsafe { (shown(vfs), text(name)) };
        let Some(shown) = shown else { return ffi::SQLITE_CANTOPEN };
        if path.is_none() && !name.is_null() {
            return ffi::SQLITE_CANTOPEN;
        }
        let has = |flag: c_int| flags & flag != 0;
        let journal =
            ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;
        let mode = Mode {
            create: has(ffi::SQLITE_OPEN_CREATE),
            exclusive: has(ffi::SQLITE_OPEN_EXCLUSIVE),
            delete_on_close: has(ffi::SQLITE_OPEN_DELETEONCLOSE),
            journal: has(journal),
        };
        let handle = match shown.disk.open(path, mode) {
            Ok(handle) => handle,
            Err(refusal) => return code(Err(refusal), ffi::SQLITE_CANTOPEN),
        };
        let opened = Box::into_raw(Box::new(Opened { shown, handle }));
        // SAFETY: as above; `close` takes the box back.
        unsafe {
            (*file).opened = opened;
            (*file).base.pMethods = &raw const METHODS;
            if !out_flags.is_null() {
                *out_flags = flags;
            }
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: it is our VFS, and SQLite's name is a C string.
        let (Some(shown), Some(name)) = (unsafe { shown(vfs) }, unsafe { text(name) }) else {
            return ffi::SQLITE_IOERR_DELETE;
        };
        match shown.disk.delete(name, sync_directory != 0) {
            Err(Refusal::NotFound) => ffi::SQLITE_IOERR_DELETE_NOENT,
            reply => code(reply, ffi::SQLITE_IOERR_DELETE),
        }
    })
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    result: *mut c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: it is our VFS, SQLite's name is a C string, and `result` is its variable.
        unsafe {
            let exists = shown(vfs).zip(text(name)).map(|(shown, name)| shown.disk.exists(name));
            *result = c_int::from(exists.unwrap_or(false));
        }
        ffi::SQLITE_OK
    })
}

/// Paths begin at the root: there is no current folder, and there are no links.
unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    size: c_int,
    full: *mut c_char,
) -> c_int {
    guarded(|| {
        // SAFETY: SQLite's name is a C string, and `full` has room for `size` bytes.
        unsafe {
            let bytes = CStr::from_ptr(name).to_bytes_with_nul();
            let root: &[u8] = if bytes.starts_with(b"/") { b"" } else { b"/" };
            if root.len() + bytes.len() > usize::try_from(size).unwrap_or(0) {
                return ffi::SQLITE_CANTOPEN;
            }
            std::ptr::copy_nonoverlapping(root.as_ptr().cast(), full, root.len());
            let rest = full.add(root.len());
            std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), rest, bytes.len());
        }
        ffi::SQLITE_OK
    })
}

/// The same in every run.
unsafe extern "C" fn randomness(
    _vfs: *mut ffi::sqlite3_vfs,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    let size = usize::try_from(size).unwrap_or(0);
    // SAFETY: SQLite gave room for so many bytes.
    unsafe { std::ptr::write_bytes(out, 0x5e, size) };
    c_int::try_from(size).unwrap_or(0)
}

/// Nobody else can do anything meanwhile.
unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

/// The world's time, whatever the clocks of its machines say: a VFS serves all of them.
unsafe extern "C" fn current_time_int64(vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    guarded(|| {
        // SAFETY: it is our VFS, and `out` is SQLite's variable.
        unsafe {
            let wall_ms = shown(vfs).map_or(0, |shown| shown.clock.now().wall_ms);
            *out = UNIX_EPOCH_MS + wall_ms;
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    guarded(|| {
        // SAFETY: `open` stored the box, and SQLite closes a file once.
        let opened = unsafe { Box::from_raw((*file.cast::<File>()).opened) };
        opened.unmap();
        opened.shown.disk.close(opened.handle);
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    size: c_int,
    at: i64,
) -> c_int {
    guarded(|| {
        let size = usize::try_from(size).unwrap_or(0);
        // SAFETY: the file is open, and SQLite gave room for so many bytes, which it owns alone;
        // there is something in them before they are a slice.
        let (opened, buffer) = unsafe {
            std::ptr::write_bytes(buffer.cast::<u8>(), 0, size);
            (opened(file), std::slice::from_raw_parts_mut(buffer.cast::<u8>(), size))
        };
        let reply = opened.shown.disk.read(opened.handle, place(at), buffer);
        code(reply, ffi::SQLITE_IOERR_READ)
    })
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    size: c_int,
    at: i64,
) -> c_int {
    guarded(|| {
        let size = usize::try_from(size).unwrap_or(0);
        // SAFETY: the file is open, and SQLite gave so many bytes.
        let (opened, bytes) =
            unsafe { (opened(file), std::slice::from_raw_parts(bytes.cast::<u8>(), size)) };
        let reply = opened.shown.disk.write(opened.handle, place(at), bytes);
        code(reply, ffi::SQLITE_IOERR_WRITE)
    })
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    guarded(|| {
        // SAFETY: the file is open.
        let opened = unsafe { opened(file) };
        let reply = opened.shown.disk.truncate(opened.handle, place(size));
        code(reply, ffi::SQLITE_IOERR_TRUNCATE)
    })
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    guarded(|| {
        // SAFETY: the file is open.
        let opened = unsafe { opened(file) };
        code(opened.shown.disk.sync(opened.handle), ffi::SQLITE_IOERR_FSYNC)
    })
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    guarded(|| {
        // SAFETY: the file is open, and `size` is SQLite's variable.
        unsafe {
            let opened = opened(file);
            *size = i64::try_from(opened.shown.disk.size(opened.handle)).unwrap_or(i64::MAX);
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn file_lock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    guarded(|| {
        // SAFETY: the file is open.
        let opened = unsafe { opened(file) };
        code(opened.shown.disk.lock(opened.handle, level(wanted)), ffi::SQLITE_IOERR_LOCK)
    })
}

unsafe extern "C" fn file_unlock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    guarded(|| {
        // SAFETY: the file is open.
        let opened = unsafe { opened(file) };
        opened.shown.disk.unlock(opened.handle, level(wanted));
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn check_reserved_lock(
    file: *mut ffi::sqlite3_file,
    result: *mut c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: the file is open, and `result` is SQLite's variable.
        unsafe {
            let opened = opened(file);
            *result = c_int::from(opened.shown.disk.is_reserved(opened.handle));
        }
        ffi::SQLITE_OK
    })
}

/// There is nothing to control: SQLite takes the usual way.
unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    guarded(|| {
        // SAFETY: the file is open.
        let profile = unsafe { opened(file) }.shown.disk.profile();
        c_int::try_from(profile.sector_size()).unwrap_or(0)
    })
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file is open.
    guarded(|| match unsafe { opened(file) }.shown.disk.profile() {
        Profile::Unix | Profile::Lying => ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE,
        Profile::Harsh => 0,
    })
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    _size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    guarded(|| {
        // SAFETY: the file is open, and `out` is SQLite's variable.
        unsafe {
            let pointer = opened(file).map(usize::try_from(region).unwrap_or(0), extend != 0);
            *out = pointer.unwrap_or(std::ptr::null_mut());
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: the file is open.
        let opened = unsafe { opened(file) };
        let slots = ((1_u16 << count) - 1) << offset;
        let slots = u8::try_from(slots & 0xff).unwrap_or(0);
        code(opened.lock_index(slots, flags), ffi::SQLITE_IOERR_SHMLOCK)
    })
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    guarded(|| {
        // SAFETY: the file is open.
        unsafe { opened(file) }.unmap();
        ffi::SQLITE_OK
    })
}
