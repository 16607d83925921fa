//! What there is where there is no unit: nothing of it is ever called.

use super::{Operands, Pair, Parts};

pub(in super::super) fn is_available() -> bool {
    false
}

pub(in super::super) struct Unit;

impl Unit {
    pub(in super::super) unsafe fn configure() -> Self {
        unreachable!("the unit is not available")
    }

    pub(in super::super) unsafe fn multiply(&self, _: Parts, _: Operands) {}
}

pub(in super::super) unsafe fn split(_: Pair) {}
