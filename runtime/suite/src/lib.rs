//! The conformance suite: runs a plugin as ValeChat runs it (sandbox and gate included) over
//! scripted answers, and tells what it does when all goes well and when the network does not.
//!
//! Nothing of it opens a socket: below the gate lies a [`vale_egress::Transport`] that plays what
//! a recording holds, or a fault. Waiting is cut short by small timeouts of the gate, so that a
//! silent server costs a tenth of a second.
//!
//! [`run`] takes a plugin's file and its [`Recordings`] and gives a [`Report`]. It knows no folders
//! of projects and no command line; it installs nothing and asks no keyring: every credential of
//! the manifest gets a made-up value.

mod bench;
mod conformance;
mod draft;
mod fault_judge;
mod fault_rows;
mod faults;
mod heard;
mod limits;
mod list_faults;
mod package;
mod recorder;
mod recording;
mod report;
mod scenario;
mod speed;
mod suite;
mod tape;
mod tool_faults;
mod tools;

pub use draft::{Asked, DraftError, RecordingDraft, Written, is_recording_name};
pub use recorder::{Recorder, RecorderError, TakenExchange};
pub use recording::{MAX_FILE_BYTES, MAX_FILES, Recordings, RecordingsError};
pub use report::{Check, LimitUse, PackageReport, Report, Section, SpeedReport, Verdict};
pub use suite::{Options, SuiteError, run};
