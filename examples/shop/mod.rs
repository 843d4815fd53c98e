//! What the programs of the main job share: a shop that places orders, a warehouse that ships them.

pub(crate) mod arguments;
pub(crate) mod chance;
pub(crate) mod consumer;
pub(crate) mod order;
pub(crate) mod producer;
pub(crate) mod worker;

use std::error::Error;
use std::process::ExitCode;

/// What a program ends with; any error will do.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Completes at Ctrl-C. Without signals only a kill stops the program, which is as safe.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Says what went wrong, with its causes.
pub(crate) fn exit_code(outcome: Outcome<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let mut cause: Option<&dyn Error> = Some(&*error);
    while let Some(error) = cause {
        eprintln!("{error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
