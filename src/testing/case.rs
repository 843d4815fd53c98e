//! One case of a test: which fault strikes, and which crashes follow, in words that can be read
//! back.
//!
//! `weather 4711` is the weather of a seed.
//! `Sync#3 @57 cut shop+depot lost 1-4,9 names 0 @12 kill` is a sync that fails, the fourth of
//! them; then a power cut at two machines after step 57, which loses five pieces and all names; and
//! while it starts again all processes are killed after step 12.

use super::disk::{Fault, Lost, Strike};
use super::states::{Crash, End};
use std::collections::BTreeSet;
use std::fmt;
use std::str::{FromStr, SplitWhitespace};

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Case {
    /// In the weather of this seed.
    pub(crate) weather: Option<u64>,
    pub(crate) strike: Option<Strike>,
    pub(crate) crashes: Vec<Crash>,
}

impl Case {
    pub(crate) fn struck_by(strike: Strike) -> Self {
        Self { strike: Some(strike), ..Self::default() }
    }

    pub(crate) fn in_weather(seed: u64) -> Self {
        Self { weather: Some(seed), ..Self::default() }
    }

    /// The same, and then this crash.
    pub(crate) fn and(&self, crash: Crash) -> Self {
        let mut case = self.clone();
        case.crashes.push(crash);
        case
    }

    /// A crash is simpler to think about than weather, fewer crashes than many, then none lost than
    /// some, early than late, each of them.
    pub(crate) fn size(&self) -> (bool, usize, bool, usize, usize) {
        let lost = |crash: &Crash| match &crash.end {
            End::Kill => 0,
            End::PowerCut { lost, machines } => machines.len() + lost.size(),
        };
        let steps = self.crashes.iter().map(|crash| crash.after).sum();
        let lost = self.crashes.iter().map(lost).sum();
        (self.weather.is_some(), self.crashes.len(), self.strike.is_some(), lost, steps)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.weather.map(|seed| format!("weather {seed}")));
        if let Some(Strike { fault, call }) = self.strike {
            words.push(format!("{fault:?}#{call}"));
        }
        for Crash { after, end } in &self.crashes {
            words.push(format!("@{after}"));
            let End::PowerCut { machines, lost } = end else {
                words.push("kill".into());
                continue;
            };
            let machines: Vec<&str> = machines.iter().map(|machine| &**machine).collect();
            words.push(format!("cut {}", machines.join("+")));
            if !lost.pieces.is_empty() {
                words.push(format!("lost {}", ranges(&lost.pieces)));
            }
            if lost.names_kept != Lost::ALL_NAMES {
                words.push(format!("names {}", lost.names_kept));
            }
            words.extend(lost.grown.then(|| "grown".into()));
            words.extend(lost.spoilt.map(|piece| format!("spoilt {piece}")));
        }
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut case = Self::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            if let Some((fault, call)) = word.split_once('#') {
                let fault = Fault::named(fault).ok_or(format!("there is no fault {fault}"))?;
                case.strike = Some(Strike { fault, call: number(call)? });
            } else if word == "weather" {
                case.weather = Some(number(next(&mut words)?)?);
            } else if let Some(after) = word.strip_prefix('@') {
                let end = match next(&mut words)? {
                    "kill" => End::Kill,
                    "cut" => {
                        let machines = next(&mut words)?.split('+').map(Into::into).collect();
                        End::PowerCut { machines, lost: Lost::nothing() }
                    }
                    other => return Err(format!("{other:?} is neither kill nor cut")),
                };
                case.crashes.push(Crash { after: number(after)?, end });
            } else {
                let last = case.crashes.last_mut().map(|crash| &mut crash.end);
                let Some(End::PowerCut { lost, .. }) = last else {
                    return Err(format!("{word:?} follows no power cut"));
                };
                match word {
                    "lost" => lost.pieces = pieces(next(&mut words)?)?,
                    "spoilt" => lost.spoilt = Some(number(next(&mut words)?)?),
                    "grown" => lost.grown = true,
                    "names" => lost.names_kept = number(next(&mut words)?)?,
                    _ => return Err(format!("{word:?} means nothing")),
                }
            }
        }
        match (case.weather, case.crashes.is_empty() && case.strike.is_none()) {
            (Some(_), false) => Err("what crashes has no weather".into()),
            (None, _) if case.crashes.is_empty() => Err("it has no crash and no weather".into()),
            _ => Ok(case),
        }
    }
}

fn next<'a>(words: &mut SplitWhitespace<'a>) -> Result<&'a str, String> {
    words.next().ok_or_else(|| "it ends too early".into())
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

fn pieces(word: &str) -> Result<BTreeSet<usize>, String> {
    let mut pieces = BTreeSet::new();
    for range in word.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (number(first)?, number(last)?);
        pieces.extend(first..=last);
    }
    Ok(pieces)
}

/// `1-4,9`
fn ranges(pieces: &BTreeSet<usize>) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &piece in pieces {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == piece => *last = piece,
            _ => ranges.push((piece, piece)),
        }
    }
    let range = |(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() -> Result<(), String> {
        for text in [
            "@0 kill",
            "weather 4711",
            "@7 cut shop lost 2 spoilt 1",
            "@7 cut shop lost 2-4 grown",
            "@57 cut shop",
            "Sync#3 @57 cut depot+shop lost 1-4,9 names 0 @12 kill",
            "Memory#1001 @5 cut shop lost 0,2,4-5",
        ] {
            assert_eq!(text.parse::<Case>()?.to_string(), text);
        }
        Ok(())
    }

    #[test]
    fn what_is_no_case_is_refused() {
        for text in [
            "57",
            "@57",
            "@x kill",
            "@5 melt",
            "lost 1",
            "@5 kill lost 1",
            "Fire#1 @5 kill",
            "",
            "Sync#3",
            "weather 5 @3 kill",
        ] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }
}
