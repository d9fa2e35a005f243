//! The line a fault stands in, with a mark under it; and never a secret of it.
//!
//! Secrets are not to be written into the configuration, but people do, and the message that says so must not
//! repeat them. Deliberately absent: where faults come from.

use super::tree::Span;

/// Longest line shown, in characters.
const WIDEST: usize = 160;
/// Parts of a key that say its value may be confidential.
const CONFIDENTIAL: [&str; 9] =
    ["pass", "secret", "token", "credential", "authorization", "api-key", "apikey", "private", "key.pem"];
/// Keys of references: what they name is no secret.
const PLACES: [&str; 3] = ["file", "env", "credential"];

/// Line and column of a byte, from 1; columns count characters.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before.get(start..).unwrap_or_default().chars().count() + 1)
}

/// The line of `span` with its number and a mark under the span. With `hidden`, or where a key of the line sounds
/// confidential, values are left out; URLs that may hold a password always. Nothing where the line lies inside a text of several lines.
pub(super) fn excerpt(text: &str, span: &Span, hidden: bool) -> Option<String> {
    let (number, _) = position(text, span.start);
    let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..)?.lines().next()?;
    let before = text.get(..start)?;
    if before.matches("\"\"\"").count() % 2 == 1 || before.matches("'''").count() % 2 == 1 {
        return None;
    }
    let pieces = pieces(line);
    let confidential = |piece: &Piece<'_>| {
        let name = piece.text.to_lowercase();
        piece.role == Role::Key && CONFIDENTIAL.iter().any(|word| name.contains(word))
    };
    let hide = hidden || pieces.iter().any(confidential);
    let (mut shown, mut mark, mut width) = (String::new(), None, 0);
    for piece in &pieces {
        let masked = match piece.role {
            Role::Value => hide || holds_credentials(piece.text),
            Role::Comment => hide,
            Role::Key | Role::Other => false,
        };
        let offset = start + piece.at;
        let inside = span.start < offset + piece.text.len() && span.end.max(span.start + 1) > offset;
        let out = match (masked, piece.role) {
            (true, Role::Comment) => String::new(),
            (true, _) if piece.text.starts_with(['"', '\'']) => "\"…\"".to_owned(),
            (true, _) => "…".to_owned(),
            (false, _) => piece.text.replace(|at: char| at.is_control() && at != '\t', " "),
        };
        if inside {
            let part = |at: usize| piece.text.get(..at.saturating_sub(offset)).unwrap_or(piece.text);
            let (from, to) = match masked {
                true => (0, out.chars().count()),
                false => (part(span.start).chars().count(), part(span.end).chars().count()),
            };
            mark.get_or_insert(shown.chars().count() + from);
            width += to.saturating_sub(from);
        }
        shown.push_str(&out);
    }
    let mark = mark.unwrap_or(shown.chars().count());
    let shown = shown.trim_end();
    if mark >= WIDEST {
        return None;
    }
    let line: String = shown.chars().take(WIDEST).collect();
    let more = if shown.chars().count() > WIDEST { "…" } else { "" };
    // Tabs stay, so that the mark stands under its place whatever their width.
    let blank = shown.chars().chain(std::iter::repeat(' ')).take(mark);
    let blank: String = blank.map(|at| if at == '\t' { at } else { ' ' }).collect();
    let carets = "^".repeat(width.clamp(1, WIDEST - mark));
    Some(format!("{number:>5} | {line}{more}\n      | {blank}{carets}"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Value,
    Comment,
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    at: usize,
    text: &'a str,
    role: Role,
}

/// The line cut into keys, values and the rest. Good enough for lines that are no TOML, too: what is neither key
/// nor punctuation counts as a value.
fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut at = 0;
    // A table's header names keys alone.
    let header = line.trim_start().starts_with('[') && !line.contains('=');
    while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match rest.chars().next() {
            Some('#') => rest.len(),
            Some(quote @ ('"' | '\'')) => quoted(rest, quote),
            Some(first) if is_word(first) => rest.find(|at| !is_word(at)).unwrap_or(rest.len()),
            first => first.map_or(1, char::len_utf8),
        };
        let text = rest.get(..length).unwrap_or(rest);
        let after = rest.get(length..).unwrap_or_default().trim_start();
        let role = match text.chars().next() {
            Some('#') => Role::Comment,
            Some(first) if !is_word(first) && first != '"' && first != '\'' => Role::Other,
            _ if header || after.starts_with(['=', '.']) => Role::Key,
            _ if names_a_place(&pieces) => Role::Other,
            _ => Role::Value,
        };
        pieces.push(Piece { at, text, role });
        at += text.len();
    }
    pieces
}

fn is_word(at: char) -> bool {
    !at.is_whitespace() && !matches!(at, '=' | ',' | '[' | ']' | '{' | '}' | '#' | '"' | '\'')
}

/// Length of a quoted text; to the end of the line where it is not closed.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if letter == quote && !escaped {
            return at + 1;
        }
        escaped = letter == '\\' && quote == '"' && !escaped;
    }
    text.len()
}

/// Whether a text is a URL that may hold a password, before the host or in the query.
fn holds_credentials(text: &str) -> bool {
    text.contains('@') || (text.contains("://") && text.contains('?'))
}

/// Whether what comes next is the value of `file`, `env` or `credential`.
fn names_a_place(before: &[Piece<'_>]) -> bool {
    let mut before = before.iter().rev().filter(|piece| !piece.text.trim().is_empty());
    before.next().is_some_and(|piece| piece.text == "=")
        && before.next().is_some_and(|piece| piece.role == Role::Key && PLACES.contains(&piece.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, marked: &str, hidden: bool) -> String {
        let start = text.find(marked).unwrap();
        excerpt(text, &(start..start + marked.len()), hidden).unwrap()
    }

    #[test]
    fn the_mark_stands_under_its_place() {
        assert_eq!(
            shown("a = 1\n\tbü = 'x' # c\n", "'x'", false),
            "    2 | \tbü = 'x' # c\n      | \t     ^^^"
        );
        assert_eq!(shown("a = 1", "a", false), "    1 | a = 1\n      | ^");
        assert_eq!(excerpt("a = ", &(4..4), false).unwrap(), "    1 | a =\n      |     ^");
    }

    #[test]
    fn a_hidden_value_is_not_shown_but_its_place_is() {
        assert_eq!(shown("tocken = \"hunter2\"", "tocken", true), "    1 | tocken = \"…\"\n      | ^^^^^^");
        let line = "headers = { Authorization = \"Bearer hunter2\", x = 5 } # hunter2";
        assert_eq!(
            shown(line, "5", false),
            "    1 | headers = { Authorization = \"…\", x = … }\n      |                                      ^"
        );
    }

    #[test]
    fn the_place_of_a_secret_is_no_secret() {
        let line = "token = { file = \"/run/x\" }";
        assert_eq!(
            shown(line, "{ file = \"/run/x\" }", false),
            format!("    1 | {line}\n      |         ^^^^^^^^^^^^^^^^^^^")
        );
    }

    #[test]
    fn a_url_with_a_password_is_never_shown() {
        let line = "u = [\"https://h/p\", \"anna:hunter2@h\", \"https://h?key=hunter2\"]";
        assert_eq!(
            shown(line, "\"https://h/p\"", false),
            "    1 | u = [\"https://h/p\", \"…\", \"…\"]\n      |      ^^^^^^^^^^^^^"
        );
    }

    #[test]
    fn lines_that_are_no_toml_hide_their_values_too() {
        for line in
            ["password = hunter2", "token = 'hunter2", "\"api-key\" = hunter2 hunter2", "a.secret = [hunter2"]
        {
            let out = excerpt(line, &(line.len()..line.len()), false).unwrap();
            assert!(!out.contains("hunter2"), "{out}");
        }
        assert_eq!(excerpt("pem = \"\"\"\nhunter2 =\n\"\"\"", &(13..14), false), None);
    }

    proptest::proptest! {
        #[test]
        fn no_hidden_value_leaks_whatever_the_line(key in "[a-z]{1,8}", before in "[ a-z=,\\[{\"']{0,12}", after in "[ ,\\]}\"']{0,6}") {
            let line = format!("{before}{key} = \"HUNTER2\"{after}");
            let start = line.find("HUNTER2").unwrap();
            let out = excerpt(&line, &(start..start + 3), true).unwrap();
            // An odd quote before it turns keys into values and back: then the key before it must be a place's.
            proptest::prop_assume!(!["file", "env", "credential"].contains(&key.as_str()));
            proptest::prop_assert!(!out.contains("HUNTER2"), "{}", out);
        }

        #[test]
        fn any_line_gives_an_answer(line in "\\PC{0,80}", at in 0usize..80) {
            let at = line.char_indices().map(|(at, _)| at).nth(at).unwrap_or(line.len());
            let _ = excerpt(&line, &(at..line.len()), true);
        }
    }
}
