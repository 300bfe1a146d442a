//! The table and the picture.

use std::{fmt::Write, io::BufRead, path::Path};

use anyhow::{Context, ensure};

use crate::{Row, data};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 210.0;
const EDGE: f64 = 40.0;

/// A number of each row, and how it is called.
type Curve = (&'static str, &'static str, fn(&Row) -> f64);

const CURVES: [Curve; 6] = [
    ("converged from cold", "#8250df", |row| row.converged_s),
    ("messages a second at rest", "#0969da", |row| row.messages_a_second),
    ("bytes a second at rest", "#1a7f37", |row| row.bytes_a_second),
    ("Central's CPU at rest", "#cf222e", |row| row.central_cpu),
    ("Central's memory", "#bf8700", |row| row.central_mib),
    ("newcomer known by all", "#57606a", |row| row.newcomer_ms),
];

/// Reads rows from standard input, prints them as a table and draws their growth.
pub(crate) fn draw(svg: &Path) -> anyhow::Result<()> {
    let mut rows = Vec::<Row>::new();
    for line in std::io::stdin().lock().lines() {
        rows.push(serde_json::from_str(&line?).context("a line of `many-maps run`")?);
    }
    rows.sort_by_key(|row| row.maps);
    ensure!(rows.len() >= 2, "at least two numbers of Map Servers are needed");
    table(&rows);
    std::fs::write(svg, picture(&rows)).with_context(|| format!("{}", svg.display()))?;
    Ok(())
}

fn table(rows: &[Row]) {
    data(
        "| Map Servers | converged s | messages/s | KiB/s | Central CPU % | Central MiB | newcomer known by all ms | µs a peer |",
    );
    data("|--:|--:|--:|--:|--:|--:|--:|--:|");
    for row in rows {
        data(&format!(
            "| {} | {:.1} | {:.0} | {:.0} | {:.1} | {:.0} | {:.1} | {:.1} |",
            row.maps,
            row.converged_s,
            row.messages_a_second,
            row.bytes_a_second / 1024.0,
            row.central_cpu,
            row.central_mib,
            row.newcomer_ms,
            row.newcomer_ms * 1000.0 / f64::from(row.maps),
        ));
    }
}

/// How many times the first row's each number is, on two logarithmic axes; a straight line at 45°
/// is linear growth.
fn picture(rows: &[Row]) -> String {
    let first = rows.first();
    let most = rows
        .last()
        .zip(first)
        .map_or(10.0, |(last, first)| f64::from(last.maps) / f64::from(first.maps));
    let top =
        CURVES.iter().flat_map(|(_, _, of)| rows.iter().map(move |row| grown(first, row, *of)));
    let top = top.fold(most, f64::max) * 1.2;
    let bottom = 0.5_f64;
    let x = |times: f64| LEFT + times.ln() / most.ln() * (WIDTH - LEFT - RIGHT);
    let y = |times: f64| {
        let share = (times.max(bottom) / bottom).ln() / (top / bottom).ln();
        HEIGHT - EDGE - share * (HEIGHT - 2.0 * EDGE)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\">growth with the number of Map Servers; dashed: linear</text>\n"
    );
    let (x0, x1) = (x(1.0), x(most));
    // Writing into a String cannot fail.
    let _ = writeln!(
        svg,
        "<line x1=\"{x0:.1}\" y1=\"{:.1}\" x2=\"{x1:.1}\" y2=\"{:.1}\" stroke=\"#999\" \
         stroke-dasharray=\"4 4\"/>",
        y(1.0),
        y(most)
    );
    for times in [1.0, 10.0, 100.0, 1000.0, 10_000.0_f64] {
        if times <= top {
            let at = y(times);
            let _ = writeln!(
                svg,
                "<line x1=\"{x0:.1}\" y1=\"{at:.1}\" x2=\"{x1:.1}\" y2=\"{at:.1}\" \
                 stroke=\"#ddd\"/><text x=\"10\" y=\"{:.1}\">×{times}</text>",
                at + 4.0
            );
        }
    }
    for row in rows {
        let at = x(grown(first, row, |row| f64::from(row.maps)));
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 15.0,
            row.maps
        );
    }
    for (place, (name, color, of)) in CURVES.iter().enumerate() {
        let points: Vec<String> = rows
            .iter()
            .map(|row| {
                let at = x(grown(first, row, |row| f64::from(row.maps)));
                format!("{at:.1},{:.1}", y(grown(first, row, *of)))
            })
            .collect();
        let legend = 60.0 + 22.0 * place as f64;
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{legend:.1}\" fill=\"{color}\">{name}</text>",
            points.join(" "),
            WIDTH - RIGHT + 20.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn grown(first: Option<&Row>, row: &Row, of: fn(&Row) -> f64) -> f64 {
    let base = first.map_or(1.0, of);
    if base > 0.0 { of(row) / base } else { 1.0 }
}
