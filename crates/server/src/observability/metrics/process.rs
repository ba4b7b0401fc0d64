//! Metrics of the process from `/proc`. They are available on Linux only.

use engine::metrics::list::{PROCESS_CPU, PROCESS_FDS, PROCESS_MAX_FDS, PROCESS_MEMORY, PROCESS_START};
use engine::metrics::{MetricsPage, NO_LABELS};

/// Ticks per second of the times in `/proc` (`USER_HZ`): 100 on all supported architectures.
const TICKS: u64 = 100;

/// Adds the metrics of the process to the page.
pub(crate) fn print(page: &mut MetricsPage) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    if let Some(times) = times(&read("/proc/self/stat")) {
        page.add_sample(PROCESS_CPU, NO_LABELS, seconds(times.cpu));
        if let Some(booted_at) = number_after(&read("/proc/stat"), "btime ") {
            page.add_sample(
                PROCESS_START,
                NO_LABELS,
                seconds(booted_at.saturating_mul(TICKS) + times.started),
            );
        }
    }
    if let Some(kilobytes) = number_after(&read("/proc/self/status"), "VmRSS:") {
        page.add_sample(PROCESS_MEMORY, NO_LABELS, kilobytes.saturating_mul(1024));
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // Reading the folder itself uses one descriptor.
        page.add_sample(PROCESS_FDS, NO_LABELS, open.count().saturating_sub(1));
    }
    if let Some(limit) = number_after(&read("/proc/self/limits"), "Max open files") {
        page.add_sample(PROCESS_MAX_FDS, NO_LABELS, limit);
    }
}

/// Times of the process in ticks: CPU time, and start time since the boot of the machine.
#[derive(Debug, PartialEq, Eq)]
struct Times {
    cpu: u64,
    started: u64,
}

/// Parses the fields 14, 15 and 22 of `/proc/self/stat`. Field 2 is the name of the program, which may contain spaces and
/// brackets.
fn times(stat: &str) -> Option<Times> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |nth: usize| fields.get(nth.checked_sub(3)?)?.parse::<u64>().ok();
    Some(Times { cpu: number(14)?.saturating_add(number(15)?), started: number(22)? })
}

/// Returns the first number in the line with this prefix.
fn number_after(text: &str, start: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(start))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns ticks in seconds.
fn seconds(ticks: u64) -> String {
    format!("{}.{:02}", ticks / TICKS, ticks % TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed_for_every_program_name() {
        let stat = "42 (way) post) S 1 2 3 4 5 6 7 8 9 10 1234 66 0 0 20 0 8 0 98765 1000000 2000";
        assert_eq!(times(stat), Some(Times { cpu: 1300, started: 98765 }));
        assert_eq!(times("42 (waypost"), None);
        assert_eq!(seconds(1300), "13.00");
        assert_eq!(seconds(1305), "13.05");
    }

    #[test]
    fn a_number_is_parsed_from_its_line() {
        assert_eq!(number_after("VmPeak:\t  9 kB\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2048));
        let limits = "Max open files            1024                 524288               files     \n";
        assert_eq!(number_after(limits, "Max open files"), Some(1024));
        assert_eq!(number_after("Max open files   unlimited", "Max open files"), None);
    }
}
