//! The machine in words: what a reader needs to place the numbers, and nothing that names it.

use std::fs;
use std::process::Command;

/// Cores, CPU, kernel, Rust.
pub fn in_words() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = first_of("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let virtual_machine = fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor"));
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // `6.18.44-name` -> `6.18`: the rest names a build.
    let kernel: Vec<&str> = release.trim().split(['.', '-']).take(2).collect();
    format!(
        "{cores} {}cores of {} ({}), Linux {}, {}",
        if virtual_machine { "virtual " } else { "" },
        cpu.split_whitespace().collect::<Vec<_>>().join(" "),
        std::env::consts::ARCH,
        kernel.join("."),
        rust().unwrap_or_else(|| "unknown Rust".to_owned())
    )
}

/// How busy it was before the measurement: above the number of cores every time here is too long.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

fn first_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// `Rust 1.95.0`.
fn rust() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(format!("Rust {}", text.split_whitespace().nth(1)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn says_cores_kernel_and_rust() {
        let words = super::in_words();
        for part in ["cores of ", "Linux ", "Rust 1."] {
            assert!(words.contains(part), "{words}");
        }
    }
}
