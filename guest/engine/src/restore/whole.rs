//! Verifies the file checksum of an object that is read in chunks, which arrive in any order.

use crate::ltx::Crc64;
use crate::restore::apply::Piece;
use crate::restore::error::Damage;

/// An object of which every frame is read.
pub struct WholeRead {
    /// The object's number.
    pub object: u32,
    header: Crc64,
    /// One for each chunk, in their order in the file.
    pieces: Vec<Piece>,
    tail: Piece,
    expected: u64,
}

impl WholeRead {
    pub fn new(
        object: u32,
        header: Crc64,
        tail: Piece,
        file_checksum: u64,
        chunks: usize,
    ) -> WholeRead {
        WholeRead {
            object,
            header,
            pieces: vec![Piece::default(); chunks],
            tail,
            expected: file_checksum,
        }
    }

    pub fn set(&mut self, number: usize, piece: Piece) {
        self.pieces[number] = piece;
    }

    /// To be called when all pieces are there.
    pub fn check(&self) -> Result<(), Damage> {
        let pieces = self.pieces.iter().chain([&self.tail]);
        let whole = pieces.fold(self.header, |before, piece| {
            before.followed_by(piece.checksum, piece.covered_bytes)
        });
        let (expected, found) = (self.expected, whole.flagged());
        if expected == found {
            return Ok(());
        }
        Err(Damage::FileChecksum { expected, found })
    }
}
