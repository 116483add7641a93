//! Names in a path, as servers and file systems compare them.

/// Returns the names that a segment may stand for: the entire segment without its parameters, and
/// the parts between the characters at which some server or file system ends a name.
pub(super) fn interpretations(segment: &[u8]) -> impl Iterator<Item = &[u8]> {
    let has_end = may_end_early(segment);
    let name = if has_end {
        before_params(segment)
    } else {
        segment
    };
    let ends = |byte: &u8| matches!(byte, b':' | b'?' | b'#');
    let pieces = has_end.then(|| name.split(ends)).into_iter().flatten();
    let pieces = pieces.filter(|piece| piece.len() < name.len());
    std::iter::once(name).chain(pieces).map(trim_end)
}

/// Returns the name without the suffixes that servers and file systems ignore, or the entire
/// segment if nothing else is left.
pub(super) fn canonical(segment: &[u8]) -> &[u8] {
    let name = if may_end_early(segment) {
        before_stream(before_params(segment))
    } else {
        segment
    };
    match trim_end(name) {
        [] => segment,
        trimmed => trimmed,
    }
}

/// Returns `true` if a segment stands for one name only, which is the entire segment.
#[cold]
pub(super) fn is_single(segment: &[u8]) -> bool {
    !may_end_early(segment) && trim_end(segment).len() == segment.len()
}

fn before_params(segment: &[u8]) -> &[u8] {
    segment
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
}

/// Removes the NTFS stream name.
fn before_stream(name: &[u8]) -> &[u8] {
    let stream = name.windows(3).position(|window| window == b"::$");
    stream.and_then(|at| name.get(..at)).unwrap_or(name)
}

/// Returns `true` if some server or file system may end the name before the end of the segment.
/// Most segments contain no such character.
fn may_end_early(segment: &[u8]) -> bool {
    let mut bytes = segment.iter();
    bytes.any(|byte| matches!(byte, b';' | b':' | b'?' | b'#'))
}

/// Removes the characters that file systems and servers ignore at the end of a name: dots and
/// blanks, including the no-break space.
fn trim_end(mut name: &[u8]) -> &[u8] {
    loop {
        name = match name {
            [rest @ .., b'.' | b' ' | b'\t' | b'\r' | b'\n'] | [rest @ .., 0xc2, 0xa0] => rest,
            trimmed => return trimmed,
        };
    }
}
