//! A line chart as SVG: titles with units, a legend, a white ground.

use super::figure;
use std::fmt::Write;

pub struct Chart {
    pub title: &'static str,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
}

#[derive(Clone, Copy)]
pub struct Axis {
    pub title: &'static str,
    /// By powers of ten; else from 0.
    pub logarithmic: bool,
}

pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 95.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 45.0;
const BOTTOM: f64 = 400.0;

/// Apart for people who see no red or no green, too (Okabe and Ito); then the same, dashed.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];

/// A scale from figures to places; `from` and `to` are logarithms where it is logarithmic.
struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
}

/// 1, 2 or 5 times a power of ten.
fn round(decade: i32) -> [f64; 3] {
    [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(decade))
}

impl Scale {
    fn over(values: impl Iterator<Item = f64>, axis: Axis) -> Self {
        let Axis { logarithmic, .. } = axis;
        let values: Vec<f64> = values.filter(|value| !logarithmic || *value > 0.0).collect();
        let most = values.iter().copied().fold(f64::MIN, f64::max).max(1e-9);
        let least = values.iter().copied().fold(f64::MAX, f64::min).min(most);
        if logarithmic {
            let decades = least.log10().floor() as i32..=most.log10().ceil() as i32;
            let rounds: Vec<_> = decades.flat_map(round).collect();
            let from = rounds.iter().copied().rfind(|round| *round <= least * 1.000_001);
            let to = rounds.iter().copied().find(|round| *round >= most * 0.999_999);
            let (from, to) = (from.unwrap_or(least).log10(), to.unwrap_or(most).log10());
            return Self { from, to: to.max(from + 0.3), logarithmic };
        }
        let step = step(most);
        Self { from: 0.0, to: (most / step).ceil() * step, logarithmic }
    }

    /// From 0 to 1; nothing for what has no logarithm.
    fn part(&self, value: f64) -> Option<f64> {
        let value = if self.logarithmic { value.log10() } else { value };
        value.is_finite().then(|| (value - self.from) / (self.to - self.from))
    }

    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let decades = self.from.floor() as i32..=self.to.ceil() as i32;
            let within = |tick: &f64| (self.from - 0.01..self.to + 0.01).contains(&tick.log10());
            // Where there are many decades, those are enough.
            let kept = if self.to - self.from > 3.0 { 1 } else { 3 };
            return decades
                .flat_map(|decade| round(decade)[..kept].to_vec())
                .filter(within)
                .collect();
        }
        let step = step(self.to);
        (0..=(self.to / step).round() as u32).map(|number| step * f64::from(number)).collect()
    }
}

/// 1, 2 or 5 times a power of ten, for about five ticks.
fn step(most: f64) -> f64 {
    let rough = most / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough);
    step.unwrap_or(10.0) * power
}

pub fn render(chart: &Chart) -> String {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let x = Scale::over(points().map(|point| point.0), chart.x);
    let y = Scale::over(points().map(|point| point.1), chart.y);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\" \
         fill=\"#222222\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    let middle = f64::midpoint(LEFT, RIGHT);
    text(&mut svg, (middle, 26.0), "middle", "font-size=\"16\"", chart.title);
    axes(&mut svg, chart, &x, &y);
    for (number, line) in chart.lines.iter().enumerate() {
        draw(&mut svg, line, number, &x, &y);
    }
    svg + "</svg>\n"
}

fn axes(svg: &mut String, chart: &Chart, x: &Scale, y: &Scale) {
    for tick in x.ticks() {
        let at = LEFT + x.part(tick).unwrap_or(0.0) * (RIGHT - LEFT);
        rule(svg, (at, TOP), (at, BOTTOM));
        text(svg, (at, BOTTOM + 18.0), "middle", "", &label(tick));
    }
    for tick in y.ticks() {
        let at = BOTTOM - y.part(tick).unwrap_or(0.0) * (BOTTOM - TOP);
        rule(svg, (LEFT, at), (RIGHT, at));
        text(svg, (LEFT - 8.0, at + 4.0), "end", "", &label(tick));
    }
    text(svg, (f64::midpoint(LEFT, RIGHT), BOTTOM + 42.0), "middle", "", chart.x.title);
    let (left, middle) = (20.0, f64::midpoint(TOP, BOTTOM));
    let turned = format!("transform=\"rotate(-90 {left} {middle})\"");
    text(svg, (left, middle), "middle", &turned, chart.y.title);
}

/// Whole thousands and millions are short.
fn label(value: f64) -> String {
    match value {
        1e6.. => format!("{}M", figure(value / 1e6).trim_end_matches(".00").trim_end_matches(".0")),
        1e3.. => format!("{}k", (value / 1e3).round()),
        _ if (value - value.round()).abs() < 1e-9 => format!("{}", value.round()),
        _ => figure(value),
    }
}

fn draw(svg: &mut String, line: &Line, number: usize, x: &Scale, y: &Scale) {
    let colour = COLOURS[number % COLOURS.len()];
    let dash = if number < COLOURS.len() { "" } else { " stroke-dasharray=\"6 4\"" };
    let place = |point: &(f64, f64)| {
        let (x, y) = (x.part(point.0)?, y.part(point.1)?);
        Some((LEFT + x * (RIGHT - LEFT), BOTTOM - y * (BOTTOM - TOP)))
    };
    let places: Vec<_> = line.points.iter().filter_map(place).collect();
    let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let stroke = format!("stroke=\"{colour}\" stroke-width=\"2\"{dash}");
    let _ = writeln!(svg, "<polyline fill=\"none\" {stroke} points=\"{}\"/>", path.join(" "));
    if places.len() <= 12 {
        for (x, y) in places {
            let _ =
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
    let at = TOP + 10.0 + 20.0 * number as f64;
    let (from, to) = (RIGHT + 15.0, RIGHT + 40.0);
    let _ = writeln!(svg, "<path d=\"M{from} {at}H{to}\" {stroke}/>");
    text(svg, (to + 8.0, at + 4.0), "start", "", &line.name);
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let (x, y) = from;
    let _ =
        writeln!(svg, "<path d=\"M{x:.1} {y:.1}L{:.1} {:.1}\" stroke=\"#dddddd\"/>", to.0, to.1);
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{text}</text>"
    );
}
