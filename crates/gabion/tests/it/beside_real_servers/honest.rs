//! Honest targets arrive at Tomcat in the same form with and without guard.

use gabion_testkit::rows;

use super::{
    outcome::Outcome,
    routes::{ColumnRoutes, Route, Routes},
};
use crate::support::guarded_proxy::{fitting, with_packs};

const HONEST: &str = include_str!("../../../testdata/beside_real_servers/honest.tsv");

#[tokio::test]
async fn honest_targets_arrive_as_sent() {
    let Some(routes) = Routes::start().await else {
        return;
    };
    let shipped = with_packs(fitting()).to_string();
    let shipped = Route::past_guard("every fitting pack", &shipped, &routes.alone);
    // `path_vectors` covers the refusals for the kind of the upstream server.
    let [literal, _, typed] = &routes.columns;
    let guarded = [literal, typed].into_iter().flat_map(ColumnRoutes::guarded);
    let column_routes: Vec<_> = guarded.chain([&shipped]).collect();
    let (mut arrived, mut wrong) = (0, Vec::new());
    for row in rows(HONEST) {
        let sent = routes.alone.request(row[1]).await;
        assert!(
            matches!(&sent, Outcome::Reached(echo) if row[1].ends_with(&echo.target())),
            "{}: {sent:?}",
            row[1]
        );
        for route in &column_routes {
            match route.request(row[1]).await {
                outcome if outcome == sent => arrived += 1,
                outcome => wrong.push(format!("{}, {}: {outcome:?}", route.name, row[1])),
            }
        }
    }
    println!(
        "beside real servers: {arrived} of {} honest requests arrive as sent, {} targets on {} ways",
        arrived + wrong.len(),
        rows(HONEST).len(),
        column_routes.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
