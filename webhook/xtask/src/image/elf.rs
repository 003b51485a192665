//! The little that an image must know of a program: which architecture it is for, and whether it needs a loader.

/// As OCI spells it. Little-endian 64-bit programs only: there are no others among our targets.
pub(crate) fn architecture(program: &[u8]) -> Option<&'static str> {
    if program.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    match number(program, 18, 2)? {
        62 => Some("amd64"),
        183 => Some("arm64"),
        _ => None,
    }
}

/// Whether a program header of type `PT_INTERP` names a loader.
pub(crate) fn is_dynamic(program: &[u8]) -> bool {
    const PT_INTERP: usize = 3;
    let header = |index: usize| {
        let (start, size) = (number(program, 32, 8)?, number(program, 54, 2)?);
        number(program, start.checked_add(size.checked_mul(index)?)?, 4)
    };
    (0..number(program, 56, 2).unwrap_or(0)).any(|index| header(index) == Some(PT_INTERP))
}

fn number(program: &[u8], offset: usize, bytes: usize) -> Option<usize> {
    let field = program.get(offset..offset.checked_add(bytes)?)?;
    Some(field.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_very_program() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let expected = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        assert_eq!(architecture(&program), Some(expected));
        assert_eq!(is_dynamic(&program), !cfg!(target_feature = "crt-static"));
    }

    #[test]
    fn takes_what_is_no_program_for_none() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01", &[0xff; 64]] {
            assert_eq!(architecture(bytes), None);
            assert!(!is_dynamic(bytes));
        }
    }
}
