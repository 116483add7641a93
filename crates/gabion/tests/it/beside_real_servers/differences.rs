//! Where nginx and guard say different things of one target.

use gabion_testkit::rows;

use super::{
    column::Column,
    fate::{By, Fate},
    guide::{self, Table},
    ways::{Ground, Way, Ways},
};
use crate::path_vectors::columns::VECTORS;

const MISTAKES: &str = include_str!("../../../testdata/beside_real_servers/mistakes.tsv");

/// The vectors' own columns for nginx and Tomcat, measured again.
#[tokio::test]
async fn vectors_say_what_servers_do() {
    let Some(ground) = Ground::start().await else {
        return;
    };
    let [literal, ..] = &ground.columns;
    let mut wrong = Vec::new();
    for row in rows(VECTORS) {
        let nginx = literal.nginx.ask(row[2]).await;
        let tomcat = ground.alone.ask(row[2]).await;
        let nginx_said = match nginx.refusal() {
            Some((By::Nginx, words)) => words.trim_start_matches("403 "),
            _ => "pass",
        };
        if nginx_said != row[3] || noted(&tomcat) != tomcat_said(&row) {
            wrong.push(format!("{row:?}: nginx {nginx:?}, Tomcat {tomcat:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tomcat's reading in the notation of the vectors, which leave out a control character at the end.
fn noted(fate: &Fate) -> String {
    let Fate::Reached(echo) = fate else {
        return fate.reading();
    };
    let path = String::from_utf8(echo.path()).unwrap();
    let characters = path.trim_end_matches(char::is_control).chars();
    let noted = characters.map(|character| match u32::from(character) {
        0..0x80 => character.to_string(),
        code @ 0x80..0x100 => format!("\\x{code:02x}"),
        code => format!("\\u{code:04x}"),
    });
    noted.collect()
}

/// The servlet path that a row says.
fn tomcat_said(row: &[&str]) -> String {
    match row[4].rsplit_once("; ") {
        None => row[4].to_owned(),
        Some(("=", _)) => row[2].split('?').next().unwrap_or_default().to_owned(),
        Some((path, _)) => path.to_owned(),
    }
}

#[tokio::test]
async fn guide_tells_the_differences() {
    let Some(ground) = Ground::start().await else {
        return;
    };
    let [literal, _, typed] = &ground.columns;
    for ways in [literal, typed] {
        let (misses, others) = differences(&ground.alone, ways).await;
        let name = ways.column.name();
        println!(
            "beside real servers, {name} rules: nginx passes {} of 181 that reach a denied resource",
            misses.len()
        );
        guide::holds(&format!("misses, {name}"), &misses);
        guide::holds(&format!("other differences, {name}"), &others);
    }
    guide::holds("mistakes", &mistakes(&ground).await);
}

/// The vectors of which nginx and guard say different things: those that reach what the rules deny,
/// and the others.
async fn differences(alone: &Way, ways: &Ways) -> (Table, Table) {
    let columns = ["target", "nginx", "guard", "Tomcat"];
    let (mut misses, mut others) = (Table::new(&columns), Table::new(&columns));
    for row in rows(VECTORS) {
        let tomcat = alone.ask(row[2]).await;
        let (nginx, guard) = (ways.nginx.ask(row[2]).await, ways.guard.ask(row[2]).await);
        let said = |fate: &Fate| match fate.refusal() {
            None | Some((By::Tomcat, _)) => "passes".to_owned(),
            Some((_, words)) => words.to_owned(),
        };
        let (nginx_said, guard_said) = (said(&nginx), said(&guard));
        let is_missed = nginx.is_denied(ways.column);
        if is_missed || (nginx_said == "passes") != (guard_said == "passes") {
            let table = if is_missed { &mut misses } else { &mut others };
            table.row([
                format!("`{}`", row[2]),
                nginx_said,
                guard_said,
                tomcat.reading(),
            ]);
        }
    }
    (misses, others)
}

/// What becomes of targets where nginx is told something beside the rules that undoes them.
async fn mistakes(ground: &Ground) -> Table {
    let mut table = Table::new(&[
        "nginx setting",
        "target",
        "nginx",
        "guard before nginx",
        "nginx before guard",
    ]);
    for row in rows(MISTAKES) {
        let mut cells = vec![row[1].to_owned(), format!("`{}`", row[2])];
        for way in ground.past_nginx(row[0]) {
            let fate = way.ask(row[2]).await;
            let stands_last = way.name == "nginx before guard";
            assert!(
                !stands_last || !fate.is_denied(Column::Typed),
                "{row:?}: {fate:?}"
            );
            cells.push(fate.reading());
        }
        table.row(cells);
    }
    table
}
