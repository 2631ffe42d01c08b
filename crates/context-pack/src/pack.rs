//! A pack from end to end: walk, rank, read, choose, render, count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::Error;
use crate::kind::Language;
use crate::render::{Heading, Renderer, Section, name_of};
use crate::request::Request;
use crate::select::{self, Piece};
use crate::summary::thousands;
use crate::text::{self, Refusal};
use crate::walk::{self, Entry, Reason, Root};
use crate::{fit, identity, tree, value};

/// A document and what there is to say about it.
#[derive(Debug, Default)]
pub(crate) struct Pack {
    /// The document; empty when nothing fits.
    pub(crate) document: String,
    /// Its tokens, counted on the whole.
    pub(crate) n_tokens: usize,
    /// The budget that was asked for.
    pub(crate) asked: usize,
    /// The tokens that it may have.
    pub(crate) limit: usize,
    /// How many files were seen.
    pub(crate) n_scanned: usize,
    /// The packed files, best first.
    pub(crate) files: Vec<String>,
    /// The best of them, as the summary names them.
    pub(crate) priority: Vec<String>,
    /// What was left out, by reason.
    pub(crate) left_out: BTreeMap<Reason, usize>,
    /// What could not be read, for people.
    pub(crate) problems: Vec<String>,
}

/// Packs what is asked for.
pub(crate) fn pack(request: &Request) -> Result<Pack, Error> {
    let mut roots =
        request.paths.iter().map(|path| Root::open(path)).collect::<Result<Vec<_>, _>>()?;
    identity::label(&mut roots, &request.paths);
    let mut found = walk::walk(&roots);
    let tokenizer = request.budget.tokenizer;
    let limit = request.budget.limit();
    let renderer = Renderer::new(request.format);

    let mut ranked: Vec<(f64, &Entry)> =
        found.entries.iter().map(|entry| (value::of(&entry.path), entry)).collect();
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(right.1)));

    let heading =
        Piece::new(renderer.heading(&Heading { name: identity::name(&roots) }), tokenizer);
    let names: Vec<String> = found.entries.iter().map(|entry| entry_name(entry, &roots)).collect();
    let tree = Piece::new(renderer.tree(&tree::render(&names, limit / 100)), tokenizer);
    let mut left = limit.saturating_sub(heading.price());
    let mut pieces = vec![heading];
    let mut owners: Vec<Option<&Entry>> = vec![None];
    if tree.price() <= left / 4 {
        left -= tree.price();
        pieces.push(tree);
        owners.push(None);
    }
    let mut n_misfits = 0;
    for (_, entry) in &ranked {
        if n_misfits > 100 || left < 32 {
            break;
        }
        let Some(section) = read(entry, &roots, &mut found.left_out, &mut found.problems) else {
            continue;
        };
        match select::piece(&section, left.min(limit / 6), renderer, tokenizer) {
            Some((piece, _)) => {
                left = left.saturating_sub(piece.price());
                pieces.push(piece);
                owners.push(Some(entry));
            }
            None => n_misfits += 1,
        }
    }
    let (document, n_tokens, kept) = fit::join(&pieces, (1..pieces.len()).rev(), limit, tokenizer);
    let files: Vec<String> = owners
        .iter()
        .zip(&kept)
        .filter_map(|(owner, kept)| owner.filter(|_| *kept))
        .map(|entry| entry_name(entry, &roots))
        .collect();
    Ok(Pack {
        document,
        n_tokens,
        asked: request.budget.asked.0,
        limit,
        n_scanned: found.n_scanned,
        priority: files.iter().take(4).cloned().collect(),
        files,
        left_out: found.left_out,
        problems: found.problems,
    })
}

fn read(
    entry: &Entry,
    roots: &[Root],
    left_out: &mut BTreeMap<Reason, usize>,
    problems: &mut Vec<String>,
) -> Option<Section> {
    let root = roots.get(entry.root)?;
    let mut count = |reason| *left_out.entry(reason).or_default() += 1;
    let text = match text::read(&root.folder.join(&entry.path)) {
        Ok(text) => text,
        Err(Refusal::Binary) => {
            count(Reason::Binary);
            return None;
        }
        Err(Refusal::Generated) => {
            count(Reason::Generated);
            return None;
        }
        Err(Refusal::Unreadable(error)) => {
            problems.push(format!("cannot read {}: {error}", entry_name(entry, roots)));
            return None;
        }
    };
    let mut body = text.body;
    if text.n_unread > 0 {
        let n_unread = thousands(usize::try_from(text.n_unread).unwrap_or(usize::MAX));
        let _ = writeln!(body, "… {n_unread} bytes omitted …");
    }
    let tag = Language::of(&entry.path).map_or("", |language| language.tag);
    Some(Section { name: entry_name(entry, roots), tag, body })
}

/// The name of a file in the document.
fn entry_name(entry: &Entry, roots: &[Root]) -> String {
    match roots.get(entry.root) {
        Some(root) if !root.label.is_empty() => name_of(&Path::new(&root.label).join(&entry.path)),
        _ => name_of(&entry.path),
    }
}
