//! Reads the modules and paths of a Rust source file.

use super::lexer::{Lexer, Token};

/// The code of one file: what its modules declare, import and name. Tests are left out.
#[derive(Debug, Default)]
pub(super) struct RustSource {
    /// The modules that are declared without a body: `mod name;`.
    pub(super) declared: Vec<DeclaredModule>,
    /// The names of items, each with the inline module it is in.
    pub(super) items: Vec<(ModulePath, String)>,
    pub(super) imports: Vec<Import>,
    /// Paths outside `use` declarations that begin with `crate`, `self` or `super`.
    pub(super) paths: Vec<SourcePath>,
}

/// Names of modules from the outside to the inside.
pub(super) type ModulePath = Vec<String>;

#[derive(Debug)]
pub(super) struct DeclaredModule {
    pub(super) path: SourcePath,
    /// The file of a `#[path]` attribute.
    pub(super) file: Option<String>,
}

/// One name of a `use` declaration.
#[derive(Debug)]
pub(super) struct Import {
    /// The name in this module; `*` for a glob import, `_` for an unnamed one.
    pub(super) name: String,
    pub(super) path: SourcePath,
    /// Set if it is not inside a function.
    pub(super) is_item: bool,
}

/// A path as it is written.
#[derive(Clone, Debug)]
pub(super) struct SourcePath {
    /// The inline modules around it, within the file.
    pub(super) inside: ModulePath,
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

struct Reader<'s> {
    tokens: Vec<(Token<'s>, usize)>,
    at: usize,
    depth: usize,
    /// The inline modules around, each with the depth of braces in it.
    inside: Vec<(&'s str, usize)>,
    found: RustSource,
}

const ITEM_KEYWORDS: [&str; 9] = [
    "const",
    "enum",
    "fn",
    "macro_rules",
    "static",
    "struct",
    "trait",
    "type",
    "union",
];

// === impl RustSource ===

impl RustSource {
    pub(super) fn read(text: &str) -> Self {
        let mut reader = Reader {
            tokens: Lexer::new(text).collect(),
            at: 0,
            depth: 0,
            inside: Vec::new(),
            found: Self::default(),
        };
        while reader.step() {}
        reader.found
    }

    /// The first import of all items of a module in this crate.
    pub(super) fn module_glob(&self) -> Option<&SourcePath> {
        let globs = self.imports.iter().filter(|import| import.name == "*");
        let is_lower = |name: &String| name.starts_with(char::is_lowercase);
        let mut modules = globs
            .map(|import| &import.path)
            .filter(|path| path.segments.iter().all(is_lower));
        modules.find(|path| matches!(path.segments[0].as_str(), "crate" | "self" | "super"))
    }
}

// === impl SourcePath ===

impl SourcePath {
    pub(super) fn text(&self) -> String {
        self.segments.join("::")
    }
}

// === impl Reader ===

impl<'s> Reader<'s> {
    fn peek(&self, ahead: usize) -> Option<Token<'s>> {
        self.tokens.get(self.at + ahead).map(|(token, _)| *token)
    }

    fn word(&self, ahead: usize) -> Option<&'s str> {
        match self.peek(ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn is_sign(&self, ahead: usize, sign: char) -> bool {
        self.peek(ahead) == Some(Token::Sign(sign))
    }

    fn is_path_separator(&self, ahead: usize) -> bool {
        self.is_sign(ahead, ':') && self.is_sign(ahead + 1, ':')
    }

    fn is_item_level(&self) -> bool {
        self.depth == self.inside.last().map_or(0, |(_, depth)| *depth)
    }

    fn inside(&self) -> ModulePath {
        self.inside
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect()
    }

    /// Reads the next token, or several that belong together. Returns `false` at the end.
    fn step(&mut self) -> bool {
        match self.peek(0) {
            None => return false,
            Some(Token::Sign('#')) if self.is_sign(1, '[') => self.read_attribute(),
            Some(Token::Sign('{')) => {
                self.depth += 1;
                self.at += 1;
            }
            Some(Token::Sign('}')) => {
                self.depth -= 1;
                let depth = self.depth;
                self.inside.pop_if(|(_, within)| depth < *within);
                self.at += 1;
            }
            Some(Token::Word("use")) => self.read_use(),
            Some(Token::Word("mod")) => self.read_module(None),
            Some(Token::Word("crate" | "self" | "super")) if self.is_path_separator(1) => {
                let path = self.read_path();
                self.found.paths.push(path);
            }
            // `pub(in path)` names a scope and uses nothing.
            Some(Token::Word("in"))
                if self.at > 0 && self.tokens[self.at - 1].0 == Token::Sign('(') =>
            {
                self.at += 1;
                self.read_path();
            }
            Some(Token::Word(keyword)) if ITEM_KEYWORDS.contains(&keyword) => {
                self.at += if self.is_sign(1, '!') { 2 } else { 1 };
                if let Some(name) = self.word(0).filter(|_| self.is_item_level()) {
                    let item = (self.inside(), name.to_owned());
                    self.found.items.push(item);
                }
            }
            Some(_) => self.at += 1,
        }
        true
    }

    /// Reads an attribute, and skips the item after `#[cfg(test)]`.
    fn read_attribute(&mut self) {
        let start = self.at + 2;
        self.at += 1;
        self.skip_group();
        let attribute: Vec<_> = self.tokens[start..self.at]
            .iter()
            .map(|(token, _)| *token)
            .collect();
        match attribute[..] {
            [
                Token::Word("cfg"),
                Token::Sign('('),
                Token::Word("test"),
                ..,
            ] => self.skip_item(),
            [Token::Word("path"), Token::Sign('='), Token::Text(file), ..]
                if self.word(0) == Some("mod") =>
            {
                self.read_module(Some(file));
            }
            _ => {}
        }
    }

    /// Skips a group in brackets of any kind, which begins here.
    fn skip_group(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek(0) {
            self.at += 1;
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_item(&mut self) {
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('{') => return self.skip_group(),
                Token::Sign('(' | '[') => self.skip_group(),
                Token::Sign(';') => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    fn read_module(&mut self, file: Option<&str>) {
        self.at += 1;
        let Some(name) = self.word(0) else { return };
        if self.is_sign(1, '{') {
            self.at += 2;
            self.depth += 1;
            self.inside.push((name, self.depth));
        } else {
            let (path, file) = (self.read_path(), file.map(str::to_owned));
            self.found.declared.push(DeclaredModule { path, file });
        }
    }

    /// Reads words between `::`.
    fn read_path(&mut self) -> SourcePath {
        let line = self.tokens[self.at].1;
        let mut segments = Vec::new();
        while let Some(word) = self.word(0) {
            segments.push(word.to_owned());
            self.at += 1;
            if !self.is_path_separator(0) || self.word(2).is_none() {
                break;
            }
            self.at += 2;
        }
        SourcePath {
            inside: self.inside(),
            segments,
            line,
        }
    }

    fn read_use(&mut self) {
        self.at += 1;
        // `use<'a>` of an `impl Trait`.
        if self.is_sign(0, '<') {
            return;
        }
        self.read_use_tree(&[]);
    }

    fn read_use_tree(&mut self, prefix: &[String]) {
        if self.is_path_separator(0) {
            self.at += 2;
        }
        let line = self.tokens[self.at].1;
        let path = self.read_path();
        let mut segments = prefix.to_vec();
        segments.extend(path.segments);
        if self.is_path_separator(0) {
            self.at += 2;
        }
        let mut name = segments.last().cloned().unwrap_or_default();
        if self.is_sign(0, '{') {
            self.at += 1;
            while !self.is_sign(0, '}') {
                self.read_use_tree(&segments);
                if self.is_sign(0, ',') {
                    self.at += 1;
                }
            }
            self.at += 1;
            return;
        }
        if self.is_sign(0, '*') {
            self.at += 1;
            "*".clone_into(&mut name);
        }
        if segments.len() > 1 && name == "self" {
            segments.pop();
            name.clone_from(&segments[segments.len() - 1]);
        }
        if self.word(0) == Some("as") {
            self.word(1).unwrap_or_default().clone_into(&mut name);
            self.at += 2;
        }
        self.found.imports.push(Import {
            name,
            path: SourcePath {
                inside: self.inside(),
                segments,
                line,
            },
            is_item: self.is_item_level(),
        });
    }
}
