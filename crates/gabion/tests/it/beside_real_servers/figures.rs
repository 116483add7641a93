//! How many of a family of targets got where.

use std::fmt;

use super::{
    fate::{By, Fate},
    vectors::Family,
    ways::{Way, Ways},
};

/// How many of a family got where.
#[derive(Debug, Default)]
pub(super) struct Figures {
    sent: usize,
    /// Those that reach what the rules deny, if nobody stands before Tomcat.
    pub(super) denied: usize,
    /// Those that still reach it past nginx.
    past_nginx: usize,
    /// Those that still reach it past guard, with or without nginx.
    pub(super) past_guard: usize,
    /// Those that still reach it past nginx behind a guard without rules that is told what it guards.
    past_told: usize,
    /// Those that guard refuses although they would reach something else.
    refused_too: usize,
    /// What must not be.
    pub(super) wrong: Vec<String>,
}

impl Figures {
    /// What [`Self::row`] gives.
    pub(super) const COLUMNS: [&str; 7] = [
        "targets",
        "sent",
        "reach what is denied",
        "past nginx",
        "past guard",
        "past `behind` and nginx",
        "others that guard refuses",
    ];

    /// Sends each target on every way past a column's rules.
    pub(super) async fn of(family: &Family, alone: &Way, ways: &Ways) -> Self {
        let column = ways.column;
        let mut figures = Self::default();
        for target in &family.vectors {
            let tomcat = alone.ask(target).await;
            let nginx = ways.nginx.ask(target).await;
            let (mut is_past, mut is_refused) = (false, false);
            for way in ways.guarded() {
                let fate = way.ask(target).await;
                let is_wrong = fate.is_denied(column) && !column.lets_pass(target);
                if is_wrong || fate.is_other_target(&tomcat) {
                    let wrong = format!("{}, {target}: {fate:?}, alone {tomcat:?}", way.name);
                    figures.wrong.push(wrong);
                }
                is_past |= fate.is_denied(column);
                let by = fate.refusal().map(|(by, _)| by);
                is_refused |= matches!(by, Some(By::Guard | By::Hyper));
            }
            let told = ways.told_before_nginx.ask(target).await;
            let is_other = matches!(tomcat, Fate::Reached(_)) && !tomcat.is_denied(column);
            figures.sent += 1;
            figures.denied += usize::from(tomcat.is_denied(column));
            figures.past_nginx += usize::from(nginx.is_denied(column));
            figures.past_guard += usize::from(is_past);
            figures.past_told += usize::from(told.is_denied(column));
            figures.refused_too += usize::from(is_other && is_refused);
        }
        figures
    }

    /// A row of the guide's table.
    pub(super) fn row(&self, name: &str) -> Vec<String> {
        let counts = [
            self.sent,
            self.denied,
            self.past_nginx,
            self.past_guard,
            self.past_told,
            self.refused_too,
        ];
        let counts = counts.iter().map(ToString::to_string);
        [name.to_owned()].into_iter().chain(counts).collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            denied,
            past_nginx,
            past_guard,
            past_told,
            refused_too,
            ..
        } = self;
        write!(f, "{denied} of {sent} reach what is denied; ")?;
        write!(f, "nginx passes {past_nginx}, guard {past_guard}, ")?;
        write!(f, "`behind` and nginx {past_told}; ")?;
        write!(f, "guard refuses {refused_too} that reach something else")
    }
}
