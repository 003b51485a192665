//! The fuzz targets of `tests/fuzz` on their seeds and on mutations of these, the same ones each time: no nightly compiler and no libFuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use stateward_tests::fuzz::TARGETS;
use stateward_tests::root;

#[test]
fn decode_holds() {
    run("decode");
}

#[test]
fn yaml_holds() {
    run("yaml");
}

#[test]
fn patch_holds() {
    run("patch");
}

#[test]
fn answers_hold() {
    run("answers");
}

#[test]
fn every_target_has_seeds_and_is_a_binary_of_three_lines() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, ["answers", "decode", "patch", "yaml"].map(str::to_owned).into(), "each is called above");
    let folder = root().join("tests/fuzz");
    let listed = |below: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder.join(below)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(listed("seeds"), names);
    assert_eq!(listed("targets"), names);
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for name in names {
        assert!(seeds(&name).len() >= 8, "`{name}` has few seeds");
        let target = fs::read_to_string(folder.join(format!("targets/{name}.rs"))).unwrap();
        let body = format!("libfuzzer_sys::fuzz_target!(|data: &[u8]| stateward_tests::fuzz::{name}(data));\n");
        assert!(target.ends_with(&body), "`{name}` is more than a call");
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "`{name}` is not built");
    }
}

/// Runs each seed and its mutations, and says which bytes broke a law.
fn run(target: &str) {
    let (_, body) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    let all: Vec<&[u8]> = seeds.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    let mut broken = Vec::new();
    for (name, seed) in &seeds {
        let mut random = Random::new(seed);
        let mutations =
            (0..MUTATIONS).map(|n| (format!("mutation {n} of `{target}/{name}`"), mutate(seed, &all, &mut random)));
        let inputs = std::iter::once((format!("`{target}/{name}`"), seed.clone())).chain(mutations);
        // The first of each seed is enough to act on.
        broken.extend(inputs.into_iter().find(|(_, data)| breaks_a_law(*body, data)));
    }
    let broken: Vec<String> =
        broken.iter().map(|(what, data)| format!("{what}: b\"{}\"", data.escape_ascii())).collect();
    assert!(broken.is_empty(), "laws were broken, said above in this order, by\n{}", broken.join("\n"));
}

fn breaks_a_law(body: fn(&[u8]), data: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| body(data))).is_err()
}

/// By name, so that every run is the same.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("tests/fuzz/seeds").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect()
}

/// One to four of the changes that libFuzzer makes.
fn mutate(seed: &[u8], seeds: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(data.len() + 1);
        let end = (at + 1 + random.below(16)).min(data.len());
        match random.below(7) {
            0 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => data.insert(at, u8::try_from(random.below(256)).unwrap()),
            2 => drop(data.drain(at.min(end)..end)),
            3 => {
                let copied = data[at.min(end)..end].to_vec();
                let to = random.below(data.len() + 1);
                data.splice(to..to, copied);
            }
            4 => {
                let other = seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let piece = &other[from..(from + random.below(64)).min(other.len())];
                data.splice(at..at, piece.iter().copied());
            }
            5 => data.truncate(at),
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                data.splice(at..at, word.bytes());
            }
        }
    }
    data
}

/// xorshift64*, begun from the seed's bytes.
struct Random(u64);

impl Random {
    fn new(seed: &[u8]) -> Self {
        // FNV-1a
        let hash = seed
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        Self(hash | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(random).unwrap() % limit
    }
}

const MUTATIONS: usize = 2_000;

/// What JSON, YAML, pointers and our scripts are made of.
const WORDS: &[&str] = &[
    "\n",
    "\r\n",
    "\t",
    " ",
    "  ",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    ": ",
    "\"",
    "'",
    "\\",
    "\\ud800",
    "\\u0000",
    "null",
    "true",
    "-1",
    "1e400",
    "0x10",
    "- ",
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "<<: ",
    "? ",
    "|\n",
    ">-\n",
    "!!str ",
    "%YAML",
    "#",
    "@",
    "\u{feff}",
    "\u{2028}",
    "\u{202e}",
    "ß",
    "\u{0}",
    "/",
    "~0",
    "~1",
    "~2",
    "/-",
    "|",
    "finding 0",
    "many 150\n",
    "unit\n",
    "undecided 1",
    "change 4",
    "\"op\":\"move\"",
    "\"kind\":\"List\"",
    "\"items\":[",
    "apiVersion: v1\n",
];
