//! A line on stderr for each measurement.

use crate::common::now;
use crate::plan::{Group, Scale, Side};
use crate::reading::Reading;
use std::time::Instant;

pub struct Progress {
    began: Instant,
    /// Seconds that all of it may take.
    most: f64,
    number: usize,
    total: usize,
    /// Seconds, by the plan: how far it came, and of how many.
    done: f64,
    planned: f64,
}

impl Progress {
    pub fn over(groups: &[Group], scale: Scale) -> Self {
        let sum = |group: &Group| group.sides.iter().map(|side| side.about).sum::<f64>();
        Self {
            began: now(),
            // The rest is for instructions to be counted.
            most: scale.pick(38.0, 4.5) * 60.0,
            number: 0,
            total: groups.iter().map(|group| group.sides.len() * group.runs).sum(),
            done: 0.0,
            planned: groups.iter().map(|group| sum(group) * group.runs as f64).sum(),
        }
    }

    /// A run ends within its time, whatever hangs.
    pub fn is_late(&self) -> bool {
        self.began.elapsed().as_secs_f64() > self.most
    }

    pub fn done(&mut self, group: &str, side: &Side, round: usize, reading: &Reading) {
        self.number += 1;
        self.done += side.about;
        let elapsed = self.began.elapsed().as_secs_f64();
        let estimated = elapsed * self.planned / self.done;
        let Self { number, total, .. } = self;
        let said = match (&reading.cannot, reading.latency_us) {
            (Some(why), _) => why.clone(),
            (None, Some(latency)) => {
                format!("p50 {:.0} us, p99 {:.0} us", latency.p50, latency.p99)
            }
            (None, None) => format!("{:.0}/s", reading.rate()),
        };
        let (name, round) = (&side.name, round + 1);
        let time = format!("{} of ~{}", minutes(elapsed), minutes(estimated));
        eprintln!("[{number:3}/{total}] {time}  {group}: {name}, run {round}: {said}");
    }
}

fn minutes(seconds: f64) -> String {
    let seconds = seconds as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
