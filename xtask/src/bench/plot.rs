//! Plots: bars for operations a second, and lines over a growing size.

mod lines;

use std::fmt::Write as _;

pub(super) use self::lines::{Line, lines};
use super::{
    report::Report,
    subject::{Cell, Kind, meaning},
};

/// In pixels.
const WIDTH: f64 = 900.0;
const NAMES: f64 = 150.0;
const FIGURES: f64 = 80.0;
const BAR: f64 = 18.0;
const TITLE: f64 = 30.0;

/// Draws one group of bars for each cell, each group to its own scale.
pub(super) fn bars(report: &Report<'_>, kind: Kind, cells: &[Cell]) -> String {
    let mut shapes = String::new();
    let mut at = 0.0;
    for cell in cells {
        let rate =
            |subject: &String| report.samples.median(*cell, subject, |sample| Some(sample.rate));
        let bars: Vec<_> =
            report.subjects.iter().filter_map(|subject| Some((subject, rate(subject)?))).collect();
        let longest = bars.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
        let _ = writeln!(
            shapes,
            "<text x='0' y='{:.0}' class='title'>{} in flight, {} B</text>",
            at + TITLE - 10.0,
            cell.in_flight,
            cell.body
        );
        at += TITLE;
        for (subject, rate) in bars {
            let length = (WIDTH - NAMES - FIGURES) * rate / longest;
            let class = if subject.starts_with("ours") { "own" } else { "other" };
            let _ = writeln!(
                shapes,
                "<text x='{:.0}' y='{:.0}' class='name'>{subject}</text>\n\
                 <rect x='{NAMES:.0}' y='{:.0}' width='{length:.1}' height='{:.0}' class='{class}'/>\n\
                 <text x='{:.1}' y='{:.0}'>{rate:.0}</text>",
                NAMES - 8.0,
                at + BAR - 5.0,
                at + 1.0,
                BAR - 3.0,
                NAMES + length + 6.0,
                at + BAR - 5.0,
            );
            at += BAR;
        }
    }
    drawing(at + 10.0, kind.title(), &shapes)
}

/// Returns a drawing of the shapes.
fn drawing(height: f64, label: &str, shapes: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH:.0} {height:.0}' width='{WIDTH:.0}' role='img' aria-label='{}'>\n\
         <style>text {{ font: 12px sans-serif; fill: #222 }} .title {{ font-weight: bold }} .name {{ text-anchor: end }} \
         .middle {{ text-anchor: middle }} .own {{ fill: #c2410c }} .other {{ fill: #94a3b8 }} \
         .grid {{ stroke: #e2e8f0 }} .line {{ stroke: #c2410c; stroke-width: 2; fill: none }}</style>\n\
         <rect width='100%' height='100%' fill='white'/>\n{shapes}</svg>\n",
        escaped(label),
    )
}

/// Returns a page with all plots.
pub(super) fn page(report: &Report<'_>, plots: &[(Kind, String)]) -> String {
    let mut text = "<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n<title>Speed</title>\n\
        <style>body { font: 15px sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; background: white; color: #222 } \
        table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0 } svg { max-width: 100%; height: auto }</style>\n\
        <h1>Speed</h1>\n<table>\n"
        .to_owned();
    for (what, value) in &report.surroundings {
        let _ = writeln!(text, "<tr><td>{what}</td><td>{}</td></tr>", escaped(value));
    }
    text += "</table>\n<p>Operations a second; longer is better. All figures: <a href='figures.md'>figures.md</a>.</p>\n<table>\n";
    for subject in report.subjects {
        let _ = writeln!(text, "<tr><td>{subject}</td><td>{}</td></tr>", escaped(meaning(subject)));
    }
    text += "</table>\n";
    for (kind, svg) in plots {
        let _ = writeln!(text, "<h2>{}</h2>\n{svg}", kind.title());
    }
    text + "</html>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
