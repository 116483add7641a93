//! guard next to nginx and in front of Tomcat. A target that guard lets pass reaches no denied path
//! in Tomcat's own reading, and honest targets arrive as sent.
//!
//! The results are in the guide (`guide/paths.md`), and these tests compare them. After a change of
//! a server or of guard, `GABION_WRITE_GUIDE=1` writes the tables of the guide again.

mod column;
mod differences;
mod figures;
mod guide;
mod honest;
mod nginx;
mod outcome;
mod routes;
mod tomcat;
mod vectors;

use column::Column;
use figures::Figures;
use guide::Table;
use routes::Routes;

#[tokio::test]
async fn nothing_denied_is_reached() {
    let Some(routes) = Routes::start().await else {
        return;
    };
    let mut families = vec![vectors::measured()];
    families.extend(vectors::mutated());
    let others = vectors::nomore403();
    let is_whole = others.is_some();
    families.extend(others);
    for column_routes in &routes.columns {
        let name = column_routes.column.name();
        let mut table = Table::new(&Figures::COLUMNS);
        let (mut past_guard, mut wrong) = (0, Vec::new());
        for family in &families {
            let figures = Figures::measure(family, &routes.alone, column_routes).await;
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
        // The paths that the literal column lets pass on purpose must still pass, or the
        // measurement is wrong.
        assert_eq!(past_guard > 0, column_routes.column == Column::Literal);
        if is_whole {
            guide::assert_in_guide(&format!("figures, {name}"), &table);
        }
    }
}
