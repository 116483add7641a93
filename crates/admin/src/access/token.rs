//! The token of callers over TCP.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The token that callers over TCP send: 256 bits as 64 hexadecimal digits, or as 43 characters of base64url.
///
/// Only its SHA-256 is kept, and compared in constant time.
///
/// # Examples
///
/// ```
/// use gabion_admin::Token;
///
/// let token = Token::generate()?;
/// assert_eq!(token.len(), 64);
/// token.parse::<Token>()?;
///
/// let error = "correct horse battery staple".parse::<Token>().unwrap_err();
/// assert!(error.to_string().contains("`guard token`"));
/// # Ok::<(), gabion_admin::TokenError>(())
/// ```
#[derive(Clone)]
pub struct Token([u8; 32]);

/// The error of a text that is not a [`Token`]. It does not contain the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It has another length, or other characters.
    #[error(
        "a token has 256 bits: 64 hexadecimal digits, or 43 characters of base64url, not {0} characters; make one with \
         `guard token`"
    )]
    Length(usize),
    /// It repeats a few characters.
    #[error(
        "the token is not random: it has only {0} different characters; make one with `guard token`"
    )]
    NotRandom(usize),
    /// The system has no random numbers.
    #[error("the system has no random numbers: {0}")]
    Random(Box<str>),
}

/// A random token has fewer different characters once in a billion times.
const DIFFERENT: usize = 8;

// === impl Token ===

impl Token {
    /// Returns a new random token as hexadecimal digits.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn generate() -> Result<String, TokenError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| TokenError::Random(error.to_string().into()))?;
        let mut text = String::with_capacity(64);
        for byte in bytes {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }

    /// Returns `true` if `token` is the same text.
    pub(crate) fn matches(&self, token: &[u8]) -> bool {
        Sha256::digest(token).as_slice().ct_eq(&self.0).into()
    }
}

impl std::str::FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let is_hexadecimal = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let is_base64 = text.len() == 43
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_hexadecimal && !is_base64 {
            return Err(TokenError::Length(text.chars().count()));
        }
        let mut seen: Vec<u8> = text.bytes().collect();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() < DIFFERENT {
            return Err(TokenError::NotRandom(seen.len()));
        }
        Ok(Self(Sha256::digest(text).into()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_matches_its_text_only() {
        let text = Token::generate().unwrap();
        let token: Token = format!("{text}\n").parse().unwrap();
        assert!(token.matches(text.as_bytes()));
        assert!(!token.matches(text.to_uppercase().as_bytes()));
        assert!(!token.matches(&text.as_bytes()[..63]));
        assert!(!token.matches(b""));
        assert_ne!(Token::generate().unwrap(), text);
        assert!(!format!("{token:?}").contains(&text[..8]));
    }

    #[test]
    fn weak_tokens_are_refused() {
        for weak in [
            "",
            "password",
            &"0".repeat(64),
            &"ab".repeat(32),
            "0123456789abcdef0123456789abcdef",
        ] {
            let error = weak.parse::<Token>().unwrap_err().to_string();
            assert!(error.contains("`guard token`"), "{weak}: {error}");
        }
        "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA"
            .parse::<Token>()
            .unwrap();
    }
}
