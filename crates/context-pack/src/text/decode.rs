//! The text that the bytes of a file evidently are.

/// The text that the bytes evidently are, in the same memory if they are plain UTF-8.
pub(super) fn decoded(bytes: Vec<u8>) -> Option<String> {
    if bytes.starts_with(b"\xEF\xBB\xBF") || bytes.contains(&0) {
        return decode(&bytes);
    }
    String::from_utf8(bytes).map_or_else(|error| decode(error.as_bytes()), Some)
}

/// The text that the bytes evidently are: UTF-8, UTF-16, Latin-1; `None` for anything else.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return decode_utf8(rest),
        [0xFF, 0xFE, rest @ ..] => return decode_utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => return decode_utf16(rest, u16::from_be_bytes),
        _ => {}
    }
    if bytes.contains(&0) {
        return decode_bare_utf16(bytes);
    }
    decode_utf8(bytes).or_else(|| decode_latin1(bytes))
}

fn decode_utf8(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => (!text.contains('\0')).then(|| text.to_owned()),
        // The limit can cut the last character in two.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok().map(str::to_owned)
        }
        Err(_) => None,
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let units = bytes.chunks_exact(2).filter_map(|pair| Some(unit(*pair.first_chunk()?)));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|text| !text.contains('\0'))
}

/// UTF-16 without a mark: mostly Latin letters, so nearly every second byte is zero.
fn decode_bare_utf16(bytes: &[u8]) -> Option<String> {
    let zeros_at =
        |offset: usize| bytes.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let half = bytes.len() / 2;
    let (even, odd) = (zeros_at(0), zeros_at(1));
    if half >= 2 && odd * 10 >= half * 8 && even == 0 {
        decode_utf16(bytes, u16::from_le_bytes)
    } else if half >= 2 && even * 10 >= half * 8 && odd == 0 {
        decode_utf16(bytes, u16::from_be_bytes)
    } else {
        None
    }
}

/// Latin-1: letters with accents among plain text, no control characters.
fn decode_latin1(bytes: &[u8]) -> Option<String> {
    let n_high = bytes.iter().filter(|byte| **byte >= 0x80).count();
    let is_text = bytes.iter().all(|byte| match byte {
        0x00..=0x08 | 0x0E..=0x1F | 0x7F => false,
        // Windows-1252 has quotes and dashes here; Latin-1 has nothing printable.
        0x80..=0x9F => matches!(byte, 0x80 | 0x82 | 0x84 | 0x85 | 0x91..=0x97),
        _ => true,
    });
    (is_text && n_high * 10 <= bytes.len() * 3)
        .then(|| bytes.iter().map(|byte| windows_1252(*byte)).collect())
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80 => '€',
        0x82 => '‚',
        0x84 => '„',
        0x85 => '…',
        0x91 => '‘',
        0x92 => '’',
        0x93 => '“',
        0x94 => '”',
        0x95 => '•',
        0x96 => '–',
        0x97 => '—',
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_when_its_encoding_is_evident() {
        for (bytes, expect) in [
            (&b"plain"[..], Some("plain")),
            (b"\xEF\xBB\xBFbom", Some("bom")),
            (b"\xFF\xFEh\0i\0", Some("hi")),
            (b"\xFE\xFF\0h\0i", Some("hi")),
            (b"h\0i\0 \0y\0o\0u\0", Some("hi you")),
            (b"caf\xE9 au lait, et encore du caf\xE9", Some("café au lait, et encore du café")),
            (b"cut in two \xC3", Some("cut in two ")),
            (b"\x7FELF\x02\x01\x01\0\0\0", None),
            (b"\x89PNG\r\n\x1a\n\xff\xff", None),
            (b"", Some("")),
        ] {
            assert_eq!(decode(bytes).as_deref(), expect, "{bytes:?}");
        }
    }
}
