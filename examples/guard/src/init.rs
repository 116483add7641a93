//! The command that writes the built-in policy to a file.

use std::{
    error::Error,
    fs::OpenOptions,
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

use clap::ValueEnum;

use crate::built_in_policy::{self, UpstreamServer};

/// Writes the built-in policy for `server` to a new file, and asks for the server at a terminal if it is
/// `None`. Fails if the file exists.
#[expect(
    clippy::disallowed_methods,
    reason = "the command writes the file named on the command line"
)]
pub(crate) fn init(policy: &Path, server: Option<UpstreamServer>) -> Result<(), Box<dyn Error>> {
    let name = policy.display();
    let is_interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let server = if server.is_none() && is_interactive && !policy.exists() {
        ask(&mut io::stdin().lock(), &mut io::stdout())?
    } else {
        server
    };
    let file = OpenOptions::new().write(true).create_new(true).open(policy);
    let mut file = file.map_err(|error| format!("{name}: {error}"))?;
    file.write_all(built_in_policy::for_server(server).as_bytes())?;
    println!("wrote {name}; edit it, then run: guard --policy {name}");
    if server.is_none() {
        print!("{}", notice());
    }
    Ok(())
}

/// The effect of a policy for a server of unknown kind, and the option that changes it.
fn notice() -> String {
    let servers: Vec<_> = servers().map(|(name, _)| name).collect();
    format!(
        "The kind of your server is unknown, so most rules only log: a request for /index.php passes. To enforce \
         the rules that fit it, remove the file and add --behind {}.\n",
        servers.join("|")
    )
}

/// Asks for the server until the input is a number or a name, is empty, or ends.
fn ask(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<Option<UpstreamServer>> {
    writeln!(
        output,
        "Kind of server behind the guard, to enforce the rules that fit it:"
    )?;
    for (number, (name, help)) in (1..).zip(servers()) {
        writeln!(output, "{number:>4}  {name:<10} {help}")?;
    }
    loop {
        write!(output, "Number or name, or nothing if none fits: ")?;
        output.flush()?;
        let mut line = String::new();
        let is_end = input.read_line(&mut line)? == 0;
        match line.trim() {
            "" if is_end => {
                writeln!(output)?;
                return Ok(None);
            }
            "" => return Ok(None),
            answer => match find(answer) {
                Some(server) => return Ok(Some(server)),
                None => writeln!(output, "unknown server `{}`", answer.escape_debug())?,
            },
        }
    }
}

/// Returns the server with this number or name.
fn find(answer: &str) -> Option<UpstreamServer> {
    let by_number = answer
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_sub(1));
    match by_number {
        Some(index) => UpstreamServer::value_variants().get(index).copied(),
        None => UpstreamServer::from_str(answer, true).ok(),
    }
}

/// The name and the description of each server.
fn servers() -> impl Iterator<Item = (String, String)> {
    let variants = UpstreamServer::value_variants().iter();
    variants.filter_map(|server| {
        let value = server.to_possible_value()?;
        let help = value.get_help().map(ToString::to_string);
        Some((value.get_name().to_owned(), help.unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer, and the output.
    fn asked(input: &str) -> (Option<UpstreamServer>, String) {
        let mut output = Vec::new();
        let server = ask(&mut input.as_bytes(), &mut output).unwrap();
        (server, String::from_utf8(output).unwrap())
    }

    #[test]
    fn server_is_asked_for_by_number_or_name() {
        for (input, server) in [
            ("spring\n", Some(UpstreamServer::Spring)),
            ("  Spring \r\n", Some(UpstreamServer::Spring)),
            ("1\n", Some(UpstreamServer::Axum)),
            ("11\n", Some(UpstreamServer::Wordpress)),
            ("\nspring\n", None),
            ("", None),
            ("0\n12\ncobol\nphp\n", Some(UpstreamServer::Php)),
            ("cobol", None),
        ] {
            assert_eq!(asked(input).0, server, "{input:?}");
        }
        let (_, output) = asked("a\u{1b}[2J\nnginx\n");
        assert!(output.contains("unknown server `a\\u{1b}[2J`"), "{output}");
        for (name, help) in servers() {
            assert!(output.contains(&name) && output.contains(&help), "{output}");
            assert!(notice().contains(&name), "{}", notice());
        }
    }
}
