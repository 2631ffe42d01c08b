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
    /// About their bytes, as far as those cost tokens.
    pub(crate) n_bytes: usize,
}

/// The most lines of a chunk: small enough that the lines that nobody will edit can be left out.
const LONGEST: usize = 8;

/// A token of text has about this many bytes, rather too few. The end of a line is a token, and so is
/// what a line is indented by, however much that is.
pub(crate) const TOKEN_BYTES: usize = 3;

/// The bytes of a line as far as they cost tokens; by all its bytes, code that stands far to the
/// right would seem to cost twice what it does.
fn price(line: &str, trimmed: &str) -> usize {
    trimmed.len() + line.len().saturating_sub(trimmed.len()).min(TOKEN_BYTES) + TOKEN_BYTES
}

/// Divides a text into chunks; `hot` has the hashes of lines that moved and the age of each, and
/// `is_asked` says which lines have a word that was asked for: those are as good as just written;
/// `content` says what the rate of a line is multiplied by for what it says.
pub(crate) fn chunks(
    text: &str,
    hot: Option<&hot::Lines>,
    is_asked: impl Fn(&str) -> bool,
    content: impl Fn(&str) -> f64,
    weights: &Excerpts,
) -> Vec<Chunk> {
    let lines: Vec<(&str, usize)> = lines::lines(text)
        .map(|line| (line, lines::trim(line)))
        .map(|(line, trimmed)| (trimmed, price(line, trimmed)))
        .collect();
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
    let mut warmth = vec![0.0; lines.len()];
    for (index, (line, _)) in lines.iter().enumerate() {
        let moved = hot.and_then(|hot| hot.get(&hot::hash(line)).copied());
        let Some(age) = (if is_asked(line) { Some(0) } else { moved }) else { continue };
        let rate = weights.rate(age);
        let from = index.saturating_sub(weights.reach);
        let to = (from + 2 * weights.reach + 1).min(lines.len());
        for near in &mut rates[from..to] {
            *near = near.max(rate);
        }
        is_near[from..to].fill(true);
        warmth[index] = weights.freshness(age);
    }
    let warmth = around(&warmth, weights.crowd_reach);
    let mut chunks: Vec<Chunk> = Vec::new();
    for (index, ((line, n_bytes), rate)) in lines.into_iter().zip(rates).enumerate() {
        let is_blank = line.len() < 2;
        let rate = rate * (1.0 + weights.crowd * warmth[index]) * content(line);
        let is_hot = is_near[index];
        match chunks.last_mut() {
            // Blank lines go with what stands before them.
            Some(last) if is_blank || last.lines.len() < LONGEST && last.hot == is_hot => {
                last.lines.end = index + 1;
                last.rate += rate;
                last.n_bytes += n_bytes;
            }
            _ => chunks.push(Chunk { lines: index..index + 1, rate, hot: is_hot, n_bytes }),
        }
    }
    chunks
}

/// For each line the sum of what it and the lines up to `reach` before and after it have.
fn around(of_lines: &[f64], reach: usize) -> Vec<f64> {
    let mut sums = Vec::with_capacity(of_lines.len() + 1);
    sums.push(0.0);
    let mut sum = 0.0;
    for of_line in of_lines {
        sum += of_line;
        sums.push(sum);
    }
    let at = |index: usize| {
        let to = (index + reach + 1).min(of_lines.len());
        sums[to] - sums[index.saturating_sub(reach)]
    };
    (0..of_lines.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_near_a_hot_one_make_a_chunk_of_their_own() {
        let text: String =
            (0..80).map(|index| format!("line {index}")).collect::<Vec<_>>().join("\n");
        let hot = hot::Lines::from_iter([(hot::hash("line 60"), 0)]);
        let chunks = chunks(&text, Some(&hot), |_| false, |_| 1.0, &crate::value::EXCERPTS);
        let hottest = chunks.iter().max_by(|left, right| left.rate.total_cmp(&right.rate)).unwrap();
        assert!(hottest.lines.contains(&60));
        assert!(hottest.lines.len() < 16);
        assert_eq!(chunks.iter().map(|chunk| chunk.lines.len()).sum::<usize>(), 80);
    }

    #[test]
    fn a_line_that_was_asked_for_is_as_hot_as_one_just_written() {
        let text: String =
            (0..80).map(|index| format!("line {index}")).collect::<Vec<_>>().join("\n");
        let chunks =
            chunks(&text, None, |line| line == "line 60", |_| 1.0, &crate::value::EXCERPTS);
        assert!(chunks.iter().all(|chunk| chunk.hot == (56..65).contains(&chunk.lines.start)));
    }

    #[test]
    fn where_much_was_written_lately_each_line_is_rated_higher_than_near_a_single_edit() {
        let text: String =
            (0..200).map(|index| format!("line {index}")).collect::<Vec<_>>().join("\n");
        let ages = (150..160).chain([60]).map(|line| (hot::hash(&format!("line {line}")), 0));
        let chunks =
            chunks(&text, Some(&ages.collect()), |_| false, |_| 1.0, &crate::value::EXCERPTS);
        let rate = |line: usize| {
            let chunk = chunks.iter().find(|chunk| chunk.lines.contains(&line)).unwrap();
            chunk.rate / f64::from(u32::try_from(chunk.lines.len()).unwrap())
        };
        assert!(rate(155) > 2.0 * rate(60) && rate(60) > rate(100));
    }

    #[test]
    fn a_line_that_stands_far_to_the_right_costs_hardly_more_than_one_at_the_margin() {
        let cost = |indent: usize| {
            let line = format!("{}boil(water);\n", " ".repeat(indent));
            let chunks = chunks(&line, None, |_| false, |_| 1.0, &crate::value::EXCERPTS);
            chunks.iter().map(|chunk| chunk.n_bytes).sum::<usize>()
        };
        assert_eq!(cost(4), cost(32));
        assert!(cost(4) > cost(0));
    }
}
