//! Counts tokens exactly as OpenAI's published vocabularies do, without building a vocabulary first.
//!
//! Text is split into pieces by the vocabulary's pattern ([`split`]), and a piece that is no token
//! is merged from its bytes ([`merge`]). Special tokens have no meaning here: `<|endoftext|>` in a
//! file is text. It never panics.

mod classes;
mod hash;
mod memo;
mod merge;
mod slot;
mod split;
mod vocabulary;

use crate::threads::on_threads;
use memo::Memo;
use vocabulary::Vocabulary;

/// A published vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Tokenizer {
    /// GPT-4 and a good stand-in for other models.
    #[value(name = "cl100k_base")]
    Cl100k,
    /// GPT-4o, GPT-5 and the o series.
    #[value(name = "o200k_base", alias = "o200k_harmony")]
    O200k,
    /// Codex and the later GPT-3 models.
    #[value(name = "p50k_base")]
    P50k,
    /// GPT-2 and GPT-3.
    #[value(name = "r50k_base", alias = "gpt2")]
    R50k,
}

impl Tokenizer {
    /// The name that the publisher gave it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cl100k => "cl100k_base",
            Self::O200k => "o200k_base",
            Self::P50k => "p50k_base",
            Self::R50k => "r50k_base",
        }
    }

    /// The number of tokens of `text`; a long one is counted on several threads.
    pub(crate) fn count(self, text: &str) -> usize {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(cut) = cut(rest) {
            let (part, tail) = rest.split_at(cut);
            parts.push(part);
            rest = tail;
        }
        parts.push(rest);
        on_threads(&parts, |part| self.count_part(part)).into_iter().sum()
    }

    fn count_part(self, text: &str) -> usize {
        let vocabulary = self.vocabulary();
        let mut memo = Memo::borrow();
        let mut n_tokens = 0;
        let mut rest = text;
        while !rest.is_empty() {
            // Every pattern takes at least one character, so this ends.
            let (piece, tail) = rest.split_at(self.piece(rest));
            n_tokens += memo.count(self, vocabulary, piece.as_bytes());
            rest = tail;
        }
        memo.give_back();
        n_tokens
    }

    fn vocabulary(self) -> &'static Vocabulary {
        match self {
            Self::Cl100k => &vocabulary::CL100K_BASE,
            Self::O200k => &vocabulary::O200K_BASE,
            Self::P50k => &vocabulary::P50K_BASE,
            Self::R50k => &vocabulary::R50K_BASE,
        }
    }

    /// The length of the first piece of `text` in bytes.
    fn piece(self, text: &str) -> usize {
        match self {
            Self::Cl100k => split::cl100k(text),
            Self::O200k => split::o200k(text),
            Self::P50k | Self::R50k => split::gpt2(text),
        }
    }
}

/// A text longer than this is worth a second thread.
const LONG: usize = 32 * 1024;

/// Where a long text can be cut so that its parts have as many tokens as the whole.
///
/// No vocabulary has a piece that goes from a newline to a letter, and a single newline between
/// a word and a letter is the same piece whether or not the letter is seen.
fn cut(text: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(LONG..)?;
    let is_cut = |part: &[u8]| {
        matches!(part, [before, b'\n', after]
            if before.is_ascii_graphic() && after.is_ascii_alphabetic())
    };
    bytes.windows(3).position(is_cut).map(|at| LONG + at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tiktoken_rs::CoreBPE;

    const ALL: [Tokenizer; 4] =
        [Tokenizer::Cl100k, Tokenizer::O200k, Tokenizer::P50k, Tokenizer::R50k];

    fn reference(tokenizer: Tokenizer) -> &'static CoreBPE {
        match tokenizer {
            Tokenizer::Cl100k => tiktoken_rs::cl100k_base_singleton(),
            Tokenizer::O200k => tiktoken_rs::o200k_base_singleton(),
            Tokenizer::P50k => tiktoken_rs::p50k_base_singleton(),
            Tokenizer::R50k => tiktoken_rs::r50k_base_singleton(),
        }
    }

    fn check(text: &str) {
        for tokenizer in ALL {
            assert_eq!(
                tokenizer.count(text),
                reference(tokenizer).count_ordinary(text),
                "{tokenizer:?} {text:?}"
            );
        }
    }

    #[test]
    fn counts_equal_those_of_tiktoken_on_texts_that_split_strangely() {
        for text in [
            "",
            "hello world",
            "I'll we've DON'T it's 'sure 'ſ x'ſ 'LL 'Re",
            "fn main() {\n    println!(\"{}\", 1234567);\n}\n\n\n",
            "  \n\t \r\n  x   y\u{a0}\u{3000}z ",
            "日本語のテキスト、ÄÖÜ straße ﬁ ǅ ʰʰ मानक a\u{301}b\u{301}C\u{301} ١٢٣٤",
            "camelCaseHTTPServer's XMLHttp'REQ ABCdefGHI",
            "<|endoftext|><|im_start|>",
            "//////\n///\r\n\r\n/// +++---\n/",
            "🦀🦀🦀 👩‍👩‍👧‍👦",
            "\u{85}\u{2028}\u{b}\u{c} \u{1c} a",
            " \n \n a\n ",
        ] {
            check(text);
        }
        check(&"a".repeat(3000));
        check(&"=".repeat(3000));
        check(&" ".repeat(3000));
        check(&"ab ".repeat(999));
    }

    #[test]
    fn the_source_of_this_crate_counts_as_tiktoken_counts_it() {
        check(include_str!("../../build.rs"));
        check(include_str!("split.rs"));
    }

    #[test]
    fn a_million_blanks_are_counted_and_not_a_panic() {
        for tokenizer in ALL {
            assert!(tokenizer.count(&" ".repeat(1_100_000)) > 1000);
        }
    }

    #[test]
    fn a_long_text_counts_as_tiktoken_counts_it_wherever_it_is_cut() {
        let ends = ["\n", "\n\n", " \n", "'s\n", ".\n", "/\n/", "\r\n", "\n\t", "é\n"];
        let words = ["let x = 1;", "word", "IT'S", "l'", "```", "123", "/// a"];
        let lines =
            (0..12_000_usize).flat_map(|index| [words[index * 31 % 7], ends[index * 17 % 13 % 9]]);
        let text: String = lines.collect();
        assert!(text.len() > 2 * LONG && cut(&text).is_some());
        check(&text);
        for part in (0..40).filter_map(|start| text.get(start..start + LONG + 90)) {
            check(part);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn any_text_counts_as_tiktoken_counts_it(text in any::<String>()) {
            check(&text);
        }

        #[test]
        fn text_of_few_kinds_of_characters_counts_as_tiktoken_counts_it(
            text in "[aAzſ'sLl 1²٣\n\r\t/+\u{a0}\u{301}ʰ日ǅ]{0,60}"
        ) {
            check(&text);
        }
    }
}
