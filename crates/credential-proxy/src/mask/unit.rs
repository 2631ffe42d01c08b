//! One character of an escaped or percent-encoded text, read from its beginning.
//!
//! Every escape of JSON, JavaScript, Python, Rust and shells is understood, whether its text is the
//! whole or itself escaped again; an escape that nobody knows stands for what follows the backslash.

/// What an escape or a byte stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Byte(u8),
    Char(char),
    /// `\xfc` is a character to some and a byte to others.
    Either(u8),
    /// `+`, which is a blank in a query.
    Plus,
}

/// The text ends within its first unit.
pub(super) struct Cut;

/// The first unit of a text, and its length.
pub(super) type First = Result<(Unit, usize), Cut>;

impl Unit {
    /// How many bytes at the beginning of the text are this; 0 for none.
    pub(super) fn n_of(self, text: &[u8]) -> usize {
        let as_char = |one: char| {
            let mut bytes = [0; 4];
            let bytes = one.encode_utf8(&mut bytes).as_bytes();
            if text.starts_with(bytes) { bytes.len() } else { 0 }
        };
        let as_byte = |one: u8| usize::from(text.first() == Some(&one));
        match self {
            Self::Byte(one) => as_byte(one),
            Self::Char(one) => as_char(one),
            Self::Either(one) => match as_char(char::from(one)) {
                0 => as_byte(one),
                n_bytes => n_bytes,
            },
            Self::Plus => as_byte(b'+') + as_byte(b' '),
        }
    }

    fn ascii(self) -> Option<u8> {
        match self {
            Self::Byte(one) | Self::Either(one) => Some(one),
            Self::Char(one) => u8::try_from(one).ok(),
            Self::Plus => Some(b'+'),
        }
        .filter(u8::is_ascii)
    }

    fn digit(self, radix: u32) -> Option<u32> {
        self.ascii().and_then(|one| char::from(one).to_digit(radix))
    }
}

/// The first unit of a text that is escaped so deep, and its length.
pub(super) fn unescaped(text: &[u8], depth: u8) -> First {
    let Some(depth) = depth.checked_sub(1) else {
        return text.first().map(|byte| (Unit::Byte(*byte), 1)).ok_or(Cut);
    };
    let mut reader = Reader { text, at: 0, read: unescaped, depth };
    let first = reader.next()?;
    if first.ascii() != Some(b'\\') {
        return Ok((first, reader.at));
    }
    let kind = reader.next()?;
    let unit = match kind.ascii() {
        Some(b'u') => reader.code_point()?.map_or(kind, Unit::Char),
        Some(b'U') => reader.digits(16, 8)?.and_then(char::from_u32).map_or(kind, Unit::Char),
        Some(b'x') => {
            let digits = reader.digits(16, 2)?;
            digits.and_then(|value| u8::try_from(value).ok()).map_or(kind, Unit::Either)
        }
        Some(digit @ b'0'..=b'7') => reader.octal(digit)?,
        Some(letter) => Unit::Byte(match letter {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'e' => 27,
            other => other,
        }),
        None => kind,
    };
    Ok((unit, reader.at))
}

/// The first unit of a text in percent form, that form taken so deep.
pub(super) fn from_percent(text: &[u8], depth: u8) -> First {
    let Some(depth) = depth.checked_sub(1) else {
        let unit = |byte| if byte == b'+' { Unit::Plus } else { Unit::Byte(byte) };
        return text.first().map(|byte| (unit(*byte), 1)).ok_or(Cut);
    };
    let mut reader = Reader { text, at: 0, read: from_percent, depth };
    let first = reader.next()?;
    if first.ascii() != Some(b'%') {
        return Ok((first, reader.at));
    }
    let byte = reader.digits(16, 2)?.and_then(|value| u8::try_from(value).ok());
    Ok((byte.map_or(first, Unit::Byte), reader.at))
}

/// Reads the units of the next depth.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    read: fn(&[u8], u8) -> First,
    depth: u8,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Unit, Cut> {
        let (unit, len) = (self.read)(self.text.get(self.at..).unwrap_or_default(), self.depth)?;
        self.at += len;
        Ok(unit)
    }

    /// So many digits; `None` when they are none, and then nothing is read.
    fn digits(&mut self, radix: u32, n_digits: usize) -> Result<Option<u32>, Cut> {
        let from = self.at;
        let mut value = 0_u32;
        for _ in 0..n_digits {
            let Some(digit) = self.next()?.digit(radix) else {
                self.at = from;
                return Ok(None);
            };
            value = value.wrapping_mul(radix).wrapping_add(digit);
        }
        Ok(Some(value))
    }

    /// What follows `\u`: four digits, or some in braces, or two surrogates.
    fn code_point(&mut self) -> Result<Option<char>, Cut> {
        let Some(value) = self.digits(16, 4)? else { return self.braces() };
        if !(0xD800..0xDC00).contains(&value) {
            return Ok(char::from_u32(value));
        }
        let behind = self.at;
        if self.next()?.ascii() == Some(b'\\')
            && self.next()?.ascii() == Some(b'u')
            && let Some(low @ 0xDC00..0xE000) = self.digits(16, 4)?
        {
            return Ok(char::from_u32(0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00)));
        }
        self.at = behind;
        Ok(Some(char::REPLACEMENT_CHARACTER))
    }

    fn braces(&mut self) -> Result<Option<char>, Cut> {
        let from = self.at;
        if self.next()?.ascii() == Some(b'{') {
            let mut value = 0;
            for _ in 0..7 {
                let unit = self.next()?;
                match unit.digit(16) {
                    Some(digit) => value = value * 16 + digit,
                    None if unit.ascii() == Some(b'}') => return Ok(char::from_u32(value)),
                    None => break,
                }
            }
        }
        self.at = from;
        Ok(None)
    }

    /// Up to three octal digits, of which the first is read already.
    fn octal(&mut self, first: u8) -> Result<Unit, Cut> {
        let mut value = u32::from(first - b'0');
        for _ in 0..2 {
            let from = self.at;
            match self.next()?.digit(8) {
                Some(digit) if value * 8 + digit < 256 => value = value * 8 + digit,
                _ => {
                    self.at = from;
                    break;
                }
            }
        }
        Ok(Unit::Either(u8::try_from(value).unwrap_or_default()))
    }
}
