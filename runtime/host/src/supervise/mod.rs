//! Supervision: children that are kept alive, one for one, whatever ends them.
//!
//! [`Tree`] is the root, [`Group`] a supervisor, [`Child`] the living address of an actor. A child
//! that panics is caught, noted, and started anew after a jittered wait; one that keeps ending is
//! left alone for a while, and says so to whoever calls it. Nothing here knows what a child does.
//!
//! A new kind of actor needs its struct, `impl Actor`, its handlers, and one
//! [`Tree::start`] with a [`ChildSpec`]; see the tests below for one in full.

mod bus;
mod child;
mod group;
mod keeper;
mod life;
mod node;
mod stage;
#[cfg(test)]
mod tests;
mod tree;
mod vitals;

pub(crate) use bus::Bus;
pub use bus::HostEvent;
pub use child::{Child, ChildSpec, RESTART_WAIT, Restart};
pub use group::{Escalation, Group};
pub(crate) use life::words;
pub use node::{ChildState, Command, NodeReport};
pub use stage::Stage;
pub use tree::Tree;
pub use vitals::{BreakerReport, Vitals, VitalsSource};
