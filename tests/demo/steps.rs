//! Telling what is done and how long it takes.

use std::time::Instant;

/// What was done and how long it took.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, f64)>,
    current: Option<(String, Instant)>,
}

impl Steps {
    pub(crate) fn begin(&mut self, title: &str) {
        println!("{:>2}. {title} …", self.done.len() + 1);
        self.current = Some((title.to_owned(), Instant::now()));
    }

    /// Says how far the step is.
    pub(crate) fn progress(&self, far: &str) {
        let seconds = self.current.as_ref().map_or(0.0, |(_, began)| began.elapsed().as_secs_f64());
        println!("    {seconds:7.2} s    {far}");
    }

    pub(crate) fn end(&mut self, result: &str) {
        let (title, began) = self.current.take().expect("a step has begun");
        let seconds = began.elapsed().as_secs_f64();
        println!("    {seconds:7.2} s  {result}");
        self.done.push((title, seconds));
    }

    pub(crate) fn table(&self) {
        println!("\n  seconds  step");
        for (title, seconds) in &self.done {
            println!("  {seconds:7.2}  {}", title.split([':', ';', ',']).next().unwrap_or(title));
        }
        println!("  {:7.2}  in all", self.done.iter().map(|(_, seconds)| seconds).sum::<f64>());
    }
}

pub(crate) fn size(bytes: u64) -> String {
    let mut number = bytes as f64;
    let mut unit = "bytes";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if number < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = larger;
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{number:.1} {unit}") }
}
