//! What honest clients ask for arrives at Tomcat past guard as it does without.

use gabion_testkit::rows;

use super::{
    fate::Fate,
    ways::{Ground, Way, Ways},
};
use crate::support::sockets::{fitting, with_packs};

const HONEST: &str = include_str!("../../../testdata/beside_real_servers/honest.tsv");

#[tokio::test]
async fn honest_targets_arrive_as_sent() {
    let Some(ground) = Ground::start().await else {
        return;
    };
    let shipped = with_packs(fitting()).to_string();
    let shipped = Way::past_guard("every fitting pack", &shipped, &ground.alone);
    // What a guard refuses for the sake of the server behind, `path_vectors` holds to its reasons.
    let [literal, _, typed] = &ground.columns;
    let guarded = [literal, typed].into_iter().flat_map(Ways::guarded);
    let ways: Vec<_> = guarded.chain([&shipped]).collect();
    let (mut arrived, mut wrong) = (0, Vec::new());
    for row in rows(HONEST) {
        let sent = ground.alone.ask(row[1]).await;
        assert!(
            matches!(&sent, Fate::Reached(echo) if row[1].ends_with(&echo.target())),
            "{}: {sent:?}",
            row[1]
        );
        for way in &ways {
            match way.ask(row[1]).await {
                fate if fate == sent => arrived += 1,
                fate => wrong.push(format!("{}, {}: {fate:?}", way.name, row[1])),
            }
        }
    }
    println!(
        "beside real servers: {arrived} of {} honest requests arrive as sent, {} targets on {} ways",
        arrived + wrong.len(),
        rows(HONEST).len(),
        ways.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
