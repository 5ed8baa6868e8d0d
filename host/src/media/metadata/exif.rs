//! The part of EXIF that holds the orientation.

const ORIENTATION: u16 = 0x0112;
/// The most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 512;

/// The EXIF orientation of a picture that is not upright: 2 to 8. None if it is upright.
pub(super) fn orientation(tiff: &[u8]) -> Option<u8> {
    let big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let first: [u8; 4] = tiff.get(4..8)?.try_into().ok()?;
    let first = if big { u32::from_be_bytes(first) } else { u32::from_le_bytes(first) };
    let first = usize::try_from(first).ok()?;
    let entries = usize::from(short(first)?).min(MAX_ENTRIES);
    let entry = (0..entries).map(|n| first.saturating_add(2 + 12 * n)).find(|at| short(*at) == Some(ORIENTATION))?;
    short(entry.saturating_add(8))
        .and_then(|turned| u8::try_from(turned).ok())
        .filter(|turned| (2..=8).contains(turned))
}

/// EXIF data with the orientation alone.
pub(super) fn minimal_tiff(orientation: u8) -> [u8; 26] {
    let mut tiff = *b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    tiff[19] = orientation;
    tiff
}

/// The check sum of PNG's chunks.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}
