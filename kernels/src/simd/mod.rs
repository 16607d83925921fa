//! Vectors of `f32` for one instruction set, chosen at run time.
//!
//! Kernels are written once, generic over [`Simd`], and marked `#[inline(always)]`; a [`SimdOp`]
//! started by [`Isa::run`] is compiled once per instruction set inside a function that has the
//! features switched on.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

/// Most vectors of a panel.
pub(crate) const PANEL: usize = 3;

/// Makes [`Isa`] of a row for each set: its name for users, its lanes, where there can be one, and its module, which has
/// `is_available` and `run`.
macro_rules! instruction_sets {
    ($($(#[$doc:meta])+ $name:ident, $text:literal, $lanes:literal, $cfg:meta, $module:ident;)*) => {
        /// An instruction set that the kernels are compiled for.
        ///
        /// Results are the same to the byte for any number of threads, but may differ in the last bits
        /// between instruction sets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Isa {
            /// Plain Rust, right on every machine.
            Portable(Lanes),
            /// The kernels for AMX with the unit in plain Rust, for tests: right on every machine, and slow.
            EmulatedAmx,
            $($(#[$doc])+ $name,)*
        }

        impl Isa {
            /// The sets that have a module of their own, the slowest first.
            const OWN: &[Self] = &[$(Self::$name),*];

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    Self::Portable(_) => "portable",
                    Self::EmulatedAmx => "emulated-amx",
                    $(Self::$name => $text,)*
                }
            }

            /// Whether this machine can run it.
            pub fn is_available(self) -> bool {
                match self {
                    Self::Portable(lanes) => lanes.are_available(),
                    Self::EmulatedAmx => true,
                    $(
                        #[cfg($cfg)]
                        Self::$name => $module::is_available(),
                    )*
                    #[allow(unreachable_patterns, reason = "the sets of other architectures")]
                    _ => false,
                }
            }

            /// Lanes of a vector.
            pub fn lanes(self) -> usize {
                match self {
                    Self::Portable(lanes) => lanes as usize,
                    Self::EmulatedAmx => 16,
                    $(Self::$name => $lanes,)*
                }
            }

            /// Runs `op` compiled for this instruction set.
            ///
            /// # Panics
            ///
            /// When this machine does not have it.
            #[inline]
            pub(crate) fn run<J: SimdOp>(self, op: J) {
                assert!(self.is_available(), "{self:?} is not available on this machine");
                match self {
                    // SAFETY: the features were detected.
                    Self::Portable(lanes) => unsafe { portable::run(lanes, op) },
                    Self::EmulatedAmx => portable::run_sixteen(op),
                    $(
                        #[cfg($cfg)]
                        // SAFETY: the features were detected.
                        Self::$name => unsafe { $module::run(op) },
                    )*
                    #[allow(unreachable_patterns, reason = "the sets of other architectures")]
                    _ => unreachable!(),
                }
            }
        }
    };
}

instruction_sets! {
    /// 64-bit ARM: 4 lanes.
    Neon, "neon", 4, target_arch = "aarch64", neon;
    /// x86-64 with AVX2 and FMA: 8 lanes.
    Avx2, "avx2", 8, target_arch = "x86_64", avx2;
    /// x86-64 with AVX-512F: 16 lanes.
    Avx512, "avx512", 16, target_arch = "x86_64", avx512;
    /// x86-64 with AVX-512F and AMX-BF16 on Linux: 16 lanes, and products of bf16 parts in convolutions and the gradients
    /// of Gram matrices.
    Amx, "amx", 16, all(target_arch = "x86_64", target_os = "linux"), amx;
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
        let all = portable.into_iter().chain(Self::OWN.iter().copied());
        all.filter(|isa| isa.is_available()).collect()
    }

    /// One of each name, also those that this machine cannot run, but for what only tests run.
    pub fn named() -> impl Iterator<Item = Self> {
        [Self::portable()].into_iter().chain(Self::OWN.iter().copied())
    }

    /// Vectors of a panel: as many as leave registers to the rest of a register block.
    pub(crate) fn panel(self) -> usize {
        if self.lanes() == 8 { 2 } else { PANEL }
    }
}

/// Runs `work` with the best instruction set of this machine switched on. What is to be compiled for it must be
/// `#[inline(always)]`, as by [`vectorized!`](crate::vectorized).
#[inline(always)]
pub fn run_vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if avx512::is_available() {
        // SAFETY: the features were detected.
        return unsafe { avx512::call(work) };
    } else if avx2::is_available() {
        // SAFETY: the features were detected.
        return unsafe { avx2::call(work) };
    }
    work()
}

/// Functions of plain loops, of which the compiler makes vector code for each instruction set.
///
/// It never fuses a product with a sum by itself, so that all sets give the same bytes.
#[macro_export]
macro_rules! vectorized {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {
        $(
            $(#[$doc])*
            $vis fn $name($($arg: $type),*) $(-> $result)? {
                #[inline(always)]
                #[allow(clippy::too_many_arguments, reason = "those of the function that it is the body of")]
                fn body($($arg: $type),*) $(-> $result)? $body
                $crate::run_vectorized(|| body($($arg),*))
            }
        )*
    };
}

/// Work that is compiled once per instruction set.
pub(crate) trait SimdOp {
    /// Does the work; must be `#[inline(always)]`, like all that it calls with `simd`.
    fn run<S: Simd>(self, simd: S);
}

/// An instruction set as a token: a value exists only where the machine has it, inside of a [`SimdOp`], so that
/// arithmetic is safe.
///
/// # Safety
///
/// Pointers need no alignment and must be good for the lanes that are read or written.
pub(crate) trait Simd: Copy {
    /// A vector of [`Self::LANES`] `f32`.
    type V: Copy;
    /// Lanes of a vector.
    const LANES: usize;
    /// Rows of the product's register block: 4 or 8.
    const ROWS: usize;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// Reads `LANES` consecutive values.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Writes `LANES` consecutive values.
    unsafe fn store(self, p: *mut f32, a: Self::V);
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused where the machine can
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a * b - c`, fused where the machine can
    fn mul_sub(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger one, lane by lane.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `x` in the lanes where `a > b`, else `y`.
    fn select_gt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `4 * LANES` consecutive values to vectors of which number `j` has value `4 i + j` in lane `i`.
    fn deinterleave(self, a: [Self::V; 4]) -> [Self::V; 4];
    /// The inverse of [`Self::deinterleave`].
    fn interleave(self, a: [Self::V; 4]) -> [Self::V; 4];
    /// Lanes of `a` and `b` in turn, in two vectors.
    fn interleave2(self, a: Self::V, b: Self::V) -> [Self::V; 2];
    /// Writes `LANES` values, which are whole numbers, as `u16`, the low byte first.
    unsafe fn store_u16(self, p: *mut u16, a: Self::V);
    /// Writes `LANES` values past the caches, where the machine can; `p` must be aligned to them.
    unsafe fn stream(self, p: *mut f32, a: Self::V);
    /// Orders streamed values before what is written later.
    fn fence(self);
    /// Asks for the cache line at `p`, which may point anywhere, to be in the second cache soon.
    fn prefetch(self, p: *const f32);
    /// The sum of the lanes.
    fn sum(self, a: Self::V) -> f32;
}
