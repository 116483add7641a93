//! Beside nginx and in front of Tomcat: what guard lets pass reaches nothing in Tomcat that the
//! rules deny, by Tomcat's own reading of the target, and what is honest arrives as it was sent.
//!
//! What is measured here stands in the guide (`guide/paths.md`), and is held to it. Where servers
//! or guard have changed, `GABION_WRITE_GUIDE=1` writes the guide's tables anew.

mod column;
mod differences;
mod fate;
mod figures;
mod guide;
mod honest;
mod nginx;
mod server;
mod tomcat;
mod vectors;
mod ways;

use column::Column;
use figures::Figures;
use guide::Table;
use ways::Ground;

#[tokio::test]
async fn nothing_denied_is_reached() {
    let Some(ground) = Ground::start().await else {
        return;
    };
    let mut families = vec![vectors::measured()];
    families.extend(vectors::mutated());
    let others = vectors::nomore403();
    let is_whole = others.is_some();
    families.extend(others);
    for ways in &ground.columns {
        let name = ways.column.name();
        let mut table = Table::new(&Figures::COLUMNS);
        let (mut past_guard, mut wrong) = (0, Vec::new());
        for family in &families {
            let figures = Figures::of(family, &ground.alone, ways).await;
            println!(
                "beside real servers, {name} rules, {}: {figures}",
                family.name
            );
            assert!(figures.denied > 0, "{}: nothing to keep out", family.name);
            table.row(figures.row(family.name));
            past_guard += figures.past_guard;
            wrong.extend(figures.wrong);
        }
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        // What is let pass knowingly is still let pass: else nothing is to be known.
        assert_eq!(past_guard > 0, ways.column == Column::Literal);
        if is_whole {
            guide::holds(&format!("figures, {name}"), &table);
        }
    }
}
