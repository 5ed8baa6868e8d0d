use super::*;

/// EXIF data as a phone writes it, with an orientation and a GPS position.
fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x02\0".to_vec();
    tiff.extend_from_slice(b"\x0f\x01\x02\0\x04\0\0\0ACME");
    tiff.extend_from_slice(&[0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0]);
    tiff.extend_from_slice(b"\0\0\0\0GPS 52.5 N 13.4 E");
    tiff
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker, length[0], length[1]], content].concat()
}

fn jpeg(parts: &[Vec<u8>]) -> Vec<u8> {
    let scan = b"\x12\xff\x00\x34\xff\xd0\x56";
    let end: &[u8] = b"\xff\xd9";
    [&[0xff, 0xd8], &parts.concat()[..], &segment(0xda, b"\x01\x01\0\0\x3f\0"), scan, end].concat()
}

fn png_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let checked = [&name[..], content].concat();
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], &checked, &crc32(&checked).to_be_bytes()].concat()
}

fn webp_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let padding = vec![0; content.len() % 2];
    [&name[..], &u32::try_from(content.len()).unwrap().to_le_bytes(), content, &padding].concat()
}

fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
    let chunks = chunks.concat();
    [b"RIFF", &u32::try_from(chunks.len() + 4).unwrap().to_le_bytes()[..], b"WEBP", &chunks].concat()
}

/// The picture without metadata, checked not to depend on how the input is split.
fn removed(media_type: &str, picture: &[u8]) -> Vec<u8> {
    let whole = remove_metadata(media_type, picture).to_vec();
    for size in [1, 2, 3, 7, 64] {
        let (mut remover, mut out) = (MetadataRemover::new(media_type), BytesMut::new());
        picture.chunks(size).for_each(|piece| remover.push(piece, &mut out));
        remover.finish(&mut out);
        assert_eq!(out, whole, "in pieces of {size}");
    }
    whole
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[test]
fn jpeg_keeps_only_picture_profile_and_orientation() {
    let (jfif, profile) = (segment(0xe0, b"JFIF\0\x01\x02"), segment(0xe2, b"ICC_PROFILE\0\x01\x01profile"));
    let picture = jpeg(&[
        jfif.clone(),
        segment(0xe1, &[b"Exif\0\0", &exif(6)[..]].concat()),
        segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>GPS"),
        profile.clone(),
        segment(0xe2, b"MPF\0GPS"),
        segment(0xed, b"Photoshop 3.0\0GPS"),
        segment(0xfe, b"GPS"),
    ]);
    let turned = segment(0xe1, &[&b"Exif\0\0"[..], &minimal_tiff(6)].concat());
    assert_eq!(removed("image/jpeg", &picture), jpeg(&[jfif, turned.clone(), profile]));
    assert_eq!(orientation(&turned[10..]), Some(6));
    let with_film = [&picture[..], b"ftypmp42 GPS"].concat();
    assert_eq!(removed("image/jpeg", &with_film), removed("image/jpeg", &picture));
    let upright = jpeg(&[segment(0xe1, &[b"Exif\0\0", &exif(1)[..]].concat())]);
    assert_eq!(removed("image/jpeg", &upright), jpeg(&[]));
}

#[test]
fn truncated_or_damaged_jpeg_keeps_no_metadata() {
    let picture = jpeg(&[segment(0xe1, &[b"Exif\0\0", &exif(6)[..]].concat()), segment(0xdb, &[1; 65])]);
    for end in 0..picture.len() {
        assert!(!holds(&removed("image/jpeg", &picture[..end]), b"GPS"), "cut at {end}");
    }
    let with_garbage = jpeg(&[b"garbage".to_vec(), segment(0xe1, &[b"Exif\0\0", &exif(3)[..]].concat())]);
    assert!(!holds(&removed("image/jpeg", &with_garbage), b"GPS"));
}

#[test]
fn png_loses_its_texts_and_keeps_orientation_and_check_sums() {
    let (head, data, end) = (png_chunk(b"IHDR", &[1; 13]), png_chunk(b"IDAT", b"pixels"), png_chunk(b"IEND", b""));
    let (profile, signature) = (png_chunk(b"iCCP", b"profile"), b"\x89PNG\r\n\x1a\n".to_vec());
    let metadata = [
        png_chunk(b"eXIf", &exif(8)),
        png_chunk(b"tEXt", b"Location\0GPS"),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0GPS"),
        png_chunk(b"zTXt", b"GPS"),
        png_chunk(b"tIME", b"GPS"),
        png_chunk(b"caBX", b"GPS"),
    ]
    .concat();
    let picture = [&signature[..], &head, &profile, &metadata, &data, &end, b"GPS"].concat();
    let turned = png_chunk(b"eXIf", &minimal_tiff(8));
    assert_eq!(removed("image/png", &picture), [signature, head, profile, turned, data, end].concat());
}

#[test]
fn webp_keeps_its_size_and_its_orientation() {
    let (flags, pixels) = ([0x0c, 0, 0, 0, 1, 0, 0, 1, 0, 0], webp_chunk(b"VP8L", b"pixels"));
    let place = exif(6);
    let chunks =
        |flags: &[u8], exif: Vec<u8>, xmp: Vec<u8>| webp(&[webp_chunk(b"VP8X", flags), pixels.clone(), exif, xmp]);
    let picture = chunks(&flags, webp_chunk(b"EXIF", &place), webp_chunk(b"XMP ", b"GPS place"));
    let mut instead = minimal_tiff(6).to_vec();
    instead.resize(place.len(), 0);
    let mut kept_flags = flags;
    kept_flags[0] = 0x08;
    let want = chunks(&kept_flags, webp_chunk(b"EXIF", &instead), webp_chunk(b"JUNK", &[0; 9]));
    assert_eq!(removed("image/webp", &picture), want);
    assert_eq!(removed("image/webp", &[&picture[..], b"GPS"].concat()), want);
}

#[test]
fn unknown_formats_pass_through_unchanged() {
    let text = b"Exif\0\0GPS";
    assert_eq!(removed("text/plain", text), text);
    // Too short to be a picture.
    assert_eq!(removed("image/png", b"\x89PNG"), b"\x89PNG");
}

#[test]
fn jpeg_loses_its_thumbnails_in_jfif_and_jfxx() {
    let jfif = |thumbnail: &[u8], size: u8| {
        segment(0xe0, &[b"JFIF\0\x01\x02\x01\0\x48\0\x48", &[size, size][..], thumbnail].concat())
    };
    let adobe = b"Adobe\0\x64\0\0\0\0\x01";
    let picture = jpeg(&[
        jfif(b"thumb of GPS", 2),
        segment(0xe0, b"JFXX\0\x10\xff\xd8GPS"),
        segment(0xe0, b"AVI1GPS"),
        segment(0xee, &[&adobe[..], b"GPS"].concat()),
        segment(0xee, b"Others GPS"),
    ]);
    assert_eq!(removed("image/jpeg", &picture), jpeg(&[jfif(b"", 0), segment(0xee, adobe)]));
}

/// An animated GIF with these extensions before its picture.
fn gif(extensions: &[&[u8]]) -> Vec<u8> {
    let header = b"GIF89a\x02\0\x02\0\x80\0\0\0\0\0\xff\xff\xff";
    let picture = b"\x2c\0\0\0\0\x02\0\x02\0\0\x02\x02\x4c\x01\0";
    [&header[..], &extensions.concat(), picture, b"\x3b"].concat()
}

#[test]
fn gif_loses_comments_and_xmp_and_keeps_looping() {
    let looping = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0";
    let control = b"\x21\xf9\x04\x01\x0a\0\0\0";
    let (comment, xmp) = (b"\x21\xfe\x03GPS\x01!\0", b"\x21\xff\x0bXMP DataXMP<x>GPS</x>...\0\0");
    // The length of a sub-block of XMP is the next character of its text.
    let xmp = [&xmp[..14], b"\x0a<x>GPS</x>\0"].concat();
    let picture = gif(&[comment, looping, &xmp, control]);
    assert_eq!(removed("image/gif", &picture), gif(&[looping, control]));
    assert_eq!(removed("image/gif", &[&picture[..], b"GPS"].concat()), gif(&[looping, control]));
    for end in 0..picture.len() {
        assert!(!holds(&removed("image/gif", &picture[..end]), b"GPS"), "cut at {end}");
    }
    assert_eq!(removed("image/gif", b"GIF89a no picture at all"), b"GIF89a no picture at all");
}
