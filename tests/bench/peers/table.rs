//! Figures, and whether they are what they should be.

use std::process::ExitCode;

/// A table of figures, printed as they come.
pub(crate) struct Table {
    missed: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: &str) -> Self {
        println!("{title}\n");
        Self { missed: Vec::new() }
    }

    pub(crate) fn figure(&mut self, what: &str, figure: f64, unit: &str) {
        println!("{what:44} {figure:10.2} {unit}");
    }

    pub(crate) fn at_least(&mut self, what: &str, figure: f64, target: f64) {
        self.judge(what, figure, &format!("≥ {target:.2}"), figure >= target);
    }

    pub(crate) fn at_most(&mut self, what: &str, figure: f64, target: f64) {
        self.judge(what, figure, &format!("≤ {target:.2}"), figure <= target);
    }

    fn judge(&mut self, what: &str, figure: f64, target: &str, is_met: bool) {
        println!("{what:44} {figure:10.2}        {target:>8}  {}", if is_met { "pass" } else { "MISSED" });
        if !is_met {
            self.missed.push(what.trim().to_owned());
        }
    }

    /// How the whole ends.
    pub(crate) fn print(self) -> ExitCode {
        if self.missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
