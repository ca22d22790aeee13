//! Compressed bodies: a whole body, whose `compression` header names how (wire: section 5.1).

use std::{
    borrow::Cow,
    io::{Read, Write as _},
};

use bzip2::{read::BzDecoder, write::BzEncoder};
use flate2::{read::MultiGzDecoder, read::ZlibDecoder, write::ZlibEncoder};

use crate::excerpt::Excerpt;

/// How the messages that a transport sends are compressed. It reads both kinds, whatever it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// What the original calls `gzip`. The data are zlib's, as its receivers expect them.
    Gzip,
    /// What the original calls `bzip2`.
    Bzip2,
}

/// Why a compressed body cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompressionError {
    #[error("its compression `{}` is not known here", Excerpt(.0))]
    Unknown(String),
    #[error("its compressed body is corrupt: {0}")]
    Corrupt(std::io::Error),
    #[error("its body would unpack to more than the {0} bytes that are allowed")]
    TooLarge(usize),
}

impl Compression {
    /// Reads the value of `kombu_compression`: `gzip` and `bzip2`, the names that work in the original, and `bz2`, which
    /// is documented there and fails.
    pub(crate) fn of_option(value: &str) -> Option<Self> {
        match value {
            "bz2" => Some(Self::Bzip2),
            other => Self::of_header(other).ok(),
        }
    }

    /// The value of the header `compression`.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Gzip => "application/x-gzip",
            Self::Bzip2 => "application/x-bz2",
        }
    }

    /// Reads a header: the names that the original writes, and those that it also takes.
    fn of_header(header: &str) -> Result<Self, CompressionError> {
        match header {
            "application/x-gzip" | "gzip" | "zlib" => Ok(Self::Gzip),
            "application/x-bz2" | "bzip2" | "bzip" => Ok(Self::Bzip2),
            other => Err(CompressionError::Unknown(other.to_owned())),
        }
    }

    /// Returns `body` compressed.
    pub(crate) fn pack(self, body: &[u8]) -> Vec<u8> {
        let packed = match self {
            Self::Gzip => {
                let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
            Self::Bzip2 => {
                let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::best());
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
        };
        // A `Vec` takes everything.
        packed.unwrap_or_default()
    }
}

/// Returns `body` as it was before it was compressed, if `header` says that it was: `limit` bytes at most, since a few can
/// claim to be any size.
pub(crate) fn unpack<'a>(
    body: &'a [u8],
    header: Option<&str>,
    limit: usize,
) -> Result<Cow<'a, [u8]>, CompressionError> {
    let Some(header) = header else { return Ok(Cow::Borrowed(body)) };
    match Compression::of_header(header)? {
        // Peers that take the header at its word send gzip's own format. It begins with other bytes than zlib's.
        Compression::Gzip if body.starts_with(&[0x1f, 0x8b]) => {
            read(MultiGzDecoder::new(body), limit)
        }
        Compression::Gzip => read(ZlibDecoder::new(body), limit),
        Compression::Bzip2 => read(BzDecoder::new(body), limit),
    }
    .map(Cow::Owned)
}

fn read(packed: impl Read, limit: usize) -> Result<Vec<u8>, CompressionError> {
    let mut body = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = packed.take(most).read_to_end(&mut body).map_err(CompressionError::Corrupt)?;
    if read > limit { Err(CompressionError::TooLarge(limit)) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 64 << 20;

    #[test]
    fn a_packed_body_unpacks_under_every_name_of_its_kind() {
        let body = b"{\"method\": \"m\"}".repeat(100);
        for (compression, headers) in [
            (Compression::Gzip, ["application/x-gzip", "gzip", "zlib"]),
            (Compression::Bzip2, ["application/x-bz2", "bzip2", "bzip"]),
        ] {
            let packed = compression.pack(&body);
            assert!(packed.len() < body.len() / 4);
            for header in headers {
                assert_eq!(unpack(&packed, Some(header), MOST).expect(header), body);
            }
        }
        assert_eq!(unpack(&body, None, MOST).expect("it is not packed"), body);
    }

    #[test]
    fn what_is_called_gzip_is_zlib_and_real_gzip_is_taken_too() {
        assert_eq!(Compression::Gzip.pack(b"x")[0], 0x78);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"body").expect("a Vec takes everything");
        let gzip = encoder.finish().expect("a Vec takes everything");
        assert_eq!(&*unpack(&gzip, Some("application/x-gzip"), MOST).expect("gzip"), b"body");
    }

    #[test]
    fn corrupt_unknown_and_endless_bodies_are_refused() {
        assert!(matches!(
            unpack(b"zzzz", Some("application/zstd"), MOST),
            Err(CompressionError::Unknown(_))
        ));
        assert!(matches!(unpack(b"zzzz", Some("gzip"), MOST), Err(CompressionError::Corrupt(_))));
        assert!(matches!(unpack(b"zzzz", Some("bzip2"), MOST), Err(CompressionError::Corrupt(_))));
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..129 {
            encoder.write_all(&vec![0; 1 << 20]).expect("a Vec takes everything");
        }
        let bomb = encoder.finish().expect("a Vec takes everything");
        assert!(bomb.len() < 1 << 20);
        assert!(matches!(unpack(&bomb, Some("zlib"), MOST), Err(CompressionError::TooLarge(MOST))));
    }
}
