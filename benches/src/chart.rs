//! Line charts as SVG.

use std::fmt;

/// A line chart with a logarithmic x axis. `to_string` renders it as SVG.
///
/// The colors work on a light and on a dark background; for print, each curve has its own dash pattern.
#[derive(Clone, Debug)]
pub struct Chart {
    title: String,
    x: String,
    y: String,
    curves: Vec<(String, Vec<(f64, f64)>)>,
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
            curves: Vec::new(),
        }
    }

    /// Adds a curve through `points`, pairs of x and y. The x values must be above 0 and increase.
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

    /// The exponents of the powers of ten that enclose all x values.
    fn decades(&self) -> (f64, f64) {
        let exponents = self.points().map(|(x, _)| x.log10());
        let (least, most) = exponents.fold((f64::MAX, 0.0_f64), |(least, most), exponent| {
            (least.min(exponent), most.max(exponent))
        });
        let first = least.min(most).floor();
        (first, most.ceil().max(first + 1.0))
    }

    /// The distance of the horizontal grid lines, and the number of lines above 0.
    fn steps(&self) -> (f64, f64) {
        let most = self.points().fold(0.0_f64, |most, (_, y)| most.max(*y));
        let most = if most > 0.0 { most } else { 1.0 };
        let power = 10.0_f64.powf((most / 6.0).log10().floor());
        let mut steps = [1.0, 2.0, 5.0].iter().map(|step| step * power);
        let step = steps.find(|step| most / step <= 6.0);
        let step = step.unwrap_or(10.0 * power);
        (step, (most / step).ceil())
    }

    fn draw_grid(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.decades();
        let mut decade = first;
        while decade <= last {
            let x = LEFT + (RIGHT - LEFT) * (decade - first) / (last - first);
            line(f, "grid", (x, TOP), (x, BOTTOM))?;
            let label = short(10.0_f64.powf(decade));
            text(f, (x, BOTTOM + 18.0), "middle", "", &label)?;
            decade += 1.0;
        }
        let (step, count) = self.steps();
        let mut nth = 0.0;
        while nth <= count {
            let y = BOTTOM - (BOTTOM - TOP) * nth / count;
            let class = if nth == 0.0 { "axis" } else { "grid" };
            line(f, class, (LEFT, y), (RIGHT, y))?;
            text(f, (LEFT - 8.0, y + 4.0), "end", "", &short(nth * step))?;
            nth += 1.0;
        }
        Ok(())
    }

    fn draw_curves(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.decades();
        let (step, count) = self.steps();
        let columns = (1..=KINDS).zip(&self.curves).last();
        let columns = columns.map_or(1.0, |(count, _)| f64::from(count));
        for (nth, (name, points)) in (0..KINDS).cycle().zip(&self.curves) {
            let class = format!("curve c{nth}");
            write!(f, "<polyline class=\"{class}\" points=\"")?;
            for (x, y) in points {
                let x = LEFT + (RIGHT - LEFT) * (x.log10() - first) / (last - first);
                let y = BOTTOM - (BOTTOM - TOP) * y / (step * count);
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
