//! Line charts as SVG.

use std::fmt;

/// A line chart, with a logarithmic x axis unless [`Chart::linear`] is called. `to_string` renders it as SVG.
///
/// The colors work on a light and on a dark background; for print, each curve has its own dash pattern.
#[derive(Clone, Debug)]
pub struct Chart {
    title: String,
    x: String,
    y: String,
    is_linear: bool,
    curves: Vec<(String, Vec<(f64, f64)>)>,
}

/// An axis with a grid.
#[derive(Clone, Copy, Debug)]
enum Axis {
    /// From 0.
    Linear { step: f64, end: f64 },
    /// Between two powers of ten, by their exponents.
    Logarithmic { first: f64, end: f64 },
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = HEIGHT - 56.0;

/// The number of curve styles. A fifth curve has the style of the first.
const KINDS: u32 = 4;

const STYLE: &str = "\
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.ground { fill: #ffffff } .grid { stroke: #d1d9e0 } .axis { stroke: #59636e }
.curve { fill: none; stroke-width: 2 }
.c0 { stroke: #0969da } .c1 { stroke: #bc4c00 } .c2 { stroke: #1a7f37 } .c3 { stroke: #8250df }
.c1 { stroke-dasharray: 8 3 } .c2 { stroke-dasharray: 3 3 } .c3 { stroke-dasharray: 10 3 2 3 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .ground { fill: #0d1117 } .grid { stroke: #30363d } .axis { stroke: #9198a1 }
.c0 { stroke: #4493f8 } .c1 { stroke: #f0883e } .c2 { stroke: #3fb950 } .c3 { stroke: #ab7df8 }
}
</style>
";

// === impl Chart ===

impl Chart {
    /// Creates an empty chart with a title and the labels of both axes.
    pub fn new(title: impl Into<String>, x: impl Into<String>, y: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            x: x.into(),
            y: y.into(),
            is_linear: false,
            curves: Vec::new(),
        }
    }

    /// Makes the x axis linear.
    pub fn linear(mut self) -> Self {
        self.is_linear = true;
        self
    }

    /// Adds a curve through `points`, pairs of x and y. The x values must increase; on a logarithmic axis they
    /// must be above 0.
    pub fn add(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        self.curves
            .push((name.into(), points.into_iter().collect()));
        self
    }

    fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.curves.iter().flat_map(|(_, points)| points)
    }

    fn x_axis(&self) -> Axis {
        let values = self.points().map(|(x, _)| *x);
        if self.is_linear {
            Axis::linear(values.fold(0.0, f64::max))
        } else {
            Axis::logarithmic(values)
        }
    }

    fn y_axis(&self) -> Axis {
        let most = self.points().fold(0.0_f64, |most, (_, y)| most.max(*y));
        Axis::linear(most).whole_steps()
    }

    fn draw_grid(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (part, label) in self.x_axis().ticks() {
            let x = LEFT + (RIGHT - LEFT) * part;
            line(f, "grid", (x, TOP), (x, BOTTOM))?;
            text(f, (x, BOTTOM + 18.0), "middle", "", &label)?;
        }
        for (part, label) in self.y_axis().ticks() {
            let y = BOTTOM - (BOTTOM - TOP) * part;
            let class = if part == 0.0 { "axis" } else { "grid" };
            line(f, class, (LEFT, y), (RIGHT, y))?;
            text(f, (LEFT - 8.0, y + 4.0), "end", "", &label)?;
        }
        Ok(())
    }

    fn draw_curves(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (x_axis, y_axis) = (self.x_axis(), self.y_axis());
        let columns = (1..=KINDS).zip(&self.curves).last();
        let columns = columns.map_or(1.0, |(count, _)| f64::from(count));
        for (nth, (name, points)) in (0..KINDS).cycle().zip(&self.curves) {
            let class = format!("curve c{nth}");
            write!(f, "<polyline class=\"{class}\" points=\"")?;
            for (x, y) in points {
                let x = LEFT + (RIGHT - LEFT) * x_axis.part(*x);
                let y = BOTTOM - (BOTTOM - TOP) * y_axis.part(*y);
                write!(f, "{x:.1},{y:.1} ")?;
            }
            writeln!(f, "\"/>")?;
            let x = LEFT + (RIGHT - LEFT) * f64::from(nth) / columns;
            line(f, &class, (x, 52.0), (x + 26.0, 52.0))?;
            text(f, (x + 32.0, 56.0), "start", "", name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">"
        )?;
        writeln!(f, "<title>{}</title>", escaped(&self.title))?;
        f.write_str(STYLE)?;
        let ground = format!("width=\"{WIDTH}\" height=\"{HEIGHT}\"");
        writeln!(f, "<rect class=\"ground\" {ground}/>")?;
        text(f, (LEFT, 26.0), "start", "title", &self.title)?;
        self.draw_grid(f)?;
        self.draw_curves(f)?;
        let middle = f64::midpoint(LEFT, RIGHT);
        text(f, (middle, HEIGHT - 14.0), "middle", "", &self.x)?;
        let (x, y) = (18.0, f64::midpoint(TOP, BOTTOM));
        writeln!(f, "<g transform=\"translate({x} {y}) rotate(-90)\">")?;
        text(f, (0.0, 0.0), "middle", "", &self.y)?;
        writeln!(f, "</g>\n</svg>")
    }
}

// === impl Axis ===

impl Axis {
    /// An axis from 0 to `most`, in at most six steps of 1, 2 or 5 times a power of ten.
    fn linear(most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let power = 10.0_f64.powf((most / 6.0).log10().floor());
        let mut steps = [1.0, 2.0, 5.0].iter().map(|step| step * power);
        let step = steps.find(|step| most / step <= 6.0);
        let step = step.unwrap_or(10.0 * power);
        Self::Linear { step, end: most }
    }

    /// Extends a linear axis to the end of its last step.
    fn whole_steps(self) -> Self {
        match self {
            Self::Linear { step, end } => Self::Linear {
                step,
                end: step * (end / step).ceil(),
            },
            logarithmic @ Self::Logarithmic { .. } => logarithmic,
        }
    }

    fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let exponents = values.map(f64::log10);
        let (least, most) = exponents.fold((f64::MAX, 0.0_f64), |(least, most), exponent| {
            (least.min(exponent), most.max(exponent))
        });
        let first = least.min(most).floor();
        let end = most.ceil().max(first + 1.0);
        Self::Logarithmic { first, end }
    }

    /// The position of a value, from 0 at the start of the axis to 1 at its end.
    fn part(self, value: f64) -> f64 {
        match self {
            Self::Linear { end, .. } => value / end,
            Self::Logarithmic { first, end } => (value.log10() - first) / (end - first),
        }
    }

    /// The positions and labels of the grid lines.
    fn ticks(self) -> Vec<(f64, String)> {
        let (mut nth, count) = match self {
            Self::Linear { step, end } => (0.0, end / step),
            Self::Logarithmic { first, end } => (first, end),
        };
        let mut ticks = Vec::new();
        while nth <= count {
            let value = match self {
                Self::Linear { step, .. } => nth * step,
                Self::Logarithmic { .. } => 10.0_f64.powf(nth),
            };
            ticks.push((self.part(value), short(value)));
            nth += 1.0;
        }
        ticks
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    class: &str,
    (x1, y1): (f64, f64),
    (x2, y2): (f64, f64),
) -> fmt::Result {
    writeln!(
        f,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    )
}

fn text(
    f: &mut fmt::Formatter<'_>,
    (x, y): (f64, f64),
    anchor: &str,
    class: &str,
    label: &str,
) -> fmt::Result {
    let label = escaped(label);
    writeln!(
        f,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{label}</text>"
    )
}

fn escaped(label: &str) -> String {
    let label = label.replace('&', "&amp;").replace('<', "&lt;");
    label.replace('>', "&gt;")
}

/// The axis label of a number, such as `1k` for 1,000.
fn short(figure: f64) -> String {
    let (figure, unit) = match figure {
        1e6.. => (figure / 1e6, "M"),
        1e3.. => (figure / 1e3, "k"),
        _ => (figure, ""),
    };
    // Sums of steps carry rounding errors.
    let rounded = (figure * 1e3).round() / 1e3;
    format!("{rounded}{unit}")
}
