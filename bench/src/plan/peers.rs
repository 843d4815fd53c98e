//! Ours beside other queues.

use super::Scale;
use super::build::Group;
use serde::{Deserialize, Serialize};

/// One that was built, as its program describes it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Peer {
    pub name: String,
    /// A path of this machine: not in the results.
    #[serde(default, skip_serializing)]
    pub command: Vec<String>,
    /// Why it is not there.
    #[serde(default)]
    pub absent: Option<String>,
    #[serde(default)]
    pub described: Option<Described>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Described {
    pub subject: String,
    pub version: String,
    pub settings: Vec<Setting>,
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Setting {
    pub name: String,
    pub survives_power_cut: bool,
    #[serde(default)]
    pub note: String,
}

pub fn groups(_: Scale, _: &[Peer]) -> Vec<Group> {
    Vec::new()
}
