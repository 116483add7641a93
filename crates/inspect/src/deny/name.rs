//! What counts as one name within a path.

/// The longest name, prefix or path that a rule may hold, in bytes.
pub(super) const MAX_LEN: usize = 512;

/// The readings of a segment as a name: the segment as a whole, and the pieces between the
/// characters at which some server or file system ends a name.
pub(super) fn readings(segment: &[u8]) -> impl Iterator<Item = &[u8]> {
    let early = may_end_early(segment);
    let name = if early {
        before_params(segment)
    } else {
        segment
    };
    let ends = |byte: &u8| matches!(byte, b':' | b'?' | b'#');
    let pieces = early.then(|| name.split(ends)).into_iter().flatten();
    let pieces = pieces.filter(|piece| piece.len() < name.len());
    std::iter::once(name).chain(pieces).map(trim_end)
}

/// The name without what is ignored at its end; the whole name if nothing else is in it.
pub(crate) fn plain(segment: &[u8]) -> &[u8] {
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

/// What follows the last dot of a name.
pub(super) fn extension(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    name.get(dot.saturating_add(1)..)
}

fn before_params(segment: &[u8]) -> &[u8] {
    segment
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
}

/// Cuts what NTFS takes for the name of a stream.
fn before_stream(name: &[u8]) -> &[u8] {
    let stream = name.windows(3).position(|window| window == b"::$");
    stream.and_then(|at| name.get(..at)).unwrap_or(name)
}

/// Whether some server or file system may end a name before its segment does; most hold nothing of
/// the kind.
fn may_end_early(segment: &[u8]) -> bool {
    let mut bytes = segment.iter();
    bytes.any(|byte| matches!(byte, b';' | b':' | b'?' | b'#'))
}

/// Cuts what file systems and servers ignore at the end of a name: dots and blanks, the no-break
/// space among them.
fn trim_end(mut name: &[u8]) -> &[u8] {
    loop {
        name = match name {
            [rest @ .., b'.' | b' ' | b'\t' | b'\r' | b'\n'] | [rest @ .., 0xc2, 0xa0] => rest,
            trimmed => return trimmed,
        };
    }
}
