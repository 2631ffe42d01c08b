//! Outlines from the tree of a real parser: declarations with their signatures, without bodies.

use tree_sitter::{Language, Node, Parser};

use super::Item;
use super::shape::says_only_where_from;

/// What declares something in a language.
struct Grammar {
    language: fn() -> Language,
    /// Nodes that are shown.
    items: &'static [&'static str],
    /// Nodes that are looked into, and not shown themselves.
    wrappers: &'static [&'static str],
}

/// Nodes that are shown where they give a name to code, as no declaration does.
const NAMES: &[&str] = &["assignment_expression", "field_definition", "public_field_definition"];

/// Nodes that stand around a declaration and begin on a line before it: decorators, templates.
const AROUND: &[&str] = &["decorated_definition", "template_declaration"];

/// The most bytes of what stands before a declaration that are shown with it.
const BEFORE: usize = 60;

/// Items are looked into this deep: a method in a class in a module.
const DEEPEST: usize = 3;

/// Wrappers are looked into this deep, however they nest.
const NESTING: usize = 24;

/// The items of a text; `None` when no parser knows the language.
pub(super) fn items(text: &str, tag: &str) -> Option<Vec<Item>> {
    let grammar = grammar(tag)?;
    let mut parser = Parser::new();
    parser.set_language(&(grammar.language)()).ok()?;
    let tree = parser.parse(text, None)?;
    let mut items = Vec::new();
    visit(tree.root_node(), text, &grammar, 0, 0, &mut items);
    Some(items)
}

/// Whether there is a parser for a language.
pub(super) fn knows(tag: &str) -> bool {
    grammar(tag).is_some()
}

fn visit(
    node: Node<'_>,
    text: &str,
    grammar: &Grammar,
    depth: usize,
    nesting: usize,
    items: &mut Vec<Item>,
) {
    if nesting > NESTING {
        return;
    }
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        let kind = child.kind();
        if grammar.items.contains(&kind) {
            // One that is all of its declaration has been shown with it.
            let is_shown = grammar.items.contains(&node.kind())
                && child.start_position().row == node.start_position().row;
            let depth = if is_shown { depth.saturating_sub(1) } else { depth };
            items.extend(item(child, text, depth).filter(|_| !is_shown));
            if depth + 1 < DEEPEST
                && let Some(inner) = inner(child)
            {
                visit(inner, text, grammar, depth + 1, nesting + 1, items);
            }
        } else if kind == "assignment" && is_constant(child, text) {
            items.extend(item(child, text, depth + 1));
        } else if NAMES.contains(&kind) {
            items.extend(code(child).and_then(|_| item(child, text, depth)));
        } else if grammar.wrappers.contains(&kind) || child.is_error() {
            visit(child, text, grammar, depth, nesting + 1, items);
        }
    }
}

/// The parts of an item that may hold items: the body of a class, not that of a function.
fn inner(node: Node<'_>) -> Option<Node<'_>> {
    let holds_code = ["function", "method", "constructor", "subroutine"]
        .iter()
        .any(|word| node.kind().contains(word));
    if holds_code || code(node).is_some_and(|code| code.kind() != "class") {
        return None;
    }
    let group = ["const_declaration", "type_declaration", "var_declaration"];
    if group.contains(&node.kind()) {
        return Some(node);
    }
    body(node).or_else(|| {
        // `typedef struct { … } name;` has its body one node further in.
        let of = node.child_by_field_name("type")?;
        if of.kind() == "interface_type" { Some(of) } else { body(of) }
    })
}

/// Whether an assignment gives a constant its value, as its name says: `MOST = 3`.
fn is_constant(node: Node<'_>, text: &str) -> bool {
    let name = node.child_by_field_name("left").and_then(|name| text.get(name.byte_range()));
    name.is_some_and(|name| {
        name.starts_with(|first: char| first.is_ascii_uppercase())
            && name.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
    })
}

/// What stands on the lines before a declaration and belongs to it, joined to one line.
fn lead(node: Node<'_>, text: &str) -> String {
    let around = node.parent().filter(|parent| AROUND.contains(&parent.kind()));
    let before = around.and_then(|around| text.get(around.start_byte()..node.start_byte()));
    let before = before.filter(|before| before.len() <= BEFORE && before.contains('\n'));
    let words = before.unwrap_or_default().split_whitespace();
    words.flat_map(|word| [word, " "]).collect()
}

/// The function or class that a node gives a name: `app.use = function () {}`, `const f = () => {}`.
fn code(node: Node<'_>) -> Option<Node<'_>> {
    let named = ["right", "value"].iter().find_map(|field| node.child_by_field_name(field));
    let named = named.or_else(|| {
        let mut cursor = node.walk();
        let declared = node.named_children(&mut cursor).next()?;
        declared.child_by_field_name("value")
    })?;
    let is_code = ["arrow_function", "class", "function_expression", "generator_function"];
    is_code.contains(&named.kind()).then_some(named)
}

fn body(node: Node<'_>) -> Option<Node<'_>> {
    let own = node.child_by_field_name("body").or_else(|| code(node)?.child_by_field_name("body"));
    own.or_else(|| {
        let mut cursor = node.walk();
        node.named_children(&mut cursor).find(|child| {
            matches!(
                child.kind(),
                "declaration_list"
                    | "class_body"
                    | "block"
                    | "compound_statement"
                    | "body_statement"
            )
        })
    })
}

/// The signature of a node: its line, or its lines joined when it takes several.
fn item(node: Node<'_>, text: &str, depth: usize) -> Option<Item> {
    let start = node.start_byte();
    let end = body(node)
        .or_else(|| node.child_by_field_name("value"))
        .map_or(node.end_byte(), |body| body.start_byte());
    let line_start = text.get(..start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let at = node.start_position().row;
    let signature = text.get(start..end)?.trim_end();
    let line_end = text.get(start..)?.find('\n').map_or(text.len(), |newline| start + newline);
    if says_only_where_from(text.get(line_start..line_end)?) {
        return None;
    }
    let before = text.get(line_start..start)?;
    let indent: String = before.chars().take_while(|character| character.is_whitespace()).collect();
    let lead = lead(node, text);
    if start + signature.len() <= line_end {
        let whole = text.get(line_start..line_end)?.trim();
        return Some(Item { at, depth, line: format!("{indent}{lead}{whole}") });
    }
    // An item without a body, as a list of constants, says enough with its first line.
    let has_body = body(node).is_some();
    if !has_body {
        return Some(Item {
            at,
            depth,
            line: text.get(line_start..line_end)?.trim_end().to_owned(),
        });
    }
    let words: Vec<&str> = signature.split_whitespace().collect();
    let before = before.trim_start();
    let words = words.join(" ").replace("( ", "(").replace(", )", ")").replace(" )", ")");
    Some(Item { at, depth, line: format!("{indent}{lead}{before}{words}") })
}

#[expect(clippy::too_many_lines, reason = "a table, one entry a language")]
fn grammar(tag: &str) -> Option<Grammar> {
    let grammar = match tag {
        "rust" => Grammar {
            language: || tree_sitter_rust::LANGUAGE.into(),
            items: &[
                "const_item",
                "enum_item",
                "function_item",
                "function_signature_item",
                "impl_item",
                "macro_definition",
                "mod_item",
                "static_item",
                "struct_item",
                "trait_item",
                "type_item",
                "union_item",
            ],
            wrappers: &["declaration_list", "foreign_mod_item"],
        },
        "python" => Grammar {
            language: || tree_sitter_python::LANGUAGE.into(),
            items: &["class_definition", "function_definition"],
            wrappers: &[
                "decorated_definition",
                "if_statement",
                "try_statement",
                "block",
                "else_clause",
                "except_clause",
                "expression_statement",
            ],
        },
        "javascript" => Grammar { language: || tree_sitter_javascript::LANGUAGE.into(), ..SCRIPT },
        "typescript" => {
            Grammar { language: || tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(), ..SCRIPT }
        }
        "tsx" => Grammar { language: || tree_sitter_typescript::LANGUAGE_TSX.into(), ..SCRIPT },
        "go" => Grammar {
            language: || tree_sitter_go::LANGUAGE.into(),
            items: &[
                "const_declaration",
                "const_spec",
                "function_declaration",
                "method_declaration",
                "method_elem",
                "type_alias",
                "type_declaration",
                "type_spec",
                "var_declaration",
                "var_spec",
            ],
            wrappers: &["var_spec_list"],
        },
        "java" => Grammar {
            language: || tree_sitter_java::LANGUAGE.into(),
            items: &[
                "annotation_type_declaration",
                "class_declaration",
                "constructor_declaration",
                "enum_declaration",
                "interface_declaration",
                "method_declaration",
                "record_declaration",
            ],
            wrappers: &["enum_body_declarations"],
        },
        "c" => Grammar { language: || tree_sitter_c::LANGUAGE.into(), ..C },
        "cpp" => Grammar { language: || tree_sitter_cpp::LANGUAGE.into(), ..C },
        "ruby" => Grammar {
            language: || tree_sitter_ruby::LANGUAGE.into(),
            items: &["class", "method", "module", "singleton_class", "singleton_method"],
            wrappers: &["body_statement", "call"],
        },
        "php" => Grammar {
            language: || tree_sitter_php::LANGUAGE_PHP.into(),
            items: &[
                "class_declaration",
                "const_declaration",
                "enum_declaration",
                "function_definition",
                "interface_declaration",
                "method_declaration",
                "namespace_definition",
                "trait_declaration",
            ],
            wrappers: &["declaration_list"],
        },
        "csharp" => Grammar {
            language: || tree_sitter_c_sharp::LANGUAGE.into(),
            items: &[
                "class_declaration",
                "constructor_declaration",
                "delegate_declaration",
                "enum_declaration",
                "file_scoped_namespace_declaration",
                "interface_declaration",
                "method_declaration",
                "namespace_declaration",
                "property_declaration",
                "record_declaration",
                "struct_declaration",
            ],
            wrappers: &["declaration_list"],
        },
        "bash" => Grammar {
            language: || tree_sitter_bash::LANGUAGE.into(),
            items: &["function_definition"],
            wrappers: &["if_statement"],
        },
        _ => return None,
    };
    Some(grammar)
}

/// JavaScript and its relatives; the language is set where one is meant.
const SCRIPT: Grammar = Grammar {
    language: || tree_sitter_javascript::LANGUAGE.into(),
    items: &[
        "abstract_class_declaration",
        "abstract_method_signature",
        "class_declaration",
        "enum_declaration",
        "function_declaration",
        "function_signature",
        "generator_function_declaration",
        "interface_declaration",
        "internal_module",
        "lexical_declaration",
        "method_definition",
        "method_signature",
        "type_alias_declaration",
        "variable_declaration",
    ],
    wrappers: &[
        "ambient_declaration",
        "export_statement",
        "expression_statement",
        "statement_block",
    ],
};

/// C and C++; the language is set where one is meant.
const C: Grammar = Grammar {
    language: || tree_sitter_c::LANGUAGE.into(),
    items: &[
        "alias_declaration",
        "class_specifier",
        "concept_definition",
        "declaration",
        "enum_specifier",
        "field_declaration",
        "function_definition",
        "namespace_definition",
        "preproc_def",
        "preproc_function_def",
        "struct_specifier",
        "type_definition",
        "union_specifier",
    ],
    wrappers: &[
        "declaration_list",
        "linkage_specification",
        "preproc_elif",
        "preproc_else",
        "preproc_if",
        "preproc_ifdef",
        "template_declaration",
    ],
};
