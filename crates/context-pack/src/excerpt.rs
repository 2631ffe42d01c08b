//! Which parts of a file are worth their tokens: chunks of lines, each with a rate and a price.
//!
//! Lines near one that was written lately are rated high, the rest of the file low. A file whose
//! chunks are all taken is shown whole; else the missing lines are counted where they are missing.

use std::ops::Range;

use crate::git::hot;
use crate::lines;
use crate::value::Excerpts;

/// Consecutive lines of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunk {
    /// Which lines, counted from 0.
    pub(crate) lines: Range<usize>,
    /// How likely one of them is to be edited, when the file is.
    pub(crate) rate: f64,
    /// Whether one of them moved lately.
    pub(crate) hot: bool,
    /// Their bytes.
    pub(crate) n_bytes: usize,
}

/// The most lines of a chunk.
const LONGEST: usize = 24;

/// Divides a text into chunks; `hot` has the hashes of lines that moved and the age of each.
pub(crate) fn chunks(text: &str, hot: Option<&hot::Lines>, weights: &Excerpts) -> Vec<Chunk> {
    let lines: Vec<(&str, usize)> =
        lines::lines(text).map(|line| (lines::trim(line), line.len())).collect();
    // A blank line is never what is edited; imports and versions at the head are more often than most.
    let mut rates: Vec<f64> = lines
        .iter()
        .enumerate()
        .map(|(index, (line, _))| match line.len() {
            0 | 1 => 0.0,
            _ if index < weights.head_lines => weights.head,
            _ => weights.cold,
        })
        .collect();
    let mut is_near = vec![false; lines.len()];
    if let Some(hot) = hot {
        for (index, (line, _)) in lines.iter().enumerate() {
            let Some(age) = hot.get(&hot::hash(line)) else { continue };
            let rate = weights.rate(*age);
            let from = index.saturating_sub(weights.reach);
            let to = (from + 2 * weights.reach + 1).min(lines.len());
            for near in &mut rates[from..to] {
                *near = near.max(rate);
            }
            is_near[from..to].fill(true);
        }
    }
    let mut chunks: Vec<Chunk> = Vec::new();
    for (index, ((line, n_bytes), rate)) in lines.iter().zip(rates).enumerate() {
        let is_blank = line.len() < 2;
        let is_hot = is_near[index];
        match chunks.last_mut() {
            // Blank lines go with what stands before them.
            Some(last) if is_blank || last.lines.len() < LONGEST && last.hot == is_hot => {
                last.lines.end = index + 1;
                last.rate += rate;
                last.n_bytes += n_bytes + 1;
            }
            _ => chunks.push(Chunk {
                lines: index..index + 1,
                rate,
                hot: is_hot,
                n_bytes: n_bytes + 1,
            }),
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_near_a_hot_one_make_a_chunk_of_their_own() {
        let text: String =
            (0..80).map(|index| format!("line {index}")).collect::<Vec<_>>().join("\n");
        let hot = hot::Lines::from_iter([(hot::hash("line 60"), 0)]);
        let chunks = chunks(&text, Some(&hot), &crate::value::EXCERPTS);
        let hottest = chunks.iter().max_by(|left, right| left.rate.total_cmp(&right.rate)).unwrap();
        assert!(hottest.lines.contains(&60));
        assert!(hottest.lines.len() < 16);
        assert_eq!(chunks.iter().map(|chunk| chunk.lines.len()).sum::<usize>(), 80);
    }
}
