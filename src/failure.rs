//! Why a message was not applied, as a handler says it.

use crate::error::Error;
use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// Why a handler did not apply a message, and what should happen to it.
///
/// Any error becomes a retryable one through `?`. Say it otherwise where you know better:
///
/// ```
/// use surehand::Failure;
/// use std::time::Duration;
///
/// fn charge(amount: i64) -> Result<(), Failure> {
///     if amount < 0 {
///         return Err(Failure::permanent("a negative amount never becomes payable"));
///     }
///     if amount > 1_000 {
///         return Err(Failure::retry("over the limit").after(Duration::from_secs(3600)));
///     }
///     "12".parse::<i64>()?;
///     Ok(())
/// }
/// # assert!(charge(-1).unwrap_err().is_permanent());
/// ```
#[derive(Debug)]
pub struct Failure {
    cause: Box<dyn StdError + Send + Sync>,
    permanent: bool,
    delay: Option<Duration>,
}

impl Failure {
    /// Try again, by the subscription's retry policy.
    pub fn retry(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { cause: cause.into(), permanent: false, delay: None }
    }

    /// Never try again: the message becomes a dead letter at once.
    pub fn permanent(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { permanent: true, ..Self::retry(cause) }
    }

    /// Try again no sooner than after this delay, instead of the retry policy's.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Whether trying again is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// The delay the handler asked for.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// The same for a second message: the cause as text.
    pub(crate) fn again(&self) -> Self {
        Self { cause: self.text().into(), permanent: self.permanent, delay: self.delay }
    }

    /// What is said of code that panicked: by the panic's own text.
    pub(crate) fn panicked(who: &str, panic: &(dyn Any + Send)) -> Self {
        Self::retry(format!("{who} panicked: {}", panic_text(panic)))
    }

    /// The database's own trouble (full, broken), which no message is to be blamed for.
    pub(crate) fn of_the_ground(&self) -> Option<Error> {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&*self.cause);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
                return ground(error);
            }
            cause = error.source();
        }
        None
    }

    /// The cause with all its sources, in one line.
    pub(crate) fn text(&self) -> String {
        let mut text = self.cause.to_string();
        let mut source = self.cause.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a text".into())
}

fn ground(error: &rusqlite::Error) -> Option<Error> {
    use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
    let code = error.sqlite_error_code()?;
    let copy = rusqlite::Error::SqliteFailure(*error.sqlite_error()?, Some(error.to_string()));
    matches!(code, DiskFull | SystemIoFailure).then(|| Error::sqlite("apply a message", copy))
}

// Concrete, and no `Error` itself: so every error converts, and closures need no annotation.
impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Failure {
    fn from(cause: E) -> Self {
        Self::retry(cause)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}
