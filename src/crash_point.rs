//! Places in the code that a crash test can name.

/// Names a place in the code, where no write, message or call marks it.
///
/// In a [`CrashTest`](crate::testing::CrashTest) it is a place to crash at like any other, is told
/// in the story of a loss, and can be asked for with
/// [`must_reach`](crate::testing::CrashTest::must_reach). Elsewhere it does nothing, and without
/// the feature `testing` there is nothing of it in the program.
///
/// ```
/// surehand::crash_point!("the invoice is written, the mail is not sent");
/// ```
#[cfg(feature = "testing")]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        $crate::testing::passed($name)
    };
}

/// Names a place in the code: nothing, without the feature `testing`.
#[cfg(not(feature = "testing"))]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {{}};
}
