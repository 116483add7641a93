//! WebSocket frames and messages of a client, and message rules.

use std::num::NonZeroU16;

use gabion::{
    inspect::{Config as _, ConfigErrors, Context, Messages, State},
    policy::MessageRule,
};

/// The opcode of a text message (RFC 6455, 5.2).
pub const TEXT: u8 = 1;

/// The opcode of a ping.
pub const PING: u8 = 9;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Encodes one final, masked frame (RFC 6455, 5.2 and 5.3).
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => frame.push(0x80 | short),
        (_, Ok(len)) => {
            frame.push(0xfe);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    let masked = payload.iter().zip(KEY.iter().cycle());
    frame.extend(masked.map(|(byte, key)| byte ^ key));
    frame
}

/// Returns a chat message of `len` bytes, 16 at least: JSON with a text.
pub fn chat(len: usize) -> String {
    const WORDS: &str = "the gate stands open until nine and the bread is still warm ";
    let words_len = len.saturating_sub(r#"{"say":{"t":""}}"#.len());
    let words: String = WORDS.chars().cycle().take(words_len).collect();
    format!(r#"{{"say":{{"t":"{words}"}}}}"#)
}

/// Compiles message rules: two literals, a regular expression, a JSON depth. [`chat`] messages pass.
///
/// # Errors
///
/// Returns an error if the rules do not compile, which is a bug.
pub fn rules() -> Result<Messages, ConfigErrors> {
    let rules = [
        MessageRule::new("jndi").contains(["${jndi:", "${${"]),
        MessageRule::new("script").matches([r"(?i)<script[\s>]"]),
        MessageRule::new("depth").json_depth(const { NonZeroU16::new(32).unwrap() }),
    ];
    rules.compile(&Context::new(&State::scratch()))
}
