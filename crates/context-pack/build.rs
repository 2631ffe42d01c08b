//! Turns the vocabularies of tiktoken-rs and Unicode's classes into tables that need no start-up.
//!
//! tiktoken-rs builds its hash maps in every process, which takes longer than packing a small
//! repository. The same facts as sorted bytes in the binary cost nothing until they are read. A
//! test holds the two against each other.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use regex_syntax::hir::{Class, HirKind};
use tiktoken_rs::CoreBPE;

#[path = "src/tokens/hash.rs"]
mod hash;
#[path = "src/tokens/slot.rs"]
mod slot;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/tokens/hash.rs");
    println!("cargo::rerun-if-changed=src/tokens/slot.rs");
    let folder = PathBuf::from(output_folder().ok_or("cargo sets OUT_DIR")?);
    vocabulary(&folder, "cl100k_base", &tiktoken_rs::cl100k_base()?)?;
    vocabulary(&folder, "o200k_base", &tiktoken_rs::o200k_base()?)?;
    vocabulary(&folder, "p50k_base", &tiktoken_rs::p50k_base()?)?;
    vocabulary(&folder, "r50k_base", &tiktoken_rs::r50k_base()?)?;
    classes(&folder)
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its folder in the environment"
)]
fn output_folder() -> Option<std::ffi::OsString> {
    env::var_os("OUT_DIR")
}

/// Writes one vocabulary: the number of hash slots, the slots, the tokens' bytes.
///
/// A slot says in eight bytes all that a look-up needs before it compares: so most look-ups touch
/// one line of memory, and those of a pair that is no token touch no second one.
fn vocabulary(folder: &Path, name: &str, encoding: &CoreBPE) -> Outcome {
    let mut tokens = Vec::new();
    // A few vocabularies have holes among their ranks and special tokens behind them.
    let mut n_missing = 0;
    for rank in 0_u32.. {
        match encoding.decode_bytes(&[rank]) {
            Ok(token) if !is_special(encoding, &token) => {
                tokens.resize(rank as usize, Vec::new());
                tokens.push(token);
                n_missing = 0;
            }
            _ => {
                n_missing += 1;
                if n_missing > 2000 {
                    break;
                }
            }
        }
    }
    let n_slots = (tokens.len() * 2).next_power_of_two();
    let mut slots = vec![0_u64; n_slots];
    let mut bytes = Vec::new();
    for (rank, token) in tokens.iter().enumerate() {
        if token.is_empty() {
            continue;
        }
        let hash = hash::of(token);
        let mut slot = hash as usize & (n_slots - 1);
        while slots[slot] != 0 {
            slot = (slot + 1) & (n_slots - 1);
        }
        slots[slot] = packed(rank, bytes.len(), token.len(), hash)?;
        bytes.extend_from_slice(token);
    }
    let mut table = u64::try_from(n_slots)?.to_le_bytes().to_vec();
    table.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
    table.extend_from_slice(&bytes);
    write(&folder.join(format!("{name}.bin")), &table)
}

fn packed(rank: usize, start: usize, n_bytes: usize, hash: u32) -> Result<u64, Box<dyn Error>> {
    let parts = [(rank, slot::RANK), (start, slot::START), (n_bytes, slot::LENGTH)];
    let mut packed = slot::mark(hash);
    for (part, n_bits) in parts.into_iter().rev() {
        if part >= 1 << n_bits {
            return Err("a vocabulary has outgrown its table".into());
        }
        packed = packed << n_bits | u64::try_from(part)?;
    }
    Ok(packed)
}

fn is_special(encoding: &CoreBPE, token: &[u8]) -> bool {
    std::str::from_utf8(token).is_ok_and(|text| encoding.special_tokens().contains(text))
}

/// Writes the ranges of the Unicode classes that the vocabularies split text by.
fn classes(folder: &Path) -> Outcome {
    let mut source = String::new();
    for (name, pattern) in [
        ("LETTER", r"\p{L}"),
        ("NUMBER", r"\p{N}"),
        ("SPACE", r"\s"),
        ("UPPER", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"),
        ("LOWER", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"),
    ] {
        let hir = regex_syntax::parse(pattern)?;
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else {
            return Err("a Unicode class was expected".into());
        };
        write!(source, "pub(super) static {name}: &[(char, char)] = &[")?;
        for range in class.ranges() {
            write!(
                source,
                "('{}', '{}'), ",
                range.start().escape_unicode(),
                range.end().escape_unicode()
            )?;
        }
        source.push_str("];\n");
    }
    write(&folder.join("classes.rs"), source.as_bytes())
}

#[expect(clippy::disallowed_methods, reason = "a build script writes what cargo can make again")]
fn write(path: &Path, content: &[u8]) -> Outcome {
    Ok(fs::write(path, content)?)
}
