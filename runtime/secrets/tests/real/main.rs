//! The stores against what they meet in the field: a real keyring, a missing and a silent one, a
//! full disk. Tests named `inside_…` are ignored because others run them, in a process of their own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod disk_full;
mod keyring;
mod support;
