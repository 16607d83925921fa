//! What a run takes of memory.

use serde::Serialize;

use crate::memory::Bytes;

// Measured as the peak of resident memory with the graphs of preset gatys, AVX-512, two threads; what is reckoned from it was
// within 10 % of the peak of runs from 256 to 8192 pixels, of one scale and of several, whole and in tiles: at most 4 % too
// little (8192), 10 % too much in the smallest tiles.

/// Bytes of the program, ONNX Runtime, the graphs and their weights, and of what tiles need beside them.
pub(super) const PROGRAM: u64 = 316_000_000;
pub(super) const TILED: u64 = 34_000_000;
/// Bytes a pixel of a tile or a whole picture that the network takes: its activations, their gradients, and what ONNX
/// Runtime's arena cannot use between them. With the program's own kernels, and with ONNX Runtime's.
pub(super) const OWN: u64 = 940;
pub(super) const PORTABLE: u64 = 2130;
/// What judging takes, whose graph looks at twice as many layers: so many bytes, and a pixel of the largest picture's tile. With
/// the program's own kernels, and with ONNX Runtime's.
pub(super) const JUDGE_OWN: [u64; 2] = [800_000_000, 1180];
pub(super) const JUDGE_PORTABLE: [u64; 2] = [370_000_000, 2250];
/// Bytes a pixel of the picture that is judged, beside its tiles: it and the photo, as read, resized and as the network's input,
/// the photo's features, the gradient. Of a picture of 1920x1080 pixels.
pub(super) const JUDGED: u64 = 190;
/// The network's bytes a pixel while it computes targets: style images of 1024, 1280 and 2048 pixels.
pub(super) const TARGETS_OWN: u64 = 700;
pub(super) const TARGETS_PORTABLE: u64 = 1000;
/// Bytes of a card that CUDA, cuDNN's workspace and the weights take. Reckoned, and measured on no card; as is that a pixel
/// takes there what it takes with ONNX Runtime's kernels on the processor.
pub(super) const CARD: u64 = 1_000_000_000;
/// What sessions take at most that wait for further runs.
pub(super) const WAITING: u64 = 600_000_000;
/// Bytes a pixel of L-BFGS's points and gradients, of Adam's with its moments, and of smoothed changes.
pub(super) const LBFGS: u64 = 60;
pub(super) const ADAM: u64 = 84;
pub(super) const PRECONDITIONER: u64 = 72;
/// Bytes a pixel of the last frame of a film, moved, its mask, and the session that compares an image with it: reckoned.
pub(super) const LAST_FRAME: u64 = 64;
/// Bytes a pixel of a pair of the history.
pub(super) const PAIR: u64 = 6;
/// The part of the budget that is planned with: what is reckoned may be a little too low.
pub(super) const CERTAIN: f64 = 0.97;

/// Bytes that a run takes, by what takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The program, ONNX Runtime, the graphs and their weights.
    pub program: u64,
    /// The network's activations and their gradients, of a tile or of the whole picture. Coarser scales, which take no more,
    /// have the same memory before it.
    pub network: u64,
    /// The photo at the painted size, and its features, also of coarser scales whose losses are in this one's; the last
    /// frame of a film.
    pub content: u64,
    /// The optimiser's points and gradients.
    pub optimizer: u64,
    /// The pairs that L-BFGS remembers.
    pub history: u64,
}

impl Memory {
    /// All together.
    pub fn total(&self) -> Bytes {
        Bytes(self.program + self.network + self.content + self.optimizer + self.history)
    }
}

/// The bytes of a budget that are planned with.
pub(super) fn planned_with(Bytes(budget): Bytes) -> u64 {
    (CERTAIN * budget as f64) as u64
}

/// Whether so many bytes have room.
pub(super) fn fits_in(bytes: u64, budget: Option<Bytes>) -> bool {
    budget.is_none_or(|budget| bytes <= planned_with(budget))
}

/// What a run must be allowed that takes so many bytes.
pub(super) fn with_reserve(bytes: u64) -> Bytes {
    Bytes((bytes as f64 / CERTAIN) as u64 + 1)
}
