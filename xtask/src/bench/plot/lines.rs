//! Lines over a growing size, on axes whose steps are powers of ten.

use std::fmt::Write as _;

use super::{TITLE, WIDTH, drawing, escaped};

/// One figure for each size.
pub(in super::super) struct Line<'a> {
    pub(in super::super) name: &'a str,
    /// Size and figure.
    pub(in super::super) points: Vec<(f64, f64)>,
}

/// Two lines stand side by side.
const PANEL: f64 = WIDTH / 2.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 46.0;

/// Draws each line to its own scale, over the same sizes.
pub(in super::super) fn lines(title: &str, by: &str, lines: &[Line<'_>]) -> String {
    let mut shapes = String::new();
    let sizes = lines.iter().flat_map(|line| line.points.iter().map(|(size, _)| *size));
    let across = Axis::over(sizes, LEFT, PANEL - RIGHT);
    let mut rows = 0.0;
    for (at, line) in lines.iter().enumerate() {
        let (column, top) = (at % 2, rows * (HEIGHT + TITLE + BOTTOM));
        let left = if column == 0 { 0.0 } else { PANEL };
        let _ = writeln!(shapes, "<g transform='translate({left:.0} {top:.0})'>");
        panel(&mut shapes, line, by, &across);
        shapes += "</g>\n";
        if column == 1 || at + 1 == lines.len() {
            rows += 1.0;
        }
    }
    drawing(rows * (HEIGHT + TITLE + BOTTOM), title, &shapes)
}

fn panel(shapes: &mut String, line: &Line<'_>, by: &str, across: &Axis) {
    let figures = line.points.iter().map(|(_, figure)| *figure);
    let up = Axis::over(figures, TITLE + HEIGHT, TITLE);
    let (name, by, bottom) = (escaped(line.name), escaped(by), TITLE + HEIGHT);
    let _ = writeln!(shapes, "<text x='{LEFT}' y='18' class='title'>{name}</text>");
    for (figure, y) in up.steps() {
        let _ = writeln!(
            shapes,
            "<path d='M{LEFT} {y:.1}H{:.0}' class='grid'/><text x='{:.0}' y='{:.1}' class='name'>{}</text>",
            PANEL - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            short(figure)
        );
    }
    for (size, x) in across.steps() {
        let _ = writeln!(
            shapes,
            "<path d='M{x:.1} {TITLE}V{bottom}' class='grid'/><text x='{x:.1}' y='{:.0}' class='middle'>{}</text>",
            bottom + 16.0,
            short(size)
        );
    }
    let middle = f64::midpoint(LEFT, PANEL - RIGHT);
    let _ = writeln!(
        shapes,
        "<text x='{middle:.0}' y='{:.0}' class='middle'>{by}</text>",
        bottom + 34.0
    );
    let mut path = String::new();
    for (size, figure) in line.points.iter().filter(|(size, figure)| *size > 0.0 && *figure > 0.0) {
        let (x, y) = (across.place(*size), up.place(*figure));
        let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' });
        let _ = writeln!(shapes, "<circle cx='{x:.1}' cy='{y:.1}' r='3' class='own'/>");
    }
    let _ = writeln!(shapes, "<path d='{path}' class='line'/>");
}

/// An axis from one power of ten to another.
struct Axis {
    low: f64,
    high: f64,
    begin: f64,
    end: f64,
}

impl Axis {
    /// Returns an axis with room for all figures above zero. The logarithmic scale has no place for
    /// others.
    fn over(figures: impl Iterator<Item = f64>, begin: f64, end: f64) -> Self {
        let powers = figures.filter(|figure| *figure > 0.0).map(f64::log10);
        let (low, high) = powers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), power| {
            (low.min(power.floor()), high.max(power.ceil()))
        });
        match low.is_finite() {
            true => Self { low, high: high.max(low + 1.0), begin, end },
            false => Self { low: 0.0, high: 1.0, begin, end },
        }
    }

    fn place(&self, figure: f64) -> f64 {
        let share = (figure.log10() - self.low) / (self.high - self.low);
        self.begin + share * (self.end - self.begin)
    }

    /// Returns the powers of ten, and their places.
    fn steps(&self) -> impl Iterator<Item = (f64, f64)> {
        let powers = std::iter::successors(Some(self.low), |power| Some(power + 1.0));
        let powers = powers.take_while(|power| *power <= self.high);
        powers.map(|power| 10_f64.powf(power)).map(|figure| (figure, self.place(figure)))
    }
}

/// Returns a figure in a form that fits an axis.
fn short(figure: f64) -> String {
    match figure {
        1e6.. => format!("{:.0} M", figure / 1e6),
        1e3.. => format!("{:.0} k", figure / 1e3),
        1.0.. => format!("{figure:.0}"),
        _ => format!("{figure}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Line, lines, short};

    #[test]
    fn ten_times_as_much_is_as_far_everywhere() {
        let axis = Axis::over([3.0, 250.0, 40_000.0].into_iter(), 100.0, 600.0);
        let places = [1.0, 10.0, 100.0, 1e5].map(|figure| axis.place(figure).round());
        assert_eq!(places, [100.0, 200.0, 300.0, 600.0]);
        let steps: Vec<_> = axis.steps().map(|(figure, _)| short(figure)).collect();
        assert_eq!(steps, ["1", "10", "100", "1 k", "10 k", "100 k"]);
    }

    #[test]
    fn an_axis_of_nothing_or_of_one_figure_has_a_length() {
        for figures in [vec![], vec![0.0], vec![10.0]] {
            let axis = Axis::over(figures.into_iter(), 0.0, 100.0);
            assert!(axis.high > axis.low);
        }
    }

    #[test]
    fn each_figure_is_a_dot_on_a_line_and_what_is_not_above_zero_is_none() {
        let points = vec![(1.0, 100.0), (10.0, 1000.0), (100.0, 0.0)];
        let svg = lines("Speed & size", "servers", &[Line { name: "calls/s", points }]);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("class='line'").count(), 1);
        assert!(svg.contains("aria-label='Speed &amp; size'"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
