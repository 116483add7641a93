//! Counts of the outcomes of a family of targets.

use std::fmt;

use super::{
    outcome::{By, Outcome},
    routes::{ColumnRoutes, Route},
    vectors::Family,
};

/// Counts of the outcomes of one family.
#[derive(Debug, Default)]
pub(super) struct Figures {
    sent: usize,
    /// Targets that reach a denied path in Tomcat without a server in front.
    pub(super) denied: usize,
    /// Targets that still reach it behind nginx.
    past_nginx: usize,
    /// Targets that still reach it behind guard, with or without nginx.
    pub(super) past_guard: usize,
    /// Targets that still reach it behind nginx and a guard that has no rules but the kind of the
    /// upstream server.
    past_kind_and_nginx: usize,
    /// Targets that guard refuses although Tomcat maps them to another path.
    refused_too: usize,
    /// Outcomes that must not occur.
    pub(super) wrong: Vec<String>,
}

impl Figures {
    /// The columns of [`Self::row`].
    pub(super) const COLUMNS: [&str; 7] = [
        "targets",
        "sent",
        "reach what is denied",
        "past nginx",
        "past guard",
        "past `behind` and nginx",
        "others that guard refuses",
    ];

    /// Sends each target on every route past the rules of a column.
    pub(super) async fn measure(
        family: &Family,
        alone: &Route,
        column_routes: &ColumnRoutes,
    ) -> Self {
        let column = column_routes.column;
        let mut figures = Self::default();
        for target in &family.vectors {
            let tomcat = alone.request(target).await;
            let nginx = column_routes.nginx.request(target).await;
            let (mut is_past, mut is_refused) = (false, false);
            for route in column_routes.guarded() {
                let outcome = route.request(target).await;
                let is_wrong = outcome.is_denied(column) && !column.lets_pass(target);
                if is_wrong || outcome.is_other_target(&tomcat) {
                    let wrong = format!("{}, {target}: {outcome:?}, alone {tomcat:?}", route.name);
                    figures.wrong.push(wrong);
                }
                is_past |= outcome.is_denied(column);
                let by = outcome.refusal().map(|(by, _)| by);
                is_refused |= matches!(by, Some(By::Guard | By::Hyper));
            }
            let behind_kind = column_routes.kind_before_nginx.request(target).await;
            let is_other = matches!(tomcat, Outcome::Reached(_)) && !tomcat.is_denied(column);
            figures.sent += 1;
            figures.denied += usize::from(tomcat.is_denied(column));
            figures.past_nginx += usize::from(nginx.is_denied(column));
            figures.past_guard += usize::from(is_past);
            figures.past_kind_and_nginx += usize::from(behind_kind.is_denied(column));
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
            self.past_kind_and_nginx,
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
            past_kind_and_nginx,
            refused_too,
            ..
        } = self;
        write!(f, "{denied} of {sent} reach what is denied; ")?;
        write!(f, "nginx passes {past_nginx}, guard {past_guard}, ")?;
        write!(f, "`behind` and nginx {past_kind_and_nginx}; ")?;
        write!(f, "guard refuses {refused_too} that reach something else")
    }
}
