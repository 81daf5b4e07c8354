//! Tools: components whose functions a model, or a person, may call.

mod actor;
mod blobs;
mod kv;
mod set;

pub(crate) use blobs::CallBlobs;
pub(crate) use kv::FileKv;
pub(crate) use set::{ToolWiring, Tools};
