//! A disk whose syncs take long: loaded before a program by `LD_PRELOAD`, this library delays every
//! `fsync` and `fdatasync` by `SLOW_DISK_US` microseconds, and then does it.

use std::sync::LazyLock;
use std::time::Duration;

static DELAY: LazyLock<Duration> = LazyLock::new(|| {
    let micros = std::env::var("SLOW_DISK_US").ok().and_then(|text| text.parse().ok());
    Duration::from_micros(micros.unwrap_or(0))
});

fn sync(call: libc::c_long, file: libc::c_int) -> libc::c_int {
    std::thread::sleep(*DELAY);
    // SAFETY: both calls take a file descriptor and touch no memory of ours.
    unsafe { libc::syscall(call, file) as libc::c_int }
}

/// In place of the C library's.
#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: libc::c_int) -> libc::c_int {
    sync(libc::SYS_fsync, file)
}

/// In place of the C library's.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: libc::c_int) -> libc::c_int {
    sync(libc::SYS_fdatasync, file)
}
