//! Child processes that never outlive the host.
//!
//! A child started through [`Confined`] runs below the helper program `valechat-confine`, and with
//! it end all its descendants, daemons included: when the program ends, when the helper is told to
//! stop, and when host or helper are killed with `kill -9`.
//!
//! Who guarantees what:
//!
//! | form | whoever is killed | who ends the descendants | what escapes |
//! |---|---|---|---|
//! | [`Strength::PidNamespace`] (Linux) | host, helper, init | the kernel, with the namespace | nothing |
//! | [`Strength::JobObject`] (Windows) | host, helper | the kernel, with the job | nothing (not run by us yet) |
//! | [`Strength::Reduced`] (Linux without user namespaces) | host, helper or its keeper | the two that are left, which search `/proc` | a tree whose helper *and* keeper are killed at once; work handed to a foreign service |
//! | [`Strength::Reduced`] (macOS) | host or helper | a watchdog kills the process group | a descendant that left the group (not run by us yet) |
//! | [`Strength::None`] (no helper) | - | nobody | everything |
//!
//! In the strong form, once the helper's exit has been waited for *and the helper was not itself
//! killed*, no descendant lives any more. After `kill -9` they end within milliseconds.
//!
//! **Spawn from a thread that lives as long as the child should.** Linux tells the helper of its
//! parent's end by the *thread* that spawned it (`PR_SET_PDEATHSIG`, prctl(2)), so a helper that a
//! short-lived thread spawned (tokio's blocking pool, a runtime's worker that `block_in_place`
//! retired) ends with that thread. An actor's arbiter thread is right. The kernel also forgets that
//! wish when a process changes its credentials, so nothing here ever does.
//!
//! This crate *ends* children. It does not keep them from reading files or from the network: a
//! jail will grow in [`Spec`]. It must not know what it starts, and does not log.

mod command;
mod confine;
mod status;

pub use command::{Confined, HELPER, Spec, find_helper};
pub use confine::Confine;
pub use status::{ParseStatusError, Status, Strength, probe};
