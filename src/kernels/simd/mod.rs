//! Vectors of `f32` for one instruction set, chosen at run time.
//!
//! Kernels are written once, generic over [`Simd`], and marked `#[inline(always)]`; a [`Job`]
//! started by [`Isa::run`] is compiled once per instruction set inside a function that has the
//! features switched on.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use super::amx;

/// Most vectors of a panel.
pub(super) const PANEL: usize = 3;

/// An instruction set that the kernels are compiled for.
///
/// Results are the same to the byte for any number of threads, but may differ in the last bits
/// between instruction sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust, right on every machine.
    Portable(Lanes),
    /// x86-64 with AVX2 and FMA: 8 lanes.
    Avx2,
    /// x86-64 with AVX-512F: 16 lanes.
    Avx512,
    /// x86-64 with AVX-512F and AMX-BF16 on Linux: 16 lanes, and products of bf16 parts in convolutions and the gradients of
    /// Gram matrices.
    Amx,
    /// 64-bit ARM: 4 lanes.
    Neon,
}

/// Lanes of the vectors that plain Rust is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// On every machine.
    Four = 4,
    /// On x86-64 with AVX.
    Eight = 8,
    /// On x86-64 with AVX-512F.
    Sixteen = 16,
}

impl Lanes {
    const ALL: [Self; 3] = [Self::Four, Self::Eight, Self::Sixteen];

    fn are_available(self) -> bool {
        match self {
            Self::Four => true,
            #[cfg(target_arch = "x86_64")]
            Self::Eight => is_x86_feature_detected!("avx"),
            #[cfg(target_arch = "x86_64")]
            Self::Sixteen => is_x86_feature_detected!("avx512f"),
            #[allow(unreachable_patterns, reason = "other architectures have four")]
            _ => false,
        }
    }
}

impl Isa {
    /// The fastest instruction set of this machine.
    pub fn detect() -> Self {
        *Self::available().last().unwrap_or(&Self::portable())
    }

    /// Plain Rust with the most lanes that this machine has.
    pub fn portable() -> Self {
        let lanes = Lanes::ALL.into_iter().rfind(|lanes| lanes.are_available());
        Self::Portable(lanes.unwrap_or(Lanes::Four))
    }

    /// Every instruction set that this machine can run, the slowest first.
    pub fn available() -> Vec<Self> {
        let portable = Lanes::ALL.map(Self::Portable);
        let own = [Self::Neon, Self::Avx2, Self::Avx512, Self::Amx];
        let all = portable.into_iter().chain(own);
        all.filter(|isa| isa.is_available()).collect()
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable(lanes) => lanes.are_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            Self::Amx => amx::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[allow(unreachable_patterns, reason = "the sets of other architectures")]
            _ => false,
        }
    }

    /// Lanes of a vector.
    pub fn lanes(self) -> usize {
        match self {
            Self::Avx512 | Self::Amx => 16,
            Self::Avx2 => 8,
            Self::Neon => 4,
            Self::Portable(lanes) => lanes as usize,
        }
    }

    /// Vectors of a panel: as many as leave registers to the rest of a register block.
    pub(super) fn panel(self) -> usize {
        if self.lanes() == 8 { 2 } else { PANEL }
    }

    /// Runs `job` compiled for this instruction set.
    ///
    /// # Panics
    ///
    /// When this machine does not have it.
    #[inline]
    pub(super) fn run<J: Job>(self, job: J) {
        assert!(self.is_available(), "{self:?} is not available on this machine");
        match self {
            // SAFETY: the features were detected.
            Self::Portable(lanes) => unsafe { portable::run(lanes, job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the features were detected.
            Self::Avx2 => unsafe { avx2::run(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the features were detected.
            Self::Avx512 | Self::Amx => unsafe { avx512::run(job) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: NEON belongs to the architecture.
            Self::Neon => unsafe { neon::run(job) },
            #[allow(unreachable_patterns, reason = "the sets of other architectures")]
            _ => unreachable!(),
        }
    }
}

/// Work that is compiled once per instruction set.
pub(super) trait Job {
    /// Does the work; must be `#[inline(always)]`, like all that it calls with `S`.
    fn run<S: Simd>(self);
}

/// Vectors of one instruction set.
///
/// # Safety
///
/// All functions need the instruction set to be present, which is so inside of a [`Job`].
/// Pointers need no alignment and must be good for the lanes that are read or written.
pub(super) trait Simd: Copy {
    /// A vector of [`Self::LANES`] `f32`.
    type V: Copy;
    /// Lanes of a vector.
    const LANES: usize;
    /// Rows of the product's register block: 4 or 8.
    const ROWS: usize;

    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self::V;
    /// Reads `LANES` consecutive values.
    unsafe fn load(p: *const f32) -> Self::V;
    /// Writes `LANES` consecutive values.
    unsafe fn store(p: *mut f32, a: Self::V);
    /// `a + b`
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused where the machine can
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a * b - c`, fused where the machine can
    unsafe fn mul_sub(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger one, lane by lane.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// `x` in the lanes where `a > b`, else `y`.
    unsafe fn select_gt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `4 * LANES` consecutive values to vectors of which number `j` has value `4 i + j` in lane `i`.
    unsafe fn deinterleave(a: [Self::V; 4]) -> [Self::V; 4];
    /// The inverse of [`Self::deinterleave`].
    unsafe fn interleave(a: [Self::V; 4]) -> [Self::V; 4];
    /// Lanes of `a` and `b` in turn, in two vectors.
    unsafe fn interleave2(a: Self::V, b: Self::V) -> [Self::V; 2];
    /// Writes `LANES` values, which are whole numbers, as `u16`, the low byte first.
    unsafe fn store_u16(p: *mut u16, a: Self::V);
    /// Writes `LANES` values past the caches, where the machine can; `p` must be aligned to them.
    unsafe fn stream(p: *mut f32, a: Self::V);
    /// Orders streamed values before what is written later.
    unsafe fn fence();
    /// Asks for the cache line at `p`, which may point anywhere, to be in the second cache soon.
    fn prefetch(p: *const f32);
    /// The sum of the lanes.
    unsafe fn sum(a: Self::V) -> f32;
}
