//! A file of numbers and texts with a checksum at its end. It is written as a stream, so that large ones take no memory
//! beside what they hold.
//!
//! Numbers have the processor's order of bytes, little-endian wherever this program runs; lists and texts have their
//! length before them, 64 bits.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use bytemuck::Pod;
use crc32fast::Hasher;

use super::input::{InputError, Source};
use super::output::{OutputError, write_file};

/// How many bytes are summed up and written, or read, at once.
const BLOCK: usize = 1 << 20;

/// The checksum's bytes.
const CHECKSUM: u64 = 4;

/// Takes what a file is to hold.
pub struct Writer<'a> {
    file: BufWriter<&'a mut File>,
    checksum: Hasher,
}

/// Writes the file at `path` with what `fill` puts into it. It is on the disk, whole, when it takes the place of one that
/// was there, which happens only with `overwrite`.
///
/// # Errors
/// It cannot be written, or there is a file; then nothing has changed at `path`.
pub fn write(
    path: &Path,
    overwrite: bool,
    fill: impl FnOnce(&mut Writer<'_>) -> io::Result<()>,
) -> Result<(), OutputError> {
    write_file(path, overwrite, |file| {
        let mut writer = Writer {
            file: BufWriter::new(file),
            checksum: Hasher::new(),
        };
        fill(&mut writer)?;
        let Writer { mut file, checksum } = writer;
        file.write_all(&checksum.finalize().to_le_bytes())?;
        file.flush()?;
        file.get_ref().sync_data()
    })
}

impl Writer<'_> {
    /// Bytes without their length.
    ///
    /// # Errors
    /// They cannot be written; so of all that follow.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(BLOCK).try_for_each(|block| {
            self.checksum.update(block);
            self.file.write_all(block)
        })
    }

    /// A number.
    ///
    /// # Errors
    /// As [`Writer::bytes`].
    pub fn number<T: Pod>(&mut self, number: T) -> io::Result<()> {
        self.bytes(bytemuck::bytes_of(&number))
    }

    /// A list of numbers.
    ///
    /// # Errors
    /// As [`Writer::bytes`].
    pub fn numbers<T: Pod>(&mut self, numbers: &[T]) -> io::Result<()> {
        self.number(numbers.len() as u64)?;
        self.bytes(bytemuck::cast_slice(numbers))
    }

    /// A text.
    ///
    /// # Errors
    /// As [`Writer::bytes`].
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.numbers(text.as_bytes())
    }
}

/// Gives back what a file holds, in the order in which it was put there.
#[derive(Debug)]
pub struct Reader {
    file: BufReader<File>,
    /// Bytes that are still to come, without the checksum.
    left: u64,
}

impl Reader {
    /// Opens a file on a disk.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be read.
    pub fn open(path: &Path) -> Result<Reader, InputError> {
        let file = Source::open_file(path, u64::MAX)?.into_file();
        let length = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
        Ok(Reader {
            file: BufReader::new(file),
            left: length.saturating_sub(CHECKSUM),
        })
    }

    /// Whether the file is as it was written: all of it is read once, and reading goes on from where it was.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_whole(&mut self) -> io::Result<bool> {
        let at = self.file.stream_position()?;
        self.file.rewind()?;
        let (mut checksum, mut block) = (Hasher::new(), vec![0; BLOCK]);
        let mut length = at + self.left;
        while length > 0 {
            let part = &mut block[..length.min(BLOCK as u64) as usize];
            self.file.read_exact(part)?;
            checksum.update(part);
            length -= part.len() as u64;
        }
        let mut written = [0; CHECKSUM as usize];
        self.file.read_exact(&mut written)?;
        self.file.seek(SeekFrom::Start(at))?;
        Ok(u32::from_le_bytes(written) == checksum.finalize())
    }

    /// The next bytes, as many as there is room for.
    ///
    /// # Errors
    /// There are no more, or they cannot be read; so of all that follow.
    pub fn bytes(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.take(bytes.len() as u64)?;
        self.file.read_exact(bytes)
    }

    /// The next number.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn number<T: Pod>(&mut self) -> io::Result<T> {
        let mut number = T::zeroed();
        self.bytes(bytemuck::bytes_of_mut(&mut number))?;
        Ok(number)
    }

    /// The next list of numbers.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn numbers<T: Pod>(&mut self) -> io::Result<Vec<T>> {
        let count: u64 = self.number()?;
        // Before memory is asked for.
        self.take(count.saturating_mul(size_of::<T>() as u64))?;
        let mut numbers = vec![T::zeroed(); count as usize];
        self.file.read_exact(bytemuck::cast_slice_mut(&mut numbers))?;
        Ok(numbers)
    }

    /// The next text.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn text(&mut self) -> io::Result<String> {
        String::from_utf8(self.numbers()?).map_err(|_| unfit("a text is not UTF-8"))
    }

    fn take(&mut self, length: u64) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(length)
            .ok_or_else(|| unfit("it ends too early"))?;
        Ok(())
    }
}

/// What a file holds does not fit what it is read for.
pub(crate) fn unfit(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_written_is_read_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let long: Vec<f32> = (0..700_000).map(|i| i as f32 / 7.0).collect();
        write(&path, false, |to| {
            to.bytes(b"head")?;
            to.number(f64::NAN)?;
            to.numbers(&long)?;
            to.text("Sternennacht, größer")
        })
        .unwrap();
        let mut from = Reader::open(&path).unwrap();
        let mut head = [0; 4];
        from.bytes(&mut head).unwrap();
        assert!(&head == b"head" && from.is_whole().unwrap());
        assert!(from.number::<f64>().unwrap().is_nan());
        assert!(from.numbers::<f32>().unwrap() == long);
        assert_eq!(from.text().unwrap(), "Sternennacht, größer");
        assert!(
            from.number::<u8>().is_err(),
            "the checksum is none of the contents"
        );
        assert!(matches!(
            write(&path, false, |_| Ok(())),
            Err(OutputError::Exists { .. })
        ));
    }

    #[test]
    fn a_list_that_says_to_be_longer_than_the_file_takes_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        for length in [5, 1 << 40, u64::MAX] {
            let path = folder.path().join(length.to_string());
            write(&path, false, |to| {
                to.number(length)?;
                to.number([1.0_f32; 4])
            })
            .unwrap();
            assert!(Reader::open(&path).unwrap().numbers::<f32>().is_err());
        }
    }

    #[test]
    fn a_file_that_failed_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        write(&path, false, |to| to.number(1_u64)).unwrap();
        write(&path, true, |to| {
            to.number(2_u64)?;
            Err(unfit("no more"))
        })
        .unwrap_err();
        let mut bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 12);
        assert!(Reader::open(&path).unwrap().is_whole().unwrap());
        bytes[3] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(!Reader::open(&path).unwrap().is_whole().unwrap());
        fs::write(&path, [1, 2]).unwrap();
        assert!(Reader::open(&path).unwrap().is_whole().is_err());
    }
}
