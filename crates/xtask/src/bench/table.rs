//! Medians, tables and the JSON beside them.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::machine;
use crate::run::{Result, root};

/// A limit and how near we are.
pub(crate) struct Bar {
    pub(crate) what: String,
    pub(crate) limit: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

/// Rows of text under a heading.
pub(crate) struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: &str, header: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            rows: vec![header.iter().map(ToString::to_string).collect()],
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn print(&self) {
        println!("\n{}", self.title);
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(|column| self.width(column)).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths);
            let padded: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            println!("  {}", padded.join("  ").trim_end());
        }
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

pub(crate) fn print_bars(bars: &[Bar]) {
    let mut table = Table::new("Limits", &["what", "limit", "measured", ""]);
    for bar in bars {
        table.row([
            bar.what.clone(),
            bar.limit.clone(),
            bar.measured.clone(),
            if bar.met { "met" } else { "MISSED" }.to_owned(),
        ]);
    }
    table.print();
}

/// Writes `target/bench/NAME.json`: machine, figures, limits.
pub(crate) fn save(name: &str, figures: &Value, bars: &[Bar]) -> Result<()> {
    let bars: Vec<Value> = bars
        .iter()
        .map(|bar| {
            json!({ "what": bar.what, "limit": bar.limit, "measured": bar.measured, "met": bar.met })
        })
        .collect();
    let all = json!({ "machine": machine::json(), "figures": figures, "limits": bars });
    let path = folder().join(name).with_extension("json");
    let write = || {
        std::fs::create_dir_all(folder())?;
        std::fs::write(&path, format!("{all:#}\n"))
    };
    write().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))
}

/// Where figures go.
pub(crate) fn folder() -> PathBuf {
    root().join("target/bench")
}

/// The middle value; the mean of the two in the middle of an even number.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = |at: usize| sorted.get(at).copied().unwrap_or(f64::NAN);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        middle(half)
    } else {
        f64::midpoint(middle(half.wrapping_sub(1)), middle(half))
    }
}

/// A figure in JSON, without digits nobody measured.
pub(crate) fn number(value: f64) -> Value {
    json!((value * 1e4).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median([]).is_nan());
    }
}
