//! How much memory a card has, asked of its driver.

use std::ffi::{c_int, c_uint};
use std::path::Path;

use libloading::{Library, Symbol};

use crate::memory::Bytes;

/// All memory of an NVIDIA card, by the CUDA driver API (`cuDeviceTotalMem`), whose library `driver` is; none where that
/// does not say.
pub(super) fn memory(driver: &Path, device: i32) -> Option<Bytes> {
    const SUCCESS: c_int = 0;
    // SAFETY: a driver's initialisers run that ONNX Runtime's provider has run before.
    let library = unsafe { Library::new(driver) }.ok()?;
    let (mut handle, mut bytes): (c_int, usize) = (0, 0);
    // SAFETY: the signatures are those of cuda.h; what is written to is of the type that is asked for.
    let is_known = unsafe {
        let initialise: Symbol<'_, unsafe extern "C" fn(c_uint) -> c_int> = library.get(b"cuInit\0").ok()?;
        let get: Symbol<'_, unsafe extern "C" fn(*mut c_int, c_int) -> c_int> =
            library.get(b"cuDeviceGet\0").ok()?;
        let total: Symbol<'_, unsafe extern "C" fn(*mut usize, c_int) -> c_int> =
            library.get(b"cuDeviceTotalMem_v2\0").ok()?;
        initialise(0) == SUCCESS
            && get(&mut handle, device) == SUCCESS
            && total(&mut bytes, handle) == SUCCESS
    };
    is_known.then_some(Bytes(bytes as u64))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_driver_tells_of_the_card_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let [source, driver] = ["driver.c", "driver.so"].map(|name| folder.path().join(name));
        let stub = "int cuInit(unsigned flags) { return flags; }
            int cuDeviceGet(int *handle, int device) { *handle = 7 * device; return device > 1; }
            int cuDeviceTotalMem_v2(unsigned long *bytes, int handle) { *bytes = 1000 + handle; return 0; }";
        std::fs::write(&source, stub).unwrap();
        // The compiler that Rust links with.
        let mut compiler = Command::new("cc");
        let compiled = compiler.args(["-shared", "-fPIC", "-o"]).args([&driver, &source]);
        assert!(compiled.status().unwrap().success());

        assert_eq!(memory(&driver, 0), Some(Bytes(1000)));
        assert_eq!(memory(&driver, 1), Some(Bytes(1007)));
        assert_eq!(memory(&driver, 2), None);
        assert_eq!(memory(&source, 0), None);
    }
}
