//! A unified diff, as `git apply` and `patch -p1` read it, of a file of which it is known what was changed.

use std::io::{self, Write};
use std::ops::Range;

/// Bytes of a text, and what stands there now.
pub type Changed = (Range<usize>, String);

/// Writes the diff of one file. The changes are in order and share no byte.
pub fn write(file: &str, text: &str, changes: &[Changed], out: &mut dyn Write) -> io::Result<()> {
    let name = file.strip_prefix("./").unwrap_or(file).trim_start_matches('/');
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let edits = by_line(text, &lines, changes);
    if edits.is_empty() {
        return Ok(());
    }
    writeln!(out, "--- a/{name}\n+++ b/{name}")?;
    let (mut added, mut removed) = (0, 0);
    let mut rest = edits.as_slice();
    while let Some(first) = rest.first() {
        // What is nearer than the lines around both is one part.
        let is_near = |pair: &[Edit]| matches!(pair, [a, b] if b.old.start <= a.old.end + 2 * AROUND);
        let count = 1 + rest.windows(2).take_while(|pair| is_near(pair)).count();
        let (part, after) = rest.split_at(count);
        let last = part.last().map_or(first.old.end, |edit| edit.old.end);
        let shown = first.old.start.saturating_sub(AROUND)..(last + AROUND).min(lines.len());
        let more: usize = part.iter().map(|edit| edit.new.len()).sum();
        let fewer: usize = part.iter().map(|edit| edit.old.len()).sum();
        let (old, new) = (shown.len(), shown.len() + more - fewer);
        writeln!(out, "@@ -{} +{} @@", range(shown.start, old), range(shown.start + added - removed, new))?;
        let mut at = shown.start;
        for edit in part {
            each(' ', lines.get(at..edit.old.start), out)?;
            each('-', lines.get(edit.old.clone()), out)?;
            for line in &edit.new {
                one('+', line, out)?;
            }
            at = edit.old.end;
        }
        each(' ', lines.get(at..shown.end), out)?;
        added += more;
        removed += fewer;
        rest = after;
    }
    Ok(())
}

/// Whole lines, and what takes their place.
#[derive(Debug)]
struct Edit {
    old: Range<usize>,
    new: Vec<String>,
}

fn by_line(text: &str, lines: &[&str], changes: &[Changed]) -> Vec<Edit> {
    let mut starts = vec![0];
    for line in lines {
        starts.push(starts.last().copied().unwrap_or_default() + line.len());
    }
    let line_of =
        |at: usize| starts.partition_point(|&start| start <= at).saturating_sub(1).min(lines.len().saturating_sub(1));
    let start_of = |line: usize| starts.get(line).copied().unwrap_or(text.len());
    let mut edits: Vec<Edit> = Vec::new();
    let mut rest = changes;
    while let Some((first, _)) = rest.first() {
        let from = line_of(first.start);
        let mut until = line_of(first.end).max(from) + 1;
        // Up to a line that no change touches.
        let mut count = 1;
        while let Some((next, _)) = rest.get(count).filter(|(next, _)| line_of(next.start) < until) {
            until = until.max(line_of(next.end) + 1);
            count += 1;
        }
        let (here, after) = rest.split_at(count);
        let mut new = String::new();
        let mut at = start_of(from);
        for (span, written) in here {
            new.push_str(text.get(at..span.start).unwrap_or_default());
            new.push_str(written);
            at = span.end;
        }
        new.push_str(text.get(at..start_of(until)).unwrap_or_default());
        let old = lines.get(from..until).unwrap_or_default();
        edits.extend(trimmed(from, old, &new.split_inclusive('\n').collect::<Vec<_>>()));
        rest = after;
    }
    edits
}

/// Without the lines at both ends that are as they were.
fn trimmed(from: usize, old: &[&str], new: &[&str]) -> Option<Edit> {
    let before = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(before..)?, new.get(before..)?);
    let behind = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let start = from + before;
    let edit = Edit {
        old: start..start + old.len() - behind,
        new: new.iter().take(new.len() - behind).map(|&line| line.to_owned()).collect(),
    };
    (!edit.old.is_empty() || !edit.new.is_empty()).then_some(edit)
}

/// Of no lines, the line before them.
fn range(start: usize, count: usize) -> String {
    let first = if count == 0 { start } else { start + 1 };
    if count == 1 { first.to_string() } else { format!("{first},{count}") }
}

fn each(mark: char, lines: Option<&[&str]>, out: &mut dyn Write) -> io::Result<()> {
    lines.unwrap_or_default().iter().try_for_each(|line| one(mark, line, out))
}

fn one(mark: char, line: &str, out: &mut dyn Write) -> io::Result<()> {
    match line.strip_suffix('\n') {
        Some(line) => writeln!(out, "{mark}{line}"),
        None => writeln!(out, "{mark}{line}\n\\ No newline at end of file"),
    }
}

/// Lines before and behind a change.
const AROUND: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, changes: &[(&str, &str)], expected: &str) {
        let changes: Vec<Changed> = changes
            .iter()
            .map(|(old, new)| {
                let start = text.find(old).unwrap();
                (start..start + old.len(), (*new).to_owned())
            })
            .collect();
        let mut out = Vec::new();
        write("./x/a.yaml", text, &changes, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn lines_around_a_change_are_shown() {
        check(
            "a\nb\nc\nd: 0\ne\nf\ng\nh\n",
            &[("0", "30")],
            "--- a/x/a.yaml\n+++ b/x/a.yaml\n@@ -1,7 +1,7 @@\n a\n b\n c\n-d: 0\n+d: 30\n e\n f\n g\n",
        );
        check("a\n", &[], "");
    }

    #[test]
    fn added_and_removed_lines_move_those_behind_them() {
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12",
            &[("2", "2\nx\ny"), ("12", "z")],
            "--- a/x/a.yaml\n+++ b/x/a.yaml\n@@ -1,5 +1,7 @@\n 1\n 2\n+x\n+y\n 3\n 4\n 5\n@@ -9,4 +11,4 @@\n 9\n 10\n 11\n-12\n\\ No newline at end of file\n+z\n\\ No newline at end of file\n",
        );
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
            &[("2\n", ""), ("10\n", "")],
            "--- a/x/a.yaml\n+++ b/x/a.yaml\n@@ -1,5 +1,4 @@\n 1\n-2\n 3\n 4\n 5\n@@ -7,4 +6,3 @@\n 7\n 8\n 9\n-10\n",
        );
    }
}
