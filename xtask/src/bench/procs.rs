//! What `/proc` says of other processes: memory and processor time.

use std::collections::BTreeSet;
use std::fs;

/// Proportional set size in KiB, or what is resident where only root may look closer.
pub(crate) fn memory_kib(pid: u32) -> f64 {
    let closer = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok().and_then(|text| kib(&text, "Pss:"));
    let resident = || fs::read_to_string(format!("/proc/{pid}/status")).ok().and_then(|text| kib(&text, "VmRSS:"));
    closer.or_else(resident).unwrap_or(0.0)
}

fn kib(text: &str, field: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}

/// Of the process and of all its descendants.
pub(crate) fn tree_memory_kib(pid: u32) -> f64 {
    tree(pid).into_iter().map(memory_kib).sum()
}

/// Seconds of processor that the process used, those of its children that have ended included.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name stands in brackets and may hold anything; what follows it is numbers.
    let numbers = text.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    let ticks: f64 = numbers.split_whitespace().skip(11).take(4).filter_map(|word| word.parse::<f64>().ok()).sum();
    ticks / TICKS_A_SECOND
}

/// The kernel shows times in this unit on every machine Linux runs on today.
const TICKS_A_SECOND: f64 = 100.0;

fn tree(pid: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| with_parent(&entry.file_name().to_string_lossy()))
        .collect();
    let mut found = BTreeSet::from([pid]);
    loop {
        let more: Vec<u32> = parents
            .iter()
            .filter(|(child, parent)| found.contains(parent) && !found.contains(child))
            .map(|(child, _)| *child)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn with_parent(name: &str) -> Option<(u32, u32)> {
    let pid: u32 = name.parse().ok()?;
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = text.rsplit_once(") ")?.1.split_whitespace().nth(1)?.parse().ok()?;
    Some((pid, parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_has_used_the_processor() {
        let own = std::process::id();
        assert!(memory_kib(own) > 100.0);
        assert!(tree_memory_kib(own) >= memory_kib(own) * 0.5);
        assert!(cpu_seconds(own) >= 0.0 && cpu_seconds(own) < 1e6);
        assert!(tree(own).contains(&own));
    }
}
