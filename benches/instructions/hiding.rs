//! A lesser processor, as this process sees it.
//!
//! Linux can have every `cpuid` of a thread, and of the threads that it starts, end in a SIGSEGV in place of an answer
//! (man page arch_prctl(2), ARCH_SET_CPUID). The handler here answers, and takes out what is to be hidden. The
//! instructions themselves still work: a program that does not ask would not notice.

use std::arch::x86_64::__cpuid_count;
use std::io;
use std::ptr;
use std::sync::OnceLock;

/// What is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// Nothing.
    Nothing,
    /// AVX-512 and AMX.
    Avx512,
    /// AVX and all that builds on it, so that SSE is left.
    Avx,
}

/// What the handler hides.
static HIDDEN: OnceLock<Hidden> = OnceLock::new();

impl Hidden {
    /// All, the least hidden first.
    pub const ALL: [Hidden; 3] = [Hidden::Nothing, Hidden::Avx512, Hidden::Avx];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Hidden::Nothing => "nothing",
            Hidden::Avx512 => "avx512",
            Hidden::Avx => "avx",
        }
    }

    /// Whether the processor seems to have what is to be hidden.
    pub fn is_there(self) -> bool {
        match self {
            Hidden::Nothing => true,
            Hidden::Avx512 => is_x86_feature_detected!("avx512f"),
            Hidden::Avx => is_x86_feature_detected!("avx2"),
        }
    }

    /// Hides it from this thread and all that it starts; once, before anything has asked for what the processor has.
    ///
    /// # Errors
    /// The system or the processor cannot.
    pub fn hide(self) -> io::Result<()> {
        if self == Hidden::Nothing {
            return Ok(());
        }
        HIDDEN.get_or_init(|| self);
        // SAFETY: all zeros are an action without flags and with an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = answer as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler only makes system calls, reads a value that is set, and asks `cpuid`.
        if unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let_cpuid(false)?;
        assert!(!self.is_there(), "{self:?} was seen before it was hidden");
        Ok(())
    }

    /// The bits of `cpuid` that tell of it.
    fn bits(self) -> impl Iterator<Item = &'static Bits> {
        let (avx512, avx): (&[Bits], &[Bits]) = match self {
            Hidden::Nothing => (&[], &[]),
            Hidden::Avx512 => (&AVX512, &[]),
            Hidden::Avx => (&AVX512, &AVX),
        };
        avx512.iter().chain(avx)
    }
}

/// Bits of an answer of `cpuid`.
struct Bits {
    leaf: u32,
    /// None where `cpuid` does not look at it.
    subleaf: Option<u32>,
    /// In EAX, EBX, ECX, EDX.
    registers: [u32; 4],
}

/// Of AVX512F, DQ, IFMA, PF, ER, CD, BW, VL; VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; 4VNNIW, 4FMAPS, VP2INTERSECT,
/// AMX-BF16, AVX512-FP16, AMX-TILE, AMX-INT8. Then of AVX512-BF16, AMX-FP16; AMX-COMPLEX, AVX10.
///
/// Intel, "Software Developer's Manual", volume 2A, CPUID.
const AVX512: [Bits; 2] = [
    Bits {
        leaf: 7,
        subleaf: Some(0),
        registers: [
            0,
            bits(&[16, 17, 21, 26, 27, 28, 30, 31]),
            bits(&[1, 6, 11, 12, 14]),
            bits(&[2, 3, 8, 22, 23, 24, 25]),
        ],
    },
    Bits {
        leaf: 7,
        subleaf: Some(1),
        registers: [bits(&[5, 21]), 0, 0, bits(&[8, 19])],
    },
];

/// Of FMA, AVX, F16C. Then of AVX2; VAES, VPCLMULQDQ. Then of SHA512, SM3, SM4, AVX-VNNI, AVX-IFMA; AVX-VNNI-INT8,
/// AVX-NE-CONVERT, AVX-VNNI-INT16.
///
/// From there too.
const AVX: [Bits; 3] = [
    Bits {
        leaf: 1,
        subleaf: None,
        registers: [0, 0, bits(&[12, 28, 29]), 0],
    },
    Bits {
        leaf: 7,
        subleaf: Some(0),
        registers: [0, bits(&[5]), bits(&[9, 10]), 0],
    },
    Bits {
        leaf: 7,
        subleaf: Some(1),
        registers: [bits(&[0, 1, 2, 4, 23]), 0, 0, bits(&[4, 5, 10])],
    },
];

const fn bits(numbers: &[u32]) -> u32 {
    let (mut bits, mut i) = (0, 0);
    while i < numbers.len() {
        bits |= 1 << numbers[i];
        i += 1;
    }
    bits
}

/// Lets this thread, and those that it will start, run `cpuid`, or has it end in a SIGSEGV.
///
/// # Errors
/// The system or the processor cannot.
pub fn let_cpuid(run: bool) -> io::Result<()> {
    const ARCH_SET_CPUID: libc::c_long = 0x1012;
    // SAFETY: the call takes two numbers.
    match unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_CPUID, libc::c_long::from(run)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Handles SIGSEGV: answers a `cpuid`, and lets every other fault end the process.
extern "C" fn answer(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    const CPUID: [u8; 2] = [0x0f, 0xa2];
    // SAFETY: the system hands over why it stopped the thread, and the thread's registers.
    let (code, registers) = unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        ((*info).si_code, &mut context.uc_mcontext.gregs)
    };
    let instruction = registers[libc::REG_RIP as usize] as *const [u8; 2];
    // SAFETY: the instruction lies where the thread is. If nothing lies there, this is a SIGSEGV inside of its handler,
    // which ends the process.
    if code != libc::SI_KERNEL || unsafe { instruction.read() } != CPUID {
        // SAFETY: the same fault comes again at once, and is no longer handled.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        return;
    }
    let asked = [libc::REG_RAX, libc::REG_RCX].map(|register| registers[register as usize] as u32);
    for (register, value) in [libc::REG_RAX, libc::REG_RBX, libc::REG_RCX, libc::REG_RDX]
        .into_iter()
        .zip(lesser_cpuid(asked))
    {
        registers[register as usize] = i64::from(value);
    }
    registers[libc::REG_RIP as usize] += CPUID.len() as i64;
}

/// The answer of `cpuid` without what is hidden: EAX, EBX, ECX, EDX.
fn lesser_cpuid([leaf, subleaf]: [u32; 2]) -> [u32; 4] {
    // Neither call fails where the first one, which has led here, did not.
    let _ = let_cpuid(true);
    let told = __cpuid_count(leaf, subleaf);
    let _ = let_cpuid(false);
    let mut told = [told.eax, told.ebx, told.ecx, told.edx];
    for bits in HIDDEN.get().unwrap_or(&Hidden::Nothing).bits() {
        if bits.leaf == leaf && bits.subleaf.is_none_or(|only| only == subleaf) {
            for (register, bits) in told.iter_mut().zip(bits.registers) {
                *register &= !bits;
            }
        }
    }
    told
}
