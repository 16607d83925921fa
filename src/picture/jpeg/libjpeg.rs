//! libjpeg-turbo behind a safe interface: the steps of decoding one file, and what was found wrong on the way.

use std::{
    ffi::{CStr, c_char, c_int, c_ulong, c_void},
    marker::PhantomData,
    mem,
    panic::{self, AssertUnwindSafe},
    ptr, slice,
};

use mozjpeg_sys as sys;

use super::planes::{Plane, Subsampling};
use impasto_kernels::prefer_huge_pages;

/// What `jpeg_consume_input` returns at the end of the file.
const REACHED_EOI: c_int = 2;
/// The longest message, in bytes.
const JMSG_LENGTH_MAX: usize = 200;

/// What ends decoding for good, in libjpeg's words.
#[derive(Debug, PartialEq)]
pub(super) enum Fatal {
    Damaged(String),
    Unsupported(String),
    OutOfMemory,
}

/// What libjpeg warned of until now, and decoded nevertheless.
#[derive(Debug, Clone, Default)]
pub(super) struct Warnings {
    /// The file ends without an end marker.
    pub no_end: bool,
    /// How often data was missing within a scan, so that a part of it is left empty.
    pub gaps: u64,
    /// The first of all others.
    pub other: Option<String>,
}

/// How far reading has come.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Position {
    /// The scan, counted from 1.
    pub scan: c_int,
    /// Rows of MCUs of this scan that are done.
    pub row: u32,
    /// Bytes of the file that are left.
    pub bytes_left: usize,
}

/// A JPEG file that is being decoded.
pub(super) struct Decoder<'a> {
    /// Owned. It stays in its place and is reached by this pointer only, as libjpeg has pointers into it.
    state: *mut State,
    file: PhantomData<&'a [u8]>,
}

struct State {
    info: sys::jpeg_decompress_struct,
    manager: sys::jpeg_error_mgr,
    warnings: Warnings,
}

impl<'a> Decoder<'a> {
    /// Reads up to the first scan.
    pub fn new(file: &'a [u8]) -> Result<Self, Fatal> {
        let state = State {
            // SAFETY: numbers, pointers, optional functions and enumerations that have a zero.
            info: unsafe { mem::zeroed() },
            // SAFETY: as above.
            manager: unsafe { mem::zeroed() },
            warnings: Warnings::default(),
        };
        let mut decoder = Self {
            state: Box::into_raw(Box::new(state)),
            file: PhantomData,
        };
        let state = decoder.state;
        decoder.call(|info| {
            // SAFETY: what libjpeg is given outlives it: `state` is freed after it, the file is borrowed for as long.
            unsafe {
                let manager = &mut (*state).manager;
                info.common.err = sys::jpeg_std_error(manager);
                manager.error_exit = Some(error_exit);
                manager.emit_message = Some(emit_message);
                info.common.client_data = state.cast::<c_void>();
                sys::jpeg_create_decompress(info);
                sys::jpeg_mem_src(info, file.as_ptr(), file.len() as c_ulong);
                sys::jpeg_read_header(info, 1);
            }
        })?;
        Ok(decoder)
    }

    /// Columns and rows.
    pub fn size(&self) -> (u32, u32) {
        (self.info().image_width, self.info().image_height)
    }

    /// Channels that are stored.
    pub fn channels(&self) -> usize {
        self.info().num_components as usize
    }

    /// Rows of pixels in a row of MCUs. For its value [`Decoder::start`] has to come first.
    pub fn mcu_height(&self) -> usize {
        8 * self.info().max_v_samp_factor.max(1) as usize
    }

    /// Whether the picture comes in several scans, each of which adds channels or detail.
    pub fn has_several_scans(&self) -> bool {
        // SAFETY: only reads what the header was.
        unsafe { sys::jpeg_has_multiple_scans(self.info()) != 0 }
    }

    /// Gives out the channels as they are stored, not converted to another colour space.
    pub fn keep_stored_channels(&mut self) -> Result<(), Fatal> {
        self.call(|info| info.out_color_space = info.jpeg_color_space)
    }

    /// How a file of luma and differences is subsampled; nothing for other channels, or where it is done in another way.
    pub fn subsampling(&self) -> Option<Subsampling> {
        let [luma, blue, red] = self.components() else {
            return None;
        };
        let is_whole = |it: &sys::jpeg_component_info| (it.h_samp_factor, it.v_samp_factor) == (1, 1);
        // Of fewer columns libjpeg repeats the samples.
        let enough_columns = luma.h_samp_factor == 1 || self.size().0 > 4;
        let usual = is_whole(blue)
            && is_whole(red)
            && enough_columns
            && matches!((luma.h_samp_factor, luma.v_samp_factor), (1 | 2, 1 | 2));
        (usual && self.info().jpeg_color_space == sys::JCS_YCbCr).then_some(Subsampling {
            columns: luma.h_samp_factor == 2,
            rows: luma.v_samp_factor == 2,
        })
    }

    /// Gives out planes instead of rows: see [`Decoder::read_planes`].
    pub fn keep_planes(&mut self) -> Result<(), Fatal> {
        self.call(|info| info.raw_data_out = 1)
    }

    /// Begins to decode. With several scans [`Decoder::read_scans`] and [`Decoder::start_output`] come next.
    pub fn start(&mut self) -> Result<(), Fatal> {
        let buffered = self.has_several_scans().into();
        self.call(|info| {
            info.buffered_image = buffered;
            // SAFETY: the header has been read.
            unsafe { sys::jpeg_start_decompress(info) };
        })
    }

    /// Reads a row of MCUs, or up to the next scan, of a file with several; false at the end.
    pub fn read_on(&mut self) -> Result<bool, Fatal> {
        // SAFETY: libjpeg itself refuses a call that is out of order.
        self.call(|info| unsafe { sys::jpeg_consume_input(info) != REACHED_EOI })
    }

    /// Turns to giving out rows, of all scans that have been read.
    pub fn start_output(&mut self) -> Result<(), Fatal> {
        self.call(|info| {
            let scan = info.input_scan_number;
            // SAFETY: libjpeg itself refuses a call that is out of order.
            unsafe { sys::jpeg_start_output(info, scan) };
        })
    }

    /// Decodes the pixels, channels interleaved; `each` is called after every row of MCUs or so.
    pub fn read_rows(&mut self, mut each: impl FnMut(&Self) -> Result<(), Fatal>) -> Result<Vec<u8>, Fatal> {
        let (width, height) = self.size();
        let row = width as usize * self.channels();
        let mut pixels = vec![0; height as usize * row];
        let mut left = pixels.as_mut_slice();
        while !left.is_empty() {
            let rows = left.chunks_exact_mut(row).take(self.mcu_height());
            let mut rows: Vec<*mut u8> = rows.map(<[u8]>::as_mut_ptr).collect();
            // SAFETY: libjpeg writes a row of pixels to each of the pointers, of which it knows the number; as the
            // colour space has as many channels as the file, it fits.
            let read = self.call(|info| unsafe {
                assert_eq!(info.output_width as usize * info.output_components as usize, row);
                sys::jpeg_read_scanlines(info, rows.as_mut_ptr(), rows.len() as u32)
            })?;
            left = &mut left[read as usize * row..];
            each(self)?;
        }
        Ok(pixels)
    }

    /// Decodes the planes of the channels; `each` is called after each row of MCUs.
    pub fn read_planes(
        &mut self,
        mut each: impl FnMut(&Self) -> Result<(), Fatal>,
    ) -> Result<Vec<Plane>, Fatal> {
        let mcu_height = self.mcu_height();
        let mcu_rows = (self.size().1 as usize).div_ceil(mcu_height);
        let mut planes = self.empty_planes(mcu_rows);
        for mcu_row in 0..mcu_rows {
            let mut rows: Vec<Vec<*mut u8>> = planes
                .iter_mut()
                .map(|plane| {
                    let length = plane.samples.len() / mcu_rows;
                    plane.samples[mcu_row * length..][..length]
                        .chunks_exact_mut(plane.stride)
                        .map(<[u8]>::as_mut_ptr)
                        .collect()
                })
                .collect();
            let mut channels: Vec<*mut *mut u8> = rows.iter_mut().map(|rows| rows.as_mut_ptr()).collect();
            // SAFETY: libjpeg writes the blocks of one row of MCUs: for each channel, to as many rows as there are
            // pointers, each of whole blocks.
            self.call(|info| unsafe {
                sys::jpeg_read_raw_data(info, channels.as_mut_ptr(), mcu_height as u32)
            })?;
            each(self)?;
        }
        Ok(planes)
    }

    /// A plane for each channel, with room for whole MCUs.
    fn empty_planes(&self, mcu_rows: usize) -> Vec<Plane> {
        let info = self.info();
        let part =
            |size: u32, factor: c_int, most: c_int| (size * factor as u32).div_ceil(most as u32) as usize;
        self.components()
            .iter()
            .map(|channel| {
                let stride = 8 * channel.width_in_blocks as usize;
                let mut samples = vec![0; mcu_rows * 8 * channel.v_samp_factor as usize * stride];
                prefer_huge_pages(&mut samples);
                Plane {
                    size: (
                        part(info.image_width, channel.h_samp_factor, info.max_h_samp_factor),
                        part(info.image_height, channel.v_samp_factor, info.max_v_samp_factor),
                    ),
                    stride,
                    samples,
                }
            })
            .collect()
    }

    /// Reads on to the end marker, after the last row; tells what went wrong there, and all warnings.
    pub fn finish(mut self) -> (Option<Fatal>, Warnings) {
        let end = self.call(|info| {
            // SAFETY: libjpeg itself refuses a call that is out of order. Afterwards what it knew of the picture is
            // freed; `self` is used up.
            unsafe {
                if info.buffered_image != 0 {
                    sys::jpeg_finish_output(info);
                }
                sys::jpeg_finish_decompress(info);
            }
        });
        (end.err(), self.warnings().clone())
    }

    pub fn position(&self) -> Position {
        let info = self.info();
        Position {
            scan: info.input_scan_number,
            row: info.input_iMCU_row,
            // SAFETY: `new` has set a source.
            bytes_left: unsafe { (*info.src).bytes_in_buffer },
        }
    }

    pub fn warnings(&self) -> &Warnings {
        // SAFETY: no call into libjpeg, which alone writes there, is under way while `self` is borrowed.
        unsafe { &(*self.state).warnings }
    }

    /// Whether no scan until now has anything of one of the channels.
    pub fn lacks_channels(&self) -> bool {
        // A channel's table is kept with its first scan.
        self.components()
            .iter()
            .any(|channel| channel.quant_table.is_null())
    }

    /// Whether it is progressive and lacks scans that the last detail is in.
    pub fn lacks_detail(&self) -> bool {
        let bits = self.info().coef_bits.cast::<[c_int; sys::DCTSIZE2]>();
        if bits.is_null() {
            return false;
        }
        // SAFETY: 64 numbers a channel; each falls from -1, not seen, over the bits that are to come, to 0.
        let bits = unsafe { slice::from_raw_parts(bits, self.channels()) };
        bits.iter().flatten().any(|&bits| bits != 0)
    }

    /// Whether a quantisation table that is used has zeros, which leave no detail.
    pub fn has_zero_quantisers(&self) -> bool {
        self.components().iter().any(|channel| {
            // SAFETY: null or a table that is kept as long as what was read of the file.
            unsafe { channel.quant_table.as_ref() }.is_some_and(|table| table.quantval.contains(&0))
        })
    }

    fn components(&self) -> &[sys::jpeg_component_info] {
        // SAFETY: the header has been read, so there are as many as it says.
        unsafe { slice::from_raw_parts(self.info().comp_info, self.channels()) }
    }

    fn info(&self) -> &sys::jpeg_decompress_struct {
        // SAFETY: no call into libjpeg, which alone writes there, is under way while `self` is borrowed.
        unsafe { &(*self.state).info }
    }

    /// Calls libjpeg, whose fatal errors unwind.
    fn call<T>(&mut self, work: impl FnOnce(&mut sys::jpeg_decompress_struct) -> T) -> Result<T, Fatal> {
        // SAFETY: `self` is borrowed for writing, so nobody else looks at it.
        let info = unsafe { &mut (*self.state).info };
        panic::catch_unwind(AssertUnwindSafe(|| work(info))).map_err(|payload| {
            match payload.downcast::<Fatal>() {
                Ok(fatal) => *fatal,
                Err(panic) => panic::resume_unwind(panic),
            }
        })
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: libjpeg frees what it took, in whatever state it is; it does not use `state` afterwards.
        unsafe {
            sys::jpeg_destroy_decompress(&mut (*self.state).info);
            drop(Box::from_raw(self.state));
        }
    }
}

/// Unwinds to [`Decoder::call`]: libjpeg must not go on.
unsafe extern "C-unwind" fn error_exit(common: &mut sys::jpeg_common_struct) {
    // SAFETY: libjpeg calls with its own structure.
    let (code, message) = unsafe { ((*common.err).msg_code, message(common)) };
    let fatal = match code {
        sys::JERR_OUT_OF_MEMORY => Fatal::OutOfMemory,
        sys::JERR_FRACT_SAMPLE_NOTIMPL | sys::JERR_CCIR601_NOTIMPL | sys::JERR_CONVERSION_NOTIMPL => {
            Fatal::Unsupported(message)
        }
        _ => Fatal::Damaged(message),
    };
    // Unlike a panic it calls no hook, so nothing is printed.
    panic::resume_unwind(Box::new(fatal));
}

unsafe extern "C-unwind" fn emit_message(common: &mut sys::jpeg_common_struct, level: c_int) {
    const WARNING: c_int = -1;
    if level != WARNING {
        return;
    }
    // SAFETY: libjpeg calls with its own structure, into which `Decoder::new` has put the pointer to the state.
    let (code, warnings) = unsafe {
        let state = common.client_data.cast::<State>();
        ((*common.err).msg_code, &mut *ptr::addr_of_mut!((*state).warnings))
    };
    match code {
        sys::JWRN_JPEG_EOF => warnings.no_end = true,
        sys::JWRN_HIT_MARKER | sys::JWRN_MUST_RESYNC => warnings.gaps += 1,
        // A version of the header that nothing depends on.
        sys::JWRN_JFIF_MAJOR => {}
        _ if warnings.other.is_some() => {}
        // SAFETY: as above.
        _ => warnings.other = Some(unsafe { message(common) }),
    }
}

/// The message of the error or warning at hand.
///
/// # Safety
/// `common` is libjpeg's own structure, with its standard error manager's functions for messages.
unsafe fn message(common: &mut sys::jpeg_common_struct) -> String {
    /// As libjpeg has it; the bindings take the text for one that is only read.
    type FormatMessage = unsafe extern "C-unwind" fn(&mut sys::jpeg_common_struct, *mut c_char);
    let mut text = [0; JMSG_LENGTH_MAX];
    // SAFETY: the type is that of the C function, which writes a text with its final zero into that many bytes.
    unsafe {
        if let Some(format) = (*common.err).format_message {
            let format = mem::transmute::<*const (), FormatMessage>(format as *const ());
            format(common, text.as_mut_ptr());
        }
        CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
    }
}
