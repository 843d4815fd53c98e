//! Messages are CloudEvents to somebody else: held against the SDK of the CloudEvents project.

mod binary;
mod sample;
mod sent;
mod taken;
