//! How much of a damaged JPEG file is missing, by watching its decoder advance.

use super::libjpeg::{Decoder, Fatal, Position};

/// What is left is not worth while, nor memory for the whole.
pub(super) fn mostly_missing() -> Fatal {
    Fatal::Damaged("more than half of it is missing".into())
}

/// What was missing until now, in rows of MCUs.
pub(super) struct Damage {
    /// Rows of the whole picture.
    rows: u32,
    /// Where the decoder was, and how many gaps it had met.
    position: Position,
    gaps: u64,
    /// The scan that is read has a gap: it reads no more bytes, or those after the next restart marker.
    gap_in_scan: bool,
    /// Rows that are missing in the scan that is read.
    in_scan: u32,
    /// Rows that are missing in the first scan, so that nothing of them is there.
    missing: u32,
    /// The most rows that are missing in one of the other scans, so that detail or colour is not there.
    coarse: u32,
}

impl Damage {
    /// Of a decoder that has started.
    pub fn new(decoder: &Decoder) -> Self {
        Self {
            rows: decoder.size().1.div_ceil(decoder.mcu_height() as u32),
            position: decoder.position(),
            gaps: decoder.warnings().gaps,
            gap_in_scan: false,
            in_scan: 0,
            missing: 0,
            coarse: 0,
        }
    }

    /// Looks at what has been read since the last look.
    ///
    /// # Errors
    /// More than half of the picture is missing.
    pub fn look(&mut self, decoder: &Decoder) -> Result<(), Fatal> {
        let (before, now) = (self.position, decoder.position());
        let new_gap = decoder.warnings().gaps > self.gaps;
        (self.position, self.gaps) = (now, decoder.warnings().gaps);
        if now.scan != before.scan {
            (self.gap_in_scan, self.in_scan) = (false, 0);
            return Ok(());
        }
        self.gap_in_scan |= new_gap;
        if new_gap || self.gap_in_scan && now.bytes_left == before.bytes_left {
            self.in_scan += now.row.saturating_sub(before.row);
        }
        let total = if now.scan == 1 {
            &mut self.missing
        } else {
            &mut self.coarse
        };
        *total = self.in_scan.max(*total);
        if 2 * u64::from(self.missing) > u64::from(self.rows) {
            return Err(mostly_missing());
        }
        Ok(())
    }

    /// A line about the damage, if there is any, after the last row.
    pub fn told(mut self, decoder: Decoder) -> Option<String> {
        const CAUSE: &str = "it is damaged or cut off";
        if decoder.lacks_detail() {
            self.coarse = self.rows;
        }
        let zeros = decoder
            .has_zero_quantisers()
            .then(|| "a quantisation table has zeros".into());
        let (end, warnings) = decoder.finish();
        let other = match end {
            Some(Fatal::Damaged(reason)) => Some(reason),
            _ => warnings.other.or(zeros),
        };
        match (self.missing, self.coarse, other) {
            (0, 0, Some(reason)) => Some(format!("it is damaged ({reason}); parts of it may look wrong")),
            (0, 0, None) => warnings
                .no_end
                .then(|| "its end marker is missing; the picture itself is complete".into()),
            (0, coarse, _) => Some(format!(
                "{CAUSE}: {} of it lacks detail or colour",
                self.share(coarse)
            )),
            (missing, 0, _) => Some(format!("{CAUSE}: {} of it is missing", self.share(missing))),
            (missing, coarse, _) => Some(format!(
                "{CAUSE}: {} of it is missing, and {} lacks detail or colour",
                self.share(missing),
                self.share(coarse)
            )),
        }
    }

    /// So many rows in per cent, at least 1.
    fn share(&self, rows: u32) -> String {
        let percent = 100.0 * f64::from(rows) / f64::from(self.rows);
        format!("{:.0} %", percent.clamp(1.0, 100.0))
    }
}
