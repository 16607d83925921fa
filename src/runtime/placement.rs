//! Which provider each node of a session was given to.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::ptr;

use ort::session::Session;
use ort::{AsPointer as _, ortsys};

use super::provider::Provider;

/// The session option that has ONNX Runtime remember where nodes go.
pub(super) const RECORD: (&str, &str) = ("session.record_ep_graph_assignment_info", "1");

/// How many nodes of a graph run on the chosen provider, and which were left to the processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Nodes on the chosen provider and its companion.
    pub placed: usize,
    /// Nodes left to the processor.
    pub left: usize,
    /// The operators of the latter, sorted.
    pub left_operators: BTreeSet<String>,
    /// Whether the host's memory that the device copies from fast could not be had.
    pub is_pageable: bool,
}

impl Placement {
    /// Reads where the nodes of a session are that was built with [`RECORD`].
    pub(super) fn read(session: &Session) -> ort::Result<Placement> {
        let mut placement = Placement::default();
        for (provider, operator) in assignments(session)? {
            if provider == Provider::cpu().ort_name {
                placement.left += 1;
                placement.left_operators.insert(operator);
            } else {
                placement.placed += 1;
            }
        }
        Ok(placement)
    }

    /// Warnings of what costs time: nodes that were left to the processor, and slow copies.
    pub fn warnings(&self) -> Vec<String> {
        let operators: Vec<&str> = self.left_operators.iter().map(String::as_str).collect();
        let left = (self.left > 0).then(|| {
            format!(
                "{} of {} nodes do not run on the provider but on the CPU ({}), which costs time at every evaluation",
                self.left,
                self.left + self.placed,
                operators.join(", ")
            )
        });
        let pageable = self.is_pageable.then(|| {
            "no pinned memory could be had, so copies to and from the device take longer".to_owned()
        });
        left.into_iter().chain(pageable).collect()
    }
}

/// Provider and operator of every node.
fn assignments(session: &Session) -> ort::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let (mut subgraphs, mut count) = (ptr::null(), 0);
    ortsys![unsafe Session_GetEpGraphAssignmentInfo(session.ptr(), &mut subgraphs, &mut count)?];
    for index in 0..count {
        // SAFETY: ONNX Runtime has written an array of `count` pointers, which live as long as the session.
        let subgraph = unsafe { *subgraphs.add(index) };
        let mut name = ptr::null();
        ortsys![unsafe EpAssignedSubgraph_GetEpName(subgraph, &mut name)?];
        let provider = text(name);
        let (mut nodes, mut node_count) = (ptr::null(), 0);
        ortsys![unsafe EpAssignedSubgraph_GetNodes(subgraph, &mut nodes, &mut node_count)?];
        for index in 0..node_count {
            let mut operator = ptr::null();
            // SAFETY: as above, with `node_count`.
            ortsys![unsafe EpAssignedNode_GetOperatorType(*nodes.add(index), &mut operator)?];
            found.push((provider.clone(), text(operator)));
        }
    }
    Ok(found)
}

fn text(pointer: *const std::ffi::c_char) -> String {
    // SAFETY: called only with strings that ONNX Runtime has just handed out; they live as long as the session.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_on_the_processor_and_slow_copies_are_warned_about() {
        let mut placement = Placement {
            placed: 135,
            ..Placement::default()
        };
        assert_eq!(placement.warnings(), Vec::<String>::new());
        placement.left = 4;
        placement.left_operators = ["MaxUnpool", "Cast"].map(str::to_owned).into();
        placement.is_pageable = true;
        let warnings = placement.warnings();
        assert!(
            warnings[0].starts_with("4 of 139 nodes") && warnings[0].contains("(Cast, MaxUnpool)"),
            "{warnings:?}"
        );
        assert!(warnings[1].contains("pinned memory"), "{warnings:?}");
    }
}
