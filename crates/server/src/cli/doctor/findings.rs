//! Findings of `waypost doctor`.

/// Exit codes by area of the failed check. If several areas failed, the first one counts, because it may be the cause of
/// the others.
///
/// Exit code 1 means that `doctor` itself failed. clap exits with 2 if the command line is not valid.
const CODES: [(&str, u8); 5] =
    [("configuration", 2), ("database", 3), ("disk", 4), ("callback", 5), ("meta", 6)];
/// Exit code if a check of an account failed.
const ACCOUNT: u8 = 7;

domain::text_enum! {
    /// Result of a check.
    pub(super) enum Verdict {
        Ok = "ok",
        Warn = "warn",
        Fail = "fail",
    }
}

/// Result of a check with its explanation.
pub(super) struct Finding {
    /// Area of the check: `configuration`, `database`, `account main`.
    pub(super) area: String,
    /// Name of the check.
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    /// Explanation.
    pub(super) text: String,
    /// Advice, unless the check passed.
    pub(super) fix: Option<String>,
}

/// Results of all checks.
pub(super) struct Findings {
    area: String,
    pub(super) all: Vec<Finding>,
}

impl Findings {
    pub(super) fn new() -> Self {
        Self { area: String::new(), all: Vec::new() }
    }

    /// Sets the area of the following results.
    pub(super) fn area(&mut self, area: impl Into<String>) {
        self.area = area.into();
    }

    pub(super) fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(name, Verdict::Ok, text.into(), None);
    }

    pub(super) fn warn(&mut self, name: &'static str, text: impl Into<String>, fix: impl Into<String>) {
        self.add(name, Verdict::Warn, text.into(), Some(fix.into()));
    }

    pub(super) fn fail(&mut self, name: &'static str, text: impl Into<String>, fix: impl Into<String>) {
        self.add(name, Verdict::Fail, text.into(), Some(fix.into()));
    }

    fn add(&mut self, name: &'static str, verdict: Verdict, text: String, fix: Option<String>) {
        self.all.push(Finding { area: self.area.clone(), name, verdict, text, fix });
    }

    /// Returns the exit code of the process.
    pub(super) fn code(&self) -> u8 {
        let failed: Vec<&str> = self
            .all
            .iter()
            .filter(|finding| finding.verdict == Verdict::Fail)
            .map(|finding| finding.area.as_str())
            .collect();
        let first = CODES.iter().find(|(area, _)| failed.contains(area)).map(|(_, code)| *code);
        first.unwrap_or(if failed.is_empty() { 0 } else { ACCOUNT })
    }

    pub(super) fn worst(&self) -> Verdict {
        self.all.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }
}

/// Returns a number of bytes as text with a unit.
pub(super) fn bytes(n: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut integer, mut tenths, mut unit) = (n, 0, 0);
    while integer >= 1024 && unit + 1 < units.len() {
        tenths = (integer % 1024) * 10 / 1024;
        integer /= 1024;
        unit += 1;
    }
    let unit_name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{integer} {unit_name}") } else { format!("{integer}.{tenths} {unit_name}") }
}
