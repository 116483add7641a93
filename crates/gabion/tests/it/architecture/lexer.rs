//! Splits Rust source into tokens.

/// A token of Rust source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// A keyword, a name, a number, or the name of a lifetime.
    Word(&'s str),
    /// The content of a string or character.
    Text(&'s str),
    Sign(char),
}

/// The tokens of a source text, each with its line, without comments.
pub(super) struct Lexer<'s> {
    rest: &'s str,
    line: usize,
}

// === impl Lexer ===

impl<'s> Lexer<'s> {
    pub(super) fn new(text: &'s str) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }

    fn take(&mut self, bytes: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn take_block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.take(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.take(2);
            } else {
                let first = self.rest.chars().next();
                self.take(first.expect("the end of the comment").len_utf8());
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn take_token(&mut self) -> Token<'s> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let word = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (prefix, after) = self.rest.split_at(word);
        let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
        let is_quoted = after[hashes..].starts_with('"');
        match (prefix, after.chars().next()) {
            ("r" | "br" | "cr", Some('"' | '#')) if is_quoted => {
                self.take(word + hashes + 1);
                let end = format!("\"{}", "#".repeat(hashes));
                let text = self.take(self.rest.find(&end).expect("the end of the string"));
                self.take(end.len());
                Token::Text(text)
            }
            ("" | "b" | "c", Some('"')) => {
                self.take(word + 1);
                Token::Text(self.take_until('"'))
            }
            ("" | "b", Some('\'')) => {
                self.take(word + 1);
                // A lifetime has no closing quote after its first character.
                let mut next = self.rest.chars();
                match (next.next(), next.next()) {
                    (Some('\\'), _) | (_, Some('\'')) => Token::Text(self.take_until('\'')),
                    _ => Token::Sign('\''),
                }
            }
            ("", Some(sign)) => {
                self.take(sign.len_utf8());
                Token::Sign(sign)
            }
            _ => Token::Word(self.take(word)),
        }
    }

    /// Takes a literal and its closing quote.
    fn take_until(&mut self, quote: char) -> &'s str {
        let mut escaped = false;
        let end = self.rest.find(|c| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let text = self.take(end.expect("the end of the literal"));
        self.take(1);
        text
    }
}

impl<'s> Iterator for Lexer<'s> {
    type Item = (Token<'s>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = self.rest.chars().next()?;
            if first.is_whitespace() {
                self.take(first.len_utf8());
            } else if self.rest.starts_with("//") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.take_block_comment();
            } else {
                let line = self.line;
                return Some((self.take_token(), line));
            }
        }
    }
}
