//! Modules use each other in one direction.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write as _,
};

use super::{
    SourceFile,
    rust_source::{ModulePath, RustSource, SourcePath},
    sources,
};

/// The modules of all crates, by their paths, which begin with the folder of the crate.
#[derive(Debug, Default)]
struct Modules {
    modules: BTreeMap<ModulePath, Module>,
    /// The files whose module has another name, by the path that the file's own name stands for.
    renamed: BTreeMap<ModulePath, ModulePath>,
}

#[derive(Debug, Default)]
struct Module {
    items: BTreeSet<String>,
    imports: BTreeMap<String, SourcePath>,
    /// Set if it stands in braces, in the file of another module.
    is_inline: bool,
}

/// The lines on which one module uses another.
#[derive(Debug, Default)]
struct Uses(BTreeMap<ModulePath, BTreeMap<ModulePath, Vec<String>>>);

/// Modules that use each other in a circle, the first one in alphabetical order first.
type Circle = Vec<ModulePath>;

/// Fails on each circle of modules, and on each upward use, with the lines that make it.
///
/// A module is a file, with the inline modules in it. It uses another module if its code
/// 1. declares it (`mod name;`), so that a parent uses its children; or
/// 2. names an item that the other defines: in a `use` declaration, or by a path that begins with
///    `crate`, `self` or `super`. Imports and re-exports are followed to the definition: `use
///    crate::Context` in `inspect` is a use of `context.rs`, and not of `lib.rs`.
///
/// A use is upward if the used module depends on the user, over any number of uses. It closes a
/// circle, so the two rules are one. A use of an ancestor is always upward, since each declares the
/// next. Only the use of a module's own parent is allowed: the parent's items and those of its child
/// are then one unit.
///
/// Tests are left out. Methods have no path, so their uses are not seen; the import of their type
/// is.
#[test]
fn modules_form_no_circle() {
    let uses = Uses::of_all_crates();
    let circles = uses.circles();
    assert!(circles.is_empty(), "{}", uses.describe(&circles));
}

fn child(path: &[String], name: &str) -> ModulePath {
    [path, &[name.to_owned()]].concat()
}

/// The module in a file of `crates/`, by its name.
fn file_module(file: &str) -> ModulePath {
    let file = file.strip_prefix("crates/").unwrap_or(file);
    let (krate, file) = file.split_once("/src/").expect("a source of a crate");
    let file = file.trim_end_matches(".rs");
    let file = file.strip_suffix("mod").unwrap_or(file);
    let names = file
        .split('/')
        .filter(|name| !matches!(*name, "" | "lib" | "main"));
    [krate]
        .into_iter()
        .chain(names)
        .map(str::to_owned)
        .collect()
}

// === impl Modules ===

impl Modules {
    /// Reads the names in all files.
    fn read(files: &[(ModulePath, RustSource)]) -> Self {
        let mut modules = Self::default();
        for (path, source) in files {
            for declared in &source.declared {
                if let Some(file) = &declared.file {
                    let file = child(path, file.trim_end_matches(".rs"));
                    let name = &declared.path.segments[0];
                    modules.renamed.insert(file, child(path, name));
                }
            }
        }
        for (path, source) in files {
            let path = modules.name(path);
            modules.modules.entry(path.clone()).or_default();
            for (inside, name) in &source.items {
                modules.within(&path, inside).items.insert(name.clone());
            }
            for import in source.imports.iter().filter(|import| import.is_item) {
                let module = modules.within(&path, &import.path.inside);
                module
                    .imports
                    .insert(import.name.clone(), import.path.clone());
            }
        }
        modules
    }

    /// The name of the module in the file with this path.
    fn name(&self, path: &ModulePath) -> ModulePath {
        self.renamed.get(path).unwrap_or(path).clone()
    }

    fn within(&mut self, path: &ModulePath, inside: &[String]) -> &mut Module {
        let module = self.modules.entry([path, inside].concat()).or_default();
        module.is_inline |= !inside.is_empty();
        module
    }

    /// The module whose file holds `path`.
    fn file_of(&self, mut path: ModulePath) -> ModulePath {
        while self
            .modules
            .get(&path)
            .is_some_and(|module| module.is_inline)
        {
            path.pop();
        }
        path
    }

    /// Follows a path in `module`, through imports, to the module that defines its item. Returns
    /// `None` if it is in another crate, or is no item.
    fn definition(&self, module: &[String], segments: &[String]) -> Option<ModulePath> {
        let mut current = module.to_vec();
        for (index, name) in segments.iter().enumerate() {
            match name.as_str() {
                "crate" => current.truncate(1),
                "self" => {}
                "super" => {
                    current.pop();
                }
                _ if self.modules.contains_key(&child(&current, name)) => {
                    current.push(name.clone());
                }
                _ => {
                    let at = self.modules.get(&current)?;
                    // `use memchr::memchr` begins with the name of a crate.
                    let is_crate = |path: &&SourcePath| path.segments.first() == Some(name);
                    if let Some(import) = at.imports.get(name).filter(|path| !is_crate(path)) {
                        let rest = segments.get(index + 1..)?;
                        return self.definition(&current, &[&import.segments, rest].concat());
                    }
                    let is_other_crate = index == 0 && !at.items.contains(name);
                    return (!is_other_crate).then_some(current);
                }
            }
        }
        Some(current)
    }
}

// === impl Uses ===

impl Uses {
    fn of_all_crates() -> Self {
        let mut files = sources("crates", ".rs");
        let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
        files.retain(|file| file.path.contains("/src/") && !is_test(&file.path));
        let uses = Self::read(&files);
        for krate in sources("crates", "/Cargo.toml") {
            let root = file_module(&krate.path.replace("Cargo.toml", "src/lib.rs"));
            let is_read = uses.0.keys().any(|module| module.starts_with(&root));
            assert!(is_read, "no module of {root:?} uses another");
        }
        uses
    }

    fn read(files: &[SourceFile]) -> Self {
        let read = |file: &SourceFile| (file_module(&file.path), RustSource::read(&file.text));
        let sources: Vec<_> = files.iter().map(read).collect();
        let modules = Modules::read(&sources);
        let mut found = Self::default();
        for (file, (path, source)) in files.iter().zip(&sources) {
            let path = modules.name(path);
            if let Some(glob) = source.module_glob() {
                panic!(
                    "{}:{}: a glob import hides what it uses",
                    file.path, glob.line
                );
            }
            let children = source.declared.iter().map(|declared| &declared.path);
            let imports = source.imports.iter().map(|import| &import.path);
            for named in children.chain(imports).chain(&source.paths) {
                let user = [&path[..], &named.inside].concat();
                let Some(target) = modules.definition(&user, &named.segments) else {
                    continue;
                };
                let (user, target) = (modules.file_of(user), modules.file_of(target));
                let is_parent = user.len() == target.len() + 1 && user.starts_with(&target);
                if user != target && !is_parent {
                    let place = format!("{}:{}: {}", file.path, named.line, named.text());
                    let targets = found.0.entry(user).or_default();
                    targets.entry(target).or_default().push(place);
                }
            }
        }
        found
    }

    /// The shortest circle through each module.
    fn circles(&self) -> BTreeSet<Circle> {
        let circles = self
            .0
            .keys()
            .filter_map(|module| self.circle_through(module));
        circles.collect()
    }

    fn circle_through(&self, module: &ModulePath) -> Option<Circle> {
        let mut users: BTreeMap<&ModulePath, &ModulePath> = BTreeMap::new();
        let mut queue = VecDeque::from([module]);
        while let Some(user) = queue.pop_front() {
            for target in self.0.get(user).into_iter().flat_map(BTreeMap::keys) {
                if users.contains_key(target) {
                    continue;
                }
                users.insert(target, user);
                if target != module {
                    queue.push_back(target);
                    continue;
                }
                let back = std::iter::successors(Some(user), |at| users.get(at).copied());
                let mut circle: Vec<_> = back.take_while(|at| *at != module).cloned().collect();
                circle.push(module.clone());
                circle.reverse();
                let first = circle.iter().min().cloned();
                let first = circle.iter().position(|at| Some(at) == first.as_ref());
                circle.rotate_left(first.unwrap_or(0));
                return Some(circle);
            }
        }
        None
    }

    /// The circles with the lines that make them.
    fn describe(&self, circles: &BTreeSet<Circle>) -> String {
        let mut text = format!("{} circles of modules\n", circles.len());
        for circle in circles {
            let names: Vec<_> = circle.iter().map(|module| module.join("::")).collect();
            writeln!(text, "\n{} -> {}", names.join(" -> "), names[0]).unwrap();
            let next = circle.iter().cycle().skip(1);
            for place in circle
                .iter()
                .zip(next)
                .flat_map(|(from, to)| &self.0[from][to])
            {
                writeln!(text, "  {place}").unwrap();
            }
        }
        text
    }
}

/// The circles between the files of a crate, each file with its name and text.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter().map(|(name, text)| SourceFile {
        path: format!("crates/x/src/{name}"),
        text: (*text).to_owned(),
    });
    let circles = Uses::read(&files.collect::<Vec<_>>()).circles();
    let names = |circle: Circle| circle.iter().map(|module| module.join("::")).collect();
    circles
        .into_iter()
        .map(|circle| -> Vec<_> { names(circle) })
        .map(|names| names.join(" "))
        .collect()
}

#[test]
fn circle_is_found_through_exports_and_inside_functions() {
    let exported = [
        ("lib.rs", "mod a; mod b; pub use a::A;"),
        ("a.rs", "use crate::b::{self, B}; pub struct A(B);"),
        ("b/mod.rs", "mod c; pub(crate) use c::C as B;"),
        (
            "b/c.rs",
            "pub(crate) struct C; fn f() { super::super::A::new(); }",
        ),
    ];
    assert_eq!(circles_of(&exported), ["x::a x::b x::b::c", "x::a x::b::c"]);
    let inline = [
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "pub fn a() {} mod inner { use super::super::b::b; }",
        ),
        ("b.rs", "pub fn b() { crate::a::a() }"),
    ];
    assert_eq!(circles_of(&inline), ["x::a x::b"]);
    let renamed = [
        (
            "lib.rs",
            "mod a; #[cfg(y)] mod b; #[cfg(not(y))] #[path = \"c.rs\"] mod b;",
        ),
        ("a.rs", "use super::b; pub fn a() { b::b() }"),
        ("c.rs", "pub fn b() { crate::a::a() }"),
    ];
    assert_eq!(circles_of(&renamed), ["x::a x::b"]);
}

#[test]
fn parent_and_child_may_use_each_other_but_a_grandchild_may_not() {
    let parent = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; use b::B; pub struct A(B);"),
        (
            "a/b/mod.rs",
            "use super::A; mod c; pub struct B; impl A { fn f() { c::c() } }",
        ),
        ("a/b/c.rs", "pub fn c() { crate::d::d(); super::B::new() }"),
        ("d.rs", "pub fn d() {}"),
    ];
    assert_eq!(circles_of(&parent), [""; 0]);
    let mut grandchild = parent;
    grandchild[3].1 = "pub fn c() { super::super::A::new() }";
    assert_eq!(circles_of(&grandchild), ["x::a x::a::b x::a::b::c"]);
}

#[test]
fn other_crates_tests_and_text_make_no_circle() {
    let harmless = [
        ("lib.rs", "mod a; mod memchr;"),
        (
            "a.rs",
            "use memchr::memchr; use std::{fmt, io as memory}; pub struct A<'a>(&'a str);
            // use crate::memchr::B;
            /* use crate::memchr::B; /* */ */
            const TEXTS: [&str; 3] = [\"use crate::memchr::B;\", r#\"\" crate::memchr::B\"#, \"'\"];
            const QUOTES: [char; 2] = ['\"', '\\''];
            pub(in crate::memchr) fn f() -> impl Sized + use<> {}
            #[cfg(test)] use crate::memchr::B;
            #[cfg(test)] mod tests { use super::super::memchr::B; }",
        ),
        ("memchr.rs", "use crate::a::A; pub struct B;"),
    ];
    assert_eq!(circles_of(&harmless), [""; 0]);
    let mut harmful = harmless;
    let code = harmless[1].1.replace("#[cfg(test)] use", "use");
    harmful[1].1 = &code;
    assert_eq!(circles_of(&harmful), ["x::a x::memchr"]);
}
