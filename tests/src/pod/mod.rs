//! What a cluster does with the manifests in `deploy/`, without a cluster: builds and checks them,
//! and runs their pod on this machine as a kubelet would.
//!
//! The same commands, arguments, environment, user, volumes, read-only root, probes, order and
//! grace. Not played: limits of memory, CPU and volume size, and seccomp's default profile.

pub mod image;
pub mod manifests;
pub mod network;
pub mod node;
pub mod spec;
