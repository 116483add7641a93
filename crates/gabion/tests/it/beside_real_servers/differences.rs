//! Targets that nginx and guard treat differently.

use gabion_testkit::rows;

use super::{
    column::Column,
    guide::{self, Table},
    outcome::{By, Outcome},
    routes::{ColumnRoutes, Route, Routes},
};
use crate::path_vectors::columns::VECTORS;

const MISTAKES: &str = include_str!("../../../testdata/beside_real_servers/mistakes.tsv");

/// Measures the nginx and Tomcat columns of the vectors again.
#[tokio::test]
async fn vectors_match_the_servers() {
    let Some(routes) = Routes::start().await else {
        return;
    };
    let [literal, ..] = &routes.columns;
    let mut wrong = Vec::new();
    for row in rows(VECTORS) {
        let nginx = literal.nginx.request(row[2]).await;
        let tomcat = routes.alone.request(row[2]).await;
        let nginx_said = match nginx.refusal() {
            Some((By::Nginx, words)) => words.trim_start_matches("403 "),
            _ => "pass",
        };
        if nginx_said != row[3] || notation(&tomcat) != servlet_path(&row) {
            wrong.push(format!("{row:?}: nginx {nginx:?}, Tomcat {tomcat:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tomcat's reading in the notation of the vectors, which omit a control character at the end.
fn notation(outcome: &Outcome) -> String {
    let Outcome::Reached(echo) = outcome else {
        return outcome.reading();
    };
    let path = String::from_utf8(echo.path()).unwrap();
    let characters = path.trim_end_matches(char::is_control).chars();
    let notation = characters.map(|character| match u32::from(character) {
        0..0x80 => character.to_string(),
        code @ 0x80..0x100 => format!("\\x{code:02x}"),
        code => format!("\\u{code:04x}"),
    });
    notation.collect()
}

/// The servlet path in a row.
fn servlet_path(row: &[&str]) -> String {
    match row[4].rsplit_once("; ") {
        None => row[4].to_owned(),
        Some(("=", _)) => row[2].split('?').next().unwrap_or_default().to_owned(),
        Some((path, _)) => path.to_owned(),
    }
}

#[tokio::test]
async fn guide_lists_the_differences() {
    let Some(routes) = Routes::start().await else {
        return;
    };
    let [literal, _, typed] = &routes.columns;
    for column_routes in [literal, typed] {
        let (misses, others) = differences(&routes.alone, column_routes).await;
        let name = column_routes.column.name();
        println!(
            "beside real servers, {name} rules: nginx passes {} of 181 that reach a denied resource",
            misses.len()
        );
        guide::assert_in_guide(&format!("misses, {name}"), &misses);
        guide::assert_in_guide(&format!("other differences, {name}"), &others);
    }
    guide::assert_in_guide("mistakes", &mistakes(&routes).await);
}

/// The vectors that nginx and guard treat differently: first those that reach a denied path, then
/// the others.
async fn differences(alone: &Route, column_routes: &ColumnRoutes) -> (Table, Table) {
    let columns = ["target", "nginx", "guard", "Tomcat"];
    let (mut misses, mut others) = (Table::new(&columns), Table::new(&columns));
    for row in rows(VECTORS) {
        let tomcat = alone.request(row[2]).await;
        let (nginx, guard) = (
            column_routes.nginx.request(row[2]).await,
            column_routes.guard.request(row[2]).await,
        );
        let text = |outcome: &Outcome| match outcome.refusal() {
            None | Some((By::Tomcat, _)) => "passes".to_owned(),
            Some((_, words)) => words.to_owned(),
        };
        let (nginx_said, guard_said) = (text(&nginx), text(&guard));
        let is_missed = nginx.is_denied(column_routes.column);
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

/// The outcome of targets behind nginx configurations with a directive that undoes the rules.
async fn mistakes(routes: &Routes) -> Table {
    let mut table = Table::new(&[
        "nginx setting",
        "target",
        "nginx",
        "guard before nginx",
        "nginx before guard",
    ]);
    for row in rows(MISTAKES) {
        let mut cells = vec![row[1].to_owned(), format!("`{}`", row[2])];
        for route in routes.past_nginx(row[0]) {
            let outcome = route.request(row[2]).await;
            let stands_last = route.name == "nginx before guard";
            assert!(
                !stands_last || !outcome.is_denied(Column::Typed),
                "{row:?}: {outcome:?}"
            );
            cells.push(outcome.reading());
        }
        table.row(cells);
    }
    table
}
