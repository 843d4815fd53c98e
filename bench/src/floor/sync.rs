//! A lone sync: what the disk takes to keep a page.

use crate::Outcome;
use crate::common::{now, sleep};
use crate::measure::Work;
use crate::reading::Reading;
use std::io::Write;
use std::time::Duration;

pub fn run(work: &Work) -> Outcome<Reading> {
    let mut file = std::fs::File::create(work.directory.join("page"))?;
    let page = crate::common::payload(4096);
    let (began, mut times) = (now(), Vec::new());
    for _ in 0..work.count {
        let one = now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(one.elapsed());
        sleep(Duration::from_millis(work.pause));
    }
    let mut reading = Reading::of("floor");
    (reading.count, reading.seconds) = (work.count, began.elapsed().as_secs_f64());
    reading.latencies(times);
    Ok(reading)
}
