//! What a process and its descendants have cost so far, as the kernel accounts for it.

use std::fs;
use std::time::Duration;

use super::Outcome;

/// CPU time of all threads of the process `root` and of its descendants, by the scheduler's own
/// accounting in nanoseconds. Time that threads spent which are gone is not in it.
pub(super) fn cpu_time(root: u32) -> Duration {
    let spent = tree(root).into_iter().flat_map(tasks).filter_map(|task| {
        let line = fs::read_to_string(format!("{task}/schedstat")).ok()?;
        line.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// Memory of the process `root` and of its descendants in bytes, where a page that several
/// processes share counts for each with its share (PSS).
pub(super) fn memory_bytes(root: u32) -> Outcome<u64> {
    let mut kibibytes = 0;
    for pid in tree(root) {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // A child that has ended meanwhile has none.
            Err(_) if pid != root => continue,
            Err(error) => return Err(format!("{path}: {error}").into()),
        };
        kibibytes += self::kibibytes(&text, "Pss:").ok_or(format!("{path} without Pss"))?;
    }
    Ok(kibibytes * 1024)
}

/// Memory of one process, in bytes.
pub(super) struct Memory {
    /// All that is resident, whoever has it as well.
    pub(super) resident: u64,
    /// The same, where a page that several processes share counts with each's share (PSS).
    pub(super) share: u64,
    /// What it has alone.
    pub(super) own: u64,
}

/// Memory of the process `pid` alone.
pub(super) fn memory(pid: u32) -> Outcome<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let bytes = |name: &str| {
        let found = kibibytes(&text, name).ok_or(format!("{path} without {name}"));
        found.map(|kibibytes| kibibytes * 1024)
    };
    let own = bytes("Private_Clean:")? + bytes("Private_Dirty:")?;
    Ok(Memory { resident: bytes("Rss:")?, share: bytes("Pss:")?, own })
}

/// Whether a process has not ended.
pub(super) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The middle of `figures`, NaN where there are none.
pub(super) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 {
        middle(sorted.len() / 2)
    } else {
        f64::midpoint(middle(sorted.len() / 2), middle((sorted.len() / 2).wrapping_sub(1)))
    }
}

/// The least of `figures`.
pub(super) fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::NAN, f64::min)
}

/// The median of `ours / theirs`, round by round: what disturbs one round falls out of its ratio.
pub(super) fn median_ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<_> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    median(&ratios)
}

/// The process `root` and its descendants, parents before children.
pub(super) fn tree(root: u32) -> Vec<u32> {
    let mut pids = vec![root];
    let mut next = 0;
    while let Some(&pid) = pids.get(next) {
        next += 1;
        for task in tasks(pid) {
            let children = fs::read_to_string(format!("{task}/children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    pids
}

/// The folders of the threads of a process; none if it is gone.
fn tasks(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    let entries = entries.into_iter().flatten().flatten();
    entries.map(|entry| entry.path().to_string_lossy().into_owned()).collect()
}

fn kibibytes(rollup: &str, name: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        assert_eq!(least(&[3.0, 1.0, 2.0]), 1.0);
        assert_eq!(median_ratio(&[1.0, 2.0, 9.0], &[2.0, 4.0, 2.0]), 0.5);
    }

    #[test]
    fn pss_is_taken_from_the_rollup() {
        let rollup = "55 - 7f ---p 00000000 00:00 0 [rollup]\nRss:  900 kB\nPss:     451 kB\n";
        assert_eq!(kibibytes(rollup, "Pss:"), Some(451));
        assert_eq!(kibibytes("Pss_Anon: 3 kB\n", "Pss:"), None);
    }

    #[test]
    fn grandchildren_count() {
        // The shell stays until its child ends, and the child until its input does.
        let script = "exec 3<&0; sh -c 'echo ready; read line <&3' & wait";
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let mut output = std::io::BufReader::new(child.stdout.take().expect("piped"));
        std::io::BufRead::read_line(&mut output, &mut String::new()).expect("ready");
        let pids = tree(child.id());
        let memory = memory_bytes(child.id());
        drop(child.stdin.take());
        child.wait().expect("the end");
        assert_eq!(pids.len(), 2);
        assert!(memory.expect("both have memory") > 0);
    }
}
