//! A pack from end to end: look, rank, select, render, count.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use globset::GlobSet;

use crate::extras::Sources;
use crate::focus::Focus;
use crate::look::{self, Known, Moved};
use crate::piece::{Maker, Piece};
use crate::prepare::Ahead;
use crate::rank::{entry_name, rank};
use crate::redact::{Tally, redact};
use crate::render::{Depth, Heading, Place, Renderer, State};
use crate::request::Request;
use crate::select::{self, Candidate, Selection};
use crate::text::Refusal;
use crate::threads::map_all;
use crate::value::Value;
use crate::walk::{self, Entry, Found, Progress, Reason, Root, Rules};
use crate::{Error, fit, identity, tree};

/// A document and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Pack {
    /// The document; empty when nothing fits.
    pub(crate) document: String,
    /// Its tokens, counted on the whole.
    pub(crate) n_tokens: usize,
    /// The tokens that it may have.
    pub(crate) limit: usize,
    /// How many files were seen.
    pub(crate) n_scanned: usize,
    /// All files that could have been packed, best first.
    pub(crate) files: Vec<File>,
    /// What was left out, by reason.
    pub(crate) left_out: BTreeMap<Reason, usize>,
    /// Secrets replaced in what is packed, by kind.
    pub(crate) redacted: Tally,
    /// What went wrong on the way, as unreadable files.
    pub(crate) problems: Vec<String>,
    /// The agents whose instructions are all in the pack, when there are several and none was named.
    pub(crate) agents: Vec<String>,
}

/// What became of one file.
#[derive(Debug)]
pub(crate) struct File {
    /// Its name in the document.
    pub(crate) name: String,
    /// The same as the disk has it.
    pub(crate) path: PathBuf,
    /// What it was worth, and why.
    pub(crate) value: Value,
    /// How much of it is in the document; `None` when at most its name is.
    pub(crate) depth: Option<Depth>,
    /// What that costs.
    pub(crate) n_tokens: usize,
}

impl Pack {
    /// The files that are in the document as more than a name.
    pub(crate) fn packed(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.depth.is_some())
    }
}

/// Packs what is asked for; `search_path` says where git is.
pub(crate) fn pack(
    request: &Request,
    search_path: &OsString,
    progress: &Progress,
) -> Result<Pack, Error> {
    let rules = Rules::new(
        &request.include,
        &request.exclude,
        request.lift.clone(),
        request.agent.clone(),
    )?
    .without(request.outputs.clone());
    let (roots, hidden) = open(request, &rules)?;
    std::thread::scope(|scope| {
        let moved = look::moved(request, &roots, search_path, scope);
        // The frame takes about a tenth of what the document may have.
        let n_read = select::n_read(request.budget.limit() / 10 * 9);
        let (mut found, known, ahead) =
            look::look(request, &roots, &rules, search_path, progress, n_read)?;
        found.problems.extend(hidden);
        choose(request, &roots, &rules, found, &known, moved, ahead)
    })
}

/// Opens the paths, but for those that belong to another agent, which are problems.
fn open(request: &Request, rules: &Rules) -> Result<(Vec<Root>, Vec<String>), Error> {
    let (mut roots, mut paths, mut hidden) = (Vec::<Root>::new(), Vec::new(), Vec::new());
    for path in &request.paths {
        let root = Root::open(path)?;
        if roots.iter().any(|known| known.place() == root.place()) {
            // A path that is named twice is one path.
            continue;
        }
        if rules.hides(&root.folder, Path::new("")) {
            let path = path.display();
            hidden.push(format!("{path} belongs to another agent and is left out"));
        } else {
            roots.push(root);
            paths.push(path.as_path());
        }
    }
    identity::label(&mut roots, &paths);
    Ok((roots, hidden))
}

/// Chooses from what was found, and makes the document.
fn choose(
    request: &Request,
    roots: &[Root],
    rules: &Rules,
    mut found: Found,
    known: &[Known],
    moved: Moved<'_>,
    ahead: Ahead,
) -> Result<Pack, Error> {
    let agents = agents_in(request, roots, &found)?;
    check_globs(request, &mut found)?;
    let limit = request.budget.limit();
    let renderer = Renderer::new(request.format);
    let maker =
        Maker { renderer, tokenizer: request.budget.tokenizer, line_numbers: request.line_numbers };
    let entries: Vec<&Entry> = found.entries.iter().collect();
    let names = map_all(&entries, |_, entry| entry_name(&entry.path, &roots[entry.root]));
    let (mut candidates, (mut frame, mut redacted)) = std::thread::scope(|scope| {
        let frame = scope.spawn(|| frame(roots, &names, known, maker, limit));
        let candidates = rank(request, &found, &names, roots, known)?;
        let frame = frame.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<_, Error>((candidates, frame))
    })?;
    let sources = Sources { request, roots, rules, known };
    frame.extend(sources.pieces(&mut found, maker, limit, &mut redacted));
    // The frame of JSON and XML has a few tokens of its own.
    let spent: usize = frame.iter().map(|(_, piece)| piece.n_tokens).sum::<usize>() + 12;
    let wanted = select::Wanted {
        outlines: request.outlines,
        max_file: request.max_file,
        focus: Focus::of(&request.focus),
    };
    let selection = select::select(
        &candidates,
        roots,
        limit.saturating_sub(spent),
        maker,
        &wanted,
        moved,
        ahead,
    );
    for (index, refusal) in &selection.refused {
        refuse(&mut found, &candidates[*index], refusal);
    }
    for candidate in &mut candidates {
        let label = &roots[candidate.root].label;
        if !label.is_empty() {
            candidate.under_root = Path::new(label).join(&candidate.under_root);
        }
    }
    let pack = assemble(limit, maker, &frame, &selection, candidates, found, redacted);
    Ok(Pack { agents, ..pack })
}

/// A glob with a typo gives a document of nothing, which is worth a word.
fn check_globs(request: &Request, found: &mut Found) -> Result<(), Error> {
    for (flag, pattern) in &request.expected {
        let globs = walk::globs(std::slice::from_ref(pattern))?;
        let is_matched =
            |globs: GlobSet| found.entries.iter().any(|entry| globs.is_match(&entry.path));
        if !globs.is_some_and(is_matched) {
            found.problems.push(format!("{flag} '{pattern}' matches no file that can be packed"));
        }
    }
    Ok(())
}

/// The agents whose instructions come in together, if there are several. A pack for one agent needs its folder.
fn agents_in(request: &Request, roots: &[Root], found: &Found) -> Result<Vec<String>, Error> {
    let known = walk::agents(found.entries.iter().map(|entry| entry.path.as_path()));
    if let Some(name) = &request.agent {
        let is_there = |root: &Root| {
            root.folder.join("agents").join(name).is_dir()
                || root.folder.ends_with("agents") && root.folder.join(name).is_dir()
                || root.folder.ends_with(Path::new("agents").join(name))
        };
        if !roots.iter().any(is_there) && !known.contains(name) {
            let known = roots.iter().flat_map(|root| walk::folders(&root.folder.join("agents")));
            let known = known.filter(|folder| !walk::is_shared(folder.as_ref())).collect();
            return Err(Error::NoAgent { name: name.clone(), known });
        }
        return Ok(Vec::new());
    }
    let known: Vec<String> = known.into_iter().collect();
    Ok(if known.len() > 1 { known } else { Vec::new() })
}

/// The heading, the tree and the commit, and the secrets that were replaced in them.
fn frame(
    roots: &[Root],
    names: &[String],
    known: &[Known],
    maker: Maker,
    limit: usize,
) -> (Vec<(Place, Piece)>, Tally) {
    let renderer = maker.renderer;
    let first = known.first();
    let mut redacted = Tally::new();
    let branch = first.and_then(|known| known.branch.as_deref());
    let heading = Heading {
        name: identity::name(roots, &mut redacted),
        branch: branch.map(|branch| redact(branch, &mut redacted).into_owned()),
    };
    let mut frame = vec![(Place::Heading, maker.piece(renderer.heading(&heading)))];
    // A line of the tree has about eight tokens; the share is a fortieth of the budget, or forty lines
    // when they are not more than a twentieth.
    let n_lines = (limit / 40).max(320.min(limit / 20)).min(3000) / 8;
    if n_lines > 3 && !names.is_empty() {
        let tree = tree::render(names, n_lines);
        let tree = redact(&tree, &mut redacted);
        frame.push((Place::Tree, maker.piece(renderer.tree(&tree))));
    }
    if let Some(commit) = first.and_then(|known| known.head.clone()) {
        frame.push((Place::State, maker.piece(renderer.state(&State { commit }))));
    }
    (frame, redacted)
}

/// A problem as it may be told: the name of a file can hold a secret.
fn without_secrets(problem: &str) -> String {
    redact(problem, &mut Tally::new()).into_owned()
}

fn refuse(found: &mut Found, candidate: &Candidate, refusal: &Refusal) {
    let mut count = |reason| *found.left_out.entry(reason).or_default() += 1;
    match refusal {
        Refusal::Binary => count(Reason::Binary),
        Refusal::Generated => count(Reason::Generated),
        Refusal::Empty => {}
        Refusal::Unreadable(error) => {
            found.problems.push(format!("cannot read {}: {error}", candidate.name));
        }
    }
}

/// Puts the pieces in the order of the document and makes them fit.
fn assemble(
    limit: usize,
    maker: Maker,
    frame: &[(Place, Piece)],
    selection: &Selection,
    candidates: Vec<Candidate>,
    found: Found,
    mut redacted: Tally,
) -> Pack {
    let taken = &selection.taken;
    let mut pieces: Vec<(Place, usize, &str, &Piece, Option<usize>)> =
        frame.iter().map(|(place, piece)| (*place, 0, "", piece, None)).collect();
    for (order, taken) in taken.iter().enumerate() {
        let rank = match taken.place {
            // Outlines stand by name, so that the same files give the same bytes whatever moved.
            Place::Outlines => 0,
            Place::Core => order,
            _ => taken.candidate,
        };
        let name = candidates[taken.candidate].name.as_str();
        pieces.push((taken.place, rank, name, &taken.piece, Some(order)));
    }
    pieces.sort_by(|left, right| (left.0, left.1, left.2).cmp(&(right.0, right.1, right.2)));
    // What was taken last goes first, then the tree and the rest of the frame.
    let mut drop_order: Vec<(Reverse<Option<usize>>, usize)> = pieces
        .iter()
        .enumerate()
        .filter(|(_, piece)| piece.0 != Place::Heading)
        .map(|(index, piece)| (Reverse(piece.4), index))
        .collect();
    drop_order.sort_unstable();
    let placed: Vec<(Place, &Piece)> = pieces.iter().map(|piece| (piece.0, piece.3)).collect();
    let order = drop_order.into_iter().map(|(_, index)| index);
    let fitted = fit::join(&placed, order, limit, maker.renderer, maker.tokenizer);
    let mut shown: BTreeMap<usize, (Depth, usize)> = BTreeMap::new();
    for (piece, kept) in pieces.iter().zip(&fitted.kept) {
        let Some(taken) = piece.4.map(|order| &taken[order]).filter(|_| *kept) else { continue };
        shown.insert(taken.candidate, (taken.depth, taken.piece.n_tokens));
        for (kind, count) in &selection.redacted[taken.candidate] {
            *redacted.entry(kind).or_default() += count;
        }
    }
    let files = candidates.into_iter().enumerate().map(|(index, candidate)| {
        let (depth, n_tokens) =
            shown.get(&index).map_or((None, 0), |(depth, n_tokens)| (Some(*depth), *n_tokens));
        let path = candidate.under_root;
        File { name: candidate.name, path, value: candidate.value, depth, n_tokens }
    });
    Pack {
        limit,
        n_tokens: fitted.n_tokens,
        document: fitted.text,
        n_scanned: found.n_scanned,
        files: files.collect(),
        left_out: found.left_out,
        redacted,
        problems: found.problems.iter().map(|problem| without_secrets(problem)).collect(),
        agents: Vec::new(),
    }
}
