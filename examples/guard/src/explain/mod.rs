//! `guard explain`: how a policy judges a request, and why.

mod args;
mod raw;

use std::{
    error::Error,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use gabion::{
    Guard,
    inspect::Escaped,
    policy::{RequestExplanation, RuleSelection, SampleRequest},
};
use http::{Uri, Version};
use serde_json::json;

use crate::{built_in_policy, operate};

pub(crate) use args::ExplainArgs;

/// A request as described on the command line or by raw bytes.
struct Described {
    method: String,
    target: String,
    version: &'static str,
    lines: Vec<(String, Vec<u8>)>,
}

type BoxError = Box<dyn Error>;

/// Explains a request, and prints the explanation.
pub(crate) fn run(args: &ExplainArgs) -> Result<(), BoxError> {
    let (policy, word) = match args.words.as_slice() {
        [policy, word] => (Some(PathBuf::from(policy)), Some(word)),
        [policy] if args.raw.is_some() => (Some(PathBuf::from(policy)), None),
        [word] => (args.policy.clone(), Some(word)),
        _ => (args.policy.clone(), None),
    };
    if args.words.len() == 2 && (args.policy.is_some() || args.running || args.raw.is_some()) {
        return Err("give one policy and one request".into());
    }
    let described = match (&args.raw, word) {
        (Some(file), _) => match raw::parse(&operate::read(file)?) {
            Ok(described) => described,
            Err(error) => {
                print(&refused(args, &error));
                return Ok(());
            }
        },
        (None, Some(word)) => Described::from_args(args, word)?,
        (None, None) => return Err("give a request, such as `GET /`".into()),
    };
    let explained = if args.running {
        operate::explain(&described.body(args)?, &args.endpoint)?
    } else {
        described.explain(args, policy.as_deref())?
    };
    let text = if args.json {
        serde_json::to_string_pretty(&explained)?
    } else {
        explained.to_string()
    };
    print(&text);
    Ok(())
}

/// Describes a head that the parser refuses, which no policy judges.
fn refused(args: &ExplainArgs, error: &raw::ParseError) -> String {
    if args.json {
        return json!({ "parser": error }).to_string();
    }
    let raw::ParseError { offset, error } = error;
    format!(
        "parser   refused at offset {offset}: {error}\nverdict  denied (400): the guard answers 400 and closes \
         the connection; no policy judges the request"
    )
}

fn print(text: &str) {
    // A pipe that is closed early, as by `head`, is no error.
    let _ = writeln!(io::stdout(), "{text}");
}

// === impl Described ===

impl Described {
    fn from_args(args: &ExplainArgs, word: &str) -> Result<Self, BoxError> {
        let (method, target) = match word.split_once(' ') {
            Some((method, target)) => (Some(method), target),
            None => (None, word),
        };
        let default = if args.data.is_some() { "POST" } else { "GET" };
        let method = args.method.as_deref().or(method).unwrap_or(default);
        let mut lines = Vec::new();
        let mut add = |name: &str, value: &str| {
            lines.push((name.to_owned(), value.as_bytes().to_vec()));
        };
        let target = match target.parse::<Uri>() {
            Ok(uri) if uri.scheme().is_some() => {
                let authority = uri.authority().map_or("", |authority| authority.as_str());
                let has_host = args.headers.iter().any(|line| is_host(line));
                if !has_host {
                    add("host", authority);
                }
                uri.path_and_query()
                    .map_or("/", |path| path.as_str())
                    .to_owned()
            }
            _ => target.to_owned(),
        };
        for line in &args.headers {
            let (name, value) = line.split_once(':').ok_or_else(|| {
                let line = Escaped(line.as_bytes());
                format!("invalid header `{line}`: write `NAME: VALUE`")
            })?;
            add(name.trim(), value.trim());
        }
        let length = args.data.as_ref().map(|data| data.len().to_string());
        let form = length.as_ref().map(|_| "application/x-www-form-urlencoded");
        for (name, value) in [
            ("user-agent", args.user_agent.as_deref()),
            ("referer", args.referer.as_deref()),
            ("cookie", args.cookie.as_deref()),
            ("content-length", length.as_deref()),
            ("content-type", form),
        ] {
            if let Some(value) = value {
                add(name, value);
            }
        }
        Ok(Self {
            method: method.to_owned(),
            target,
            version: if args.http2 { "2" } else { "1.1" },
            lines,
        })
    }

    /// Explains by a policy file, or by the built-in policy.
    fn explain(
        &self,
        args: &ExplainArgs,
        policy: Option<&Path>,
    ) -> Result<RequestExplanation, BoxError> {
        let guard = match policy {
            Some(policy) => Guard::builder().with_policy_file(policy)?,
            None => Guard::builder()
                .with_policy(&built_in_policy::for_server(None), "built-in policy")?,
        };
        let mut request = SampleRequest::new(&format!("{} {}", self.method, self.target))?;
        if let Some(host) = guard.document().server.a_host() {
            request = request.with_header("host", &host)?;
        }
        if let Some(from) = args.from {
            request = request.with_from(from);
        }
        let version = match self.version {
            "1.0" => Version::HTTP_10,
            "2" => Version::HTTP_2,
            _ => Version::HTTP_11,
        };
        let request = request.with_lines(&self.lines)?.with_version(version);
        let selection = match &args.rule {
            Some(rule) => RuleSelection::Rule(rule.clone()),
            None if args.all => RuleSelection::All,
            None => RuleSelection::Matching,
        };
        Ok(guard.explain_request(&request, &selection))
    }

    /// The body for the admin API of a running guard.
    fn body(&self, args: &ExplainArgs) -> Result<serde_json::Value, BoxError> {
        let lines = self.lines.iter();
        let lines: Result<Vec<_>, BoxError> = lines
            .map(|(name, value)| match std::str::from_utf8(value) {
                Ok(value) => Ok((name, value)),
                Err(_) => Err(format!(
                    "header `{}` is not UTF-8, which --running cannot send: `{}`",
                    Escaped(name.as_bytes()),
                    Escaped(value)
                )
                .into()),
            })
            .collect();
        let mut body = json!({
            "method": self.method,
            "target": self.target,
            "headers": lines?,
            "version": self.version,
            "all": args.all,
        });
        if let Some(from) = args.from {
            body["from"] = json!(from);
        }
        if let Some(rule) = &args.rule {
            body["rule"] = json!(rule);
        }
        Ok(body)
    }
}

fn is_host(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default();
    name.trim().eq_ignore_ascii_case("host")
}
