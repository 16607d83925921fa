//! Bits a channel.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Bits a channel of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Bits {
    /// 8: what screens show.
    #[default]
    Eight,
    /// 16: for further editing. PNG and TIFF only.
    Sixteen,
}

impl TryFrom<u8> for Bits {
    type Error = String;

    fn try_from(bits: u8) -> Result<Self, String> {
        match bits {
            8 => Ok(Self::Eight),
            16 => Ok(Self::Sixteen),
            _ => Err(format!("{bits} bits a channel cannot be written; use 8 or 16")),
        }
    }
}

impl From<Bits> for u8 {
    fn from(bits: Bits) -> Self {
        match bits {
            Bits::Eight => 8,
            Bits::Sixteen => 16,
        }
    }
}

impl FromStr for Bits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bits: u8 = text
            .parse()
            .map_err(|_| format!("\"{text}\" bits a channel cannot be written; use 8 or 16"))?;
        bits.try_into()
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        u8::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_8_or_16() {
        assert_eq!("8".parse(), Ok(Bits::Eight));
        assert_eq!("16".parse(), Ok(Bits::Sixteen));
        for text in ["7", "-8", "many"] {
            let message = text.parse::<Bits>().unwrap_err();
            assert!(message.contains(text) && message.contains("8 or 16"), "{message}");
        }
        assert_eq!(serde_json::to_string(&Bits::Sixteen).unwrap(), "16");
        assert_eq!(serde_json::from_str::<Bits>("8").unwrap(), Bits::Eight);
    }
}
