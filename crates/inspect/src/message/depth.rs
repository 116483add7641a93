//! The nesting depth of JSON.
//!
//! Most messages are not read to their end: after a few values, the brackets in the rest are
//! counted, many bytes at a time, and there are too few of them.

use memchr::memchr2;

/// An incremental JSON reader (RFC 8259) that tracks the nesting depth.
///
/// It stops at the first byte that is not valid JSON at its place, so that prose with brackets has
/// the depth of its valid beginning. A truncated text has the depth reached so far, since its
/// reader has descended that deep. Several values may follow one another, as in JSON lines, or as a
/// packet number and its content (`42["event"]`).
#[derive(Debug)]
struct Reader<'t> {
    text: &'t [u8],
    /// The position after the last byte read.
    at: usize,
    /// The kind of each open bracket, the outermost in the lowest bit: set for an object.
    objects: [u64; MAX.div_ceil(64) as usize],
    open: u32,
    /// The largest number of brackets that were open at once.
    depth: u32,
    /// The depth beyond which the reader stops.
    max: u32,
}

/// The largest depth that can be tracked.
const MAX: u32 = 1024;

/// The number of values after which the brackets in the rest are counted.
const FEW: usize = 8;

/// The number of bytes of a string after which its end is searched many bytes at a time. Most
/// strings are shorter, and such a search takes some time to begin.
const SHORT: usize = 16;

/// Returns the nesting depth of `text` if it is larger than `min`. A depth larger than `max` is
/// returned as `max` and 1. Both are at most [`MAX`].
pub(super) fn beyond(text: &[u8], min: u32, max: u32) -> Option<u32> {
    let mut reader = Reader::new(text, max);
    let mut values = 0_usize;
    while reader.value().is_some() {
        values += 1;
        if values == FEW && reader.open.saturating_add(reader.openings()) <= min {
            break;
        }
    }
    Some(reader.depth).filter(|depth| *depth > min)
}

// === impl Reader ===

impl<'t> Reader<'t> {
    const fn new(text: &'t [u8], max: u32) -> Self {
        Self {
            text,
            at: 0,
            objects: [0; MAX.div_ceil(64) as usize],
            open: 0,
            depth: 0,
            max,
        }
    }

    /// Reads the rest of a value, or its beginning, up to the next value in it. Returns `None` at
    /// the end, at a byte that is not valid, and beyond the maximum depth.
    #[inline]
    fn value(&mut self) -> Option<()> {
        match self.next()? {
            b'"' => self.string()?,
            b'{' => {
                self.open(true)?;
                match self.next()? {
                    b'"' => return self.key(),
                    b'}' => self.open -= 1,
                    _ => return None,
                }
            }
            b'[' => {
                self.open(false)?;
                if self.next()? != b']' {
                    self.at -= 1;
                    return Some(());
                }
                self.open -= 1;
            }
            _ => self.scalar()?,
        }
        self.end_of_value()
    }

    /// Reads what follows a complete value, up to the next value.
    #[inline]
    fn end_of_value(&mut self) -> Option<()> {
        while let Some(is_object) = self.is_object() {
            match (self.next()?, is_object) {
                (b',', false) => return Some(()),
                (b',', true) => return (self.next()? == b'"').then(|| self.key())?,
                (b'}', true) | (b']', false) => self.open -= 1,
                _ => return None,
            }
        }
        Some(())
    }

    /// Reads a key after its opening quote, and the colon.
    #[inline]
    fn key(&mut self) -> Option<()> {
        self.string()?;
        (self.next()? == b':').then_some(())
    }

    /// Reads a string after its opening quote.
    #[inline]
    fn string(&mut self) -> Option<()> {
        loop {
            for _ in 0..SHORT {
                match self.text.get(self.at)? {
                    b'"' => {
                        self.at += 1;
                        return Some(());
                    }
                    b'\\' => self.at += 2,
                    _ => self.at += 1,
                }
            }
            self.at += memchr2(b'"', b'\\', self.text.get(self.at..)?)?;
        }
    }

    /// Reads a number, `true`, `false` or `null` after its first byte.
    #[inline]
    fn scalar(&mut self) -> Option<()> {
        let start = self.at - 1;
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        while self.text.get(self.at).is_some_and(is_letter) {
            self.at += 1;
        }
        let word = self.text.get(start..self.at)?;
        let digits = word.strip_prefix(b"-").unwrap_or(word);
        let is_number = digits.first()?.is_ascii_digit();
        (is_number || matches!(word, b"true" | b"false" | b"null")).then_some(())
    }

    /// Reads the next byte that is not blank.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
        }
    }

    /// Adds an open bracket. Returns `None` beyond the maximum depth.
    #[inline]
    fn open(&mut self, object: bool) -> Option<()> {
        let (word, bit) = (self.open / 64, self.open % 64);
        if let Some(word) = self.objects.get_mut(word as usize) {
            *word = *word & !(1 << bit) | u64::from(object) << bit;
        }
        self.open += 1;
        self.depth = self.depth.max(self.open);
        (self.depth <= self.max).then_some(())
    }

    /// Returns `true` if the innermost open bracket is that of an object, or `None` if none is
    /// open.
    #[inline]
    fn is_object(&self) -> Option<bool> {
        let at = self.open.checked_sub(1)?;
        let word = self.objects.get((at / 64) as usize)?;
        Some(word >> (at % 64) & 1 == 1)
    }

    /// Returns the number of brackets in the rest that look as if they opened an object or an
    /// array, in strings, too: at least as many as do.
    fn openings(&self) -> u32 {
        // `[` and `{` differ in this bit only. A sum of bytes is computed for many at a time.
        let is_opening = |byte: &u8| u8::from(byte | 0x20 == b'{');
        let chunks = self
            .text
            .get(self.at..)
            .unwrap_or_default()
            .chunks(u8::MAX.into());
        let counts = chunks.map(|chunk| chunk.iter().map(is_opening).sum::<u8>());
        counts.fold(0, |all: u32, count| all.saturating_add(count.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(text: &str) -> u32 {
        beyond(text.as_bytes(), 0, MAX).unwrap_or_default()
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        for (text, expected) in [
            ("", 0),
            ("1", 0),
            ("\"[[[[\"", 0),
            ("[]", 1),
            ("{}", 1),
            (" [ 1 , 2 ] ", 1),
            ("[[]]", 2),
            (r#"{"a":{"b":[]}}"#, 3),
            (r#"{"a":"[[[[","b":"\"[[[[","c\\":[[]]}"#, 3),
            (r#"["\\",[[]]]"#, 3),
            (r#"["\\\"[[[[[",[]]"#, 2),
            ("[-1.5e+3,true,false,null,[[0]]]", 3),
            ("[[],[[]],[]]", 3),
            ("\r\n\t[\n[\n]\n]", 2),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
        for levels in [63, 64, 65, 128, 1000] {
            let arrays = "[".repeat(levels) + &"]".repeat(levels);
            let objects = "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
            assert_eq!(depth(&arrays), u32::try_from(levels).unwrap());
            assert_eq!(depth(&objects), u32::try_from(levels).unwrap());
        }
    }

    #[test]
    fn invalid_json_has_the_depth_of_its_valid_beginning() {
        for (text, expected) in [
            ("hello [[[[[[[[", 0),
            ("(((( ;-) [[[[", 0),
            ("[12:30] <bob> [[[[", 1),
            ("[[link]] and [[[[more]]]]", 2),
            (":-] [[[[", 0),
            ("{a:[[[[]]]]}", 1),
            ("{[[[[", 1),
            ("[,[[[[", 1),
            ("[1 [[[[", 1),
            ("[1,]", 1),
            ("{\"a\" [[[", 1),
            ("{\"a\":1,[[[", 1),
            ("[}[[[[", 1),
            ("[nul,[[[[", 1),
            ("[\"not closed [[[[", 1),
            ("\"\\", 0),
            ("]", 0),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
    }

    #[test]
    fn truncated_or_concatenated_json_has_the_depth_reached() {
        for (text, expected) in [
            ("[[[[", 4),
            ("[[[[x", 4),
            (r#"{"a":[{"b":["#, 4),
            ("[1]\n[[2]]\n", 2),
            (r#"42["event",[[]]]"#, 3),
            ("true[[]]", 2),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
        assert!(beyond("[".repeat(100_000).as_bytes(), 1000, 1000).is_some());
        assert!(beyond("{\"\":".repeat(100_000).as_bytes(), 1000, 1000).is_some());
    }

    #[test]
    fn limits_do_not_change_the_depth() {
        for (text, expected) in [
            ("[[[1,2,3,4,5,6,7,8,9,10]]]", 3),
            ("[1,2,3,4,5,6,7,8,9,[[10]],[]]", 3),
            (r#"[1,2,3,4,5,6,7,8,"[[[[[[",[],9]"#, 2),
            (r#"["a string of more than 16 bytes [\\\"[[[[",[1]]"#, 2),
            (r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":{"g":[[]]}}"#, 4),
            ("1 2 3 4 5 6 7 8 9 [[[[[", 5),
        ] {
            assert_eq!(depth(text), expected, "{text}");
            for min in 0..6 {
                for max in min..6 {
                    let expected = Some(expected.min(max + 1)).filter(|depth| *depth > min);
                    let found = beyond(text.as_bytes(), min, max);
                    assert_eq!(found, expected, "{text} {min} {max}");
                }
            }
        }
    }
}
