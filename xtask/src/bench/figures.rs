//! Figures, their goals, the table of them and the line of JSON.

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Shown without a goal.
    Shown,
}

impl Goal {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Shown => true,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "<={limit}"),
            Self::AtLeast(limit) => write!(f, ">={limit}"),
            Self::Shown => f.write_str("shown"),
        }
    }
}

#[derive(Debug, Clone)]
struct Row {
    name: String,
    value: f64,
    goal: Goal,
    /// What the figure was made of, for people.
    note: String,
}

#[derive(Debug)]
pub(crate) struct Report {
    bench: &'static str,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) const fn new(bench: &'static str) -> Self {
        Self { bench, rows: vec![] }
    }

    pub(crate) fn row(&mut self, name: impl Into<String>, value: f64, goal: Goal, note: impl Into<String>) {
        let row = Row { name: name.into(), value, goal, note: note.into() };
        println!("   {} = {:.3} (goal {}) {}", row.name, row.value, row.goal, row.note);
        self.rows.push(row);
    }

    /// The last line of the program's output.
    pub(crate) fn print(&self) {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        println!();
        println!("{:<width$}  {:>12}  {:>8}  met  made of", "figure", "value", "goal");
        for row in &self.rows {
            let met = if row.goal == Goal::Shown {
                ""
            } else if row.goal.is_met_by(row.value) {
                "yes"
            } else {
                "NO"
            };
            println!("{:<width$}  {:>12.3}  {:>8}  {met:<3}  {}", row.name, row.value, row.goal.to_string(), row.note);
        }
        println!("{}", self.json());
    }

    fn json(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(Row::json).collect();
        format!("{{\"bench\":\"{}\",\"rows\":[{}]}}", self.bench, rows.join(","))
    }
}

impl Row {
    fn json(&self) -> String {
        // JSON has no word for what is not a number.
        let value = if self.value.is_finite() { format!("{:.4}", self.value) } else { "null".to_owned() };
        let met = self.value.is_finite() && self.goal.is_met_by(self.value);
        format!("{{\"name\":\"{}\",\"value\":{value},\"goal\":\"{}\",\"met\":{met}}}", self.name, self.goal)
    }
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// The smallest sample that is not below `share` of all; NaN of none.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted: Vec<f64> = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a short list"
    )]
    let at = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let samples = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert!((median(&samples) - 3.0).abs() < 1e-9);
        assert!((quantile(&samples, 0.99) - 5.0).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_line_is_json_and_says_what_was_met() {
        let mut report = Report::new("ssh");
        report.row("setup_vs_jump", 0.61, Goal::AtMost(0.7), "");
        report.row("nothing", f64::NAN, Goal::AtLeast(1.0), "");
        assert_eq!(
            report.json(),
            "{\"bench\":\"ssh\",\"rows\":[{\"name\":\"setup_vs_jump\",\"value\":0.6100,\"goal\":\"<=0.7\",\"met\":true},{\"name\":\"nothing\",\"value\":null,\"goal\":\">=1\",\"met\":false}]}"
        );
    }
}
