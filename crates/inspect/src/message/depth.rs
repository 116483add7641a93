//! How deep JSON is nested, read byte by byte.

/// Reads JSON as far as it is JSON (RFC 8259), and finds where it is nested deeper than so far.
///
/// What comes after a byte that no JSON has in its place counts for nothing, so that prose with
/// brackets in it has the depth of its beginning. A text that ends too early has the depth that it
/// has come to: what reads it has gone down as deep. Values may follow one another, as lines of JSON
/// do, and as the number of a packet and what is in it (`42["event"]`).
#[derive(Debug)]
pub(super) struct Depth {
    /// What each open bracket is, the outermost in the lowest bit: set for an object.
    objects: [u64; Self::MOST.div_ceil(64) as usize],
    open: u32,
    awaits: Awaits,
}

/// What may come next, besides blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    Value,
    /// A value, or the end of the array that has just begun.
    Element,
    Key,
    /// A key, or the end of the object that has just begun.
    Member,
    Colon,
    /// A comma, or the end of what is open.
    Next,
}

impl Depth {
    /// The deepest that can be asked for.
    pub(super) const MOST: u32 = 1024;

    /// Whether `text` is nested deeper than `most`.
    pub(super) fn is_beyond(text: &[u8], most: u32) -> bool {
        let mut depth = Self {
            objects: [0; Self::MOST.div_ceil(64) as usize],
            open: 0,
            awaits: Awaits::Value,
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
            if depth.open > most.min(Self::MOST) {
                return true;
            }
            let Some(left) = left else {
                return false;
            };
            rest = left;
        }
        false
    }

    /// Whether there may be a value here; what comes after it is awaited from then on.
    fn scalar(&mut self) -> bool {
        let fits = matches!(self.awaits, Awaits::Value | Awaits::Element);
        self.awaits = self.after_value();
        fits
    }

    fn string(&mut self) -> bool {
        if matches!(self.awaits, Awaits::Key | Awaits::Member) {
            self.awaits = Awaits::Colon;
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
        self.awaits = if object {
            Awaits::Member
        } else {
            Awaits::Element
        };
        true
    }

    fn close(&mut self, object: bool) -> bool {
        let begun = if object {
            Awaits::Member
        } else {
            Awaits::Element
        };
        let may = self.awaits == begun || self.awaits == Awaits::Next;
        let fits = may && self.is_object() == Some(object);
        self.open = self.open.saturating_sub(1);
        self.awaits = self.after_value();
        fits
    }

    fn comma(&mut self) -> bool {
        let fits = self.awaits == Awaits::Next;
        self.awaits = match self.is_object() {
            Some(true) => Awaits::Key,
            _ => Awaits::Value,
        };
        fits
    }

    fn colon(&mut self) -> bool {
        let fits = self.awaits == Awaits::Colon;
        self.awaits = Awaits::Value;
        fits
    }

    /// Whether the innermost bracket is an object's; `None` where none is open.
    fn is_object(&self) -> Option<bool> {
        let at = self.open.checked_sub(1)?;
        let word = self.objects.get((at / 64) as usize)?;
        Some(word >> (at % 64) & 1 == 1)
    }

    const fn after_value(&self) -> Awaits {
        if self.open == 0 {
            Awaits::Value
        } else {
            Awaits::Next
        }
    }
}

/// What comes after a string whose first quote is read; `None` where the string has no end.
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

/// What comes after a number, `true`, `false` or `null`; `None` where it is none of these.
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
        (0..=Depth::MOST).find(deeper).expect("a depth")
    }

    #[test]
    fn depth_is_that_of_the_brackets_and_not_of_what_is_in_strings() {
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
        for depth_of in [63, 64, 65, 128, 1000] {
            let arrays = "[".repeat(depth_of) + &"]".repeat(depth_of);
            let objects = "{\"a\":".repeat(depth_of) + "1" + &"}".repeat(depth_of);
            assert_eq!(depth(&arrays), u32::try_from(depth_of).unwrap());
            assert_eq!(depth(&objects), u32::try_from(depth_of).unwrap());
        }
    }

    #[test]
    fn what_is_no_json_has_the_depth_of_its_beginning() {
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
            ("[\"never ended [[[[", 1),
            ("\"\\", 0),
            ("]", 0),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
    }

    #[test]
    fn what_ends_too_early_or_follows_is_as_deep_as_it_has_come_to() {
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
