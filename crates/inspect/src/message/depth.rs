//! The nesting depth of JSON, in one pass.

/// An incremental JSON reader (RFC 8259) that tracks the nesting depth.
///
/// It stops at the first byte that is not valid JSON at its place, so that prose with brackets has
/// the depth of its valid beginning. A truncated text has the depth reached so far, since its
/// reader has descended that deep. Several values may follow one another, as in JSON lines, or as a
/// packet number and its content (`42["event"]`).
#[derive(Debug)]
pub(super) struct Depth {
    /// The kind of each open bracket, the outermost in the lowest bit: set for an object.
    objects: [u64; Self::MAX.div_ceil(64) as usize],
    open: u32,
    expects: Expected,
}

/// The tokens that may come next, except blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Value,
    /// A value, or the end of an array that has just begun.
    Element,
    Key,
    /// A key, or the end of an object that has just begun.
    Member,
    Colon,
    /// A comma, or the end of the innermost array or object.
    Next,
}

impl Depth {
    /// The largest depth that can be tracked.
    pub(super) const MAX: u32 = 1024;

    /// Returns `true` if `text` is nested deeper than `most`.
    pub(super) fn is_beyond(text: &[u8], most: u32) -> bool {
        let mut depth = Self {
            objects: [0; Self::MAX.div_ceil(64) as usize],
            open: 0,
            expects: Expected::Value,
        };
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            let left = match byte {
                b' ' | b'\t' | b'\r' | b'\n' => Some(after),
                b'{' | b'[' => depth.open(byte == b'{').then_some(after),
                b'}' | b']' => depth.close(byte == b'}').then_some(after),
                b',' => depth.comma().then_some(after),
                b':' => depth.colon().then_some(after),
                b'"' => depth.string().then(|| after_string(after)).flatten(),
                _ => depth.scalar().then(|| after_scalar(rest)).flatten(),
            };
            if depth.open > most.min(Self::MAX) {
                return true;
            }
            let Some(left) = left else {
                return false;
            };
            rest = left;
        }
        false
    }

    /// Returns `true` if a value is allowed here, and moves on to what follows it.
    fn scalar(&mut self) -> bool {
        let is_valid = matches!(self.expects, Expected::Value | Expected::Element);
        self.expects = self.after_value();
        is_valid
    }

    fn string(&mut self) -> bool {
        if matches!(self.expects, Expected::Key | Expected::Member) {
            self.expects = Expected::Colon;
            return true;
        }
        self.scalar()
    }

    fn open(&mut self, object: bool) -> bool {
        if !self.scalar() {
            return false;
        }
        let (word, bit) = (self.open / 64, self.open % 64);
        if let Some(word) = self.objects.get_mut(word as usize) {
            *word = *word & !(1 << bit) | u64::from(object) << bit;
        }
        self.open = self.open.saturating_add(1);
        self.expects = if object {
            Expected::Member
        } else {
            Expected::Element
        };
        true
    }

    fn close(&mut self, object: bool) -> bool {
        let just_opened = if object {
            Expected::Member
        } else {
            Expected::Element
        };
        let may_close = self.expects == just_opened || self.expects == Expected::Next;
        let is_valid = may_close && self.is_object() == Some(object);
        self.open = self.open.saturating_sub(1);
        self.expects = self.after_value();
        is_valid
    }

    fn comma(&mut self) -> bool {
        let is_valid = self.expects == Expected::Next;
        self.expects = match self.is_object() {
            Some(true) => Expected::Key,
            _ => Expected::Value,
        };
        is_valid
    }

    fn colon(&mut self) -> bool {
        let is_valid = self.expects == Expected::Colon;
        self.expects = Expected::Value;
        is_valid
    }

    /// Returns `true` if the innermost open bracket is that of an object, or `None` if none is
    /// open.
    fn is_object(&self) -> Option<bool> {
        let at = self.open.checked_sub(1)?;
        let word = self.objects.get((at / 64) as usize)?;
        Some(word >> (at % 64) & 1 == 1)
    }

    const fn after_value(&self) -> Expected {
        if self.open == 0 {
            Expected::Value
        } else {
            Expected::Next
        }
    }
}

/// Returns the text after a string whose opening quote was read, or `None` if it is not closed.
fn after_string(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        let end = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\'))?;
        let skip = if rest.get(end) == Some(&b'"') { 1 } else { 2 };
        let after = rest.get(end.saturating_add(skip)..)?;
        if skip == 1 {
            return Some(after);
        }
        rest = after;
    }
}

/// Returns the text after a number, `true`, `false` or `null`, or `None` if there is none.
fn after_scalar(text: &[u8]) -> Option<&[u8]> {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let end = text.iter().position(|byte| !letter(byte));
    let (word, after) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let number = word
        .strip_prefix(b"-")
        .unwrap_or(word)
        .first()?
        .is_ascii_digit();
    let known = number || matches!(word, b"true" | b"false" | b"null");
    known.then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(text: &str) -> u32 {
        let deeper = |most: &u32| !Depth::is_beyond(text.as_bytes(), *most);
        (0..=Depth::MAX).find(deeper).expect("a depth")
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
        assert!(Depth::is_beyond("[".repeat(100_000).as_bytes(), 1000));
        assert!(Depth::is_beyond("{\"\":".repeat(100_000).as_bytes(), 1000));
    }
}
