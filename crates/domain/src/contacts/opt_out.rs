//! Opt-outs from marketing and the keywords for them.
//!
//! **Invariant:** of two signals, the later signal counts, by the time at which each was given. Of two signals of the
//! same time, the opt-out counts. The order in which signals are received, and repetitions, do not matter.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::text_enum;

/// Default keywords for an opt-out. `CANCEL`, `END` and `QUIT` are no default keywords: customers of shops and clinics
/// use these words for orders and appointments.
pub const STOP_KEYWORDS: &[&str] = &[
    "STOP",
    "STOP ALL",
    "UNSUBSCRIBE",
    "OPT OUT",
    "BAJA",
    "DARME DE BAJA",
    "SAIR",
    "PARAR",
    "DESCADASTRAR",
    "ARRET",
    "ARRÊT",
    "DESABONNER",
    "DÉSABONNER",
    "STOPP",
    "ABMELDEN",
    "ABBESTELLEN",
    "DISISCRIVIMI",
    "AFMELDEN",
    "BERHENTI",
    "СТОП",
    "ОТПИСАТЬСЯ",
    "إلغاء الاشتراك",
    "הסר",
    "बंद करें",
    "退订",
    "停止",
    "수신거부",
];

/// Default keywords for an opt-in.
pub const START_KEYWORDS: &[&str] = &[
    "START",
    "UNSTOP",
    "SUBSCRIBE",
    "OPT IN",
    "ALTA",
    "INSCREVER",
    "ABONNER",
    "ABONNIEREN",
    "ISCRIVIMI",
    "AANMELDEN",
    "MULAI",
    "СТАРТ",
    "ПОДПИСАТЬСЯ",
    "اشتراك",
    "शुरू करें",
    "订阅",
];

/// Signal of a contact about marketing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptOutSignal {
    /// Opt-out: no marketing.
    Stop,
    /// Opt-in: marketing again.
    Start,
}

text_enum! {
    /// Source of a signal.
    pub enum OptOutReason {
        /// A call of the API.
        Api = "api",
        /// A row of an imported table.
        Import = "import",
        /// Meta's report: the contact stopped this business's marketing in WhatsApp.
        Meta = "meta",
        /// A keyword in a message of the contact.
        Keyword = "word",
    }
}

/// State of a contact's opt-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptOut {
    /// Time of the signal that counts; `None` if there was none.
    pub preference_at: Option<Timestamp>,
    /// Time and source of the opt-out; `None` if the contact has not opted out.
    pub opted_out: Option<(Timestamp, OptOutReason)>,
}

impl OptOut {
    /// Returns the state after a signal that was given at `at`.
    #[must_use]
    pub fn after(self, signal: OptOutSignal, at: Timestamp, reason: OptOutReason) -> Self {
        let opted_out = match signal {
            OptOutSignal::Stop => Some((at, reason)),
            OptOutSignal::Start => None,
        };
        match self.preference_at {
            Some(before) if before > at => self,
            Some(before) if before == at => {
                Self { preference_at: Some(at), opted_out: self.opted_out.max(opted_out) }
            }
            Some(_) | None => Self { preference_at: Some(at), opted_out },
        }
    }

    /// Returns the state of a contact that results from a merge of two contacts.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let Some(at) = other.preference_at else { return self };
        match other.opted_out {
            Some((_, reason)) => self.after(OptOutSignal::Stop, at, reason),
            None => self.after(OptOutSignal::Start, at, OptOutReason::Api),
        }
    }
}

/// Keywords for opt-outs and opt-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOutKeywords {
    stop: BTreeSet<String>,
    start: BTreeSet<String>,
}

impl Default for OptOutKeywords {
    fn default() -> Self {
        Self::new(STOP_KEYWORDS, START_KEYWORDS)
    }
}

impl OptOutKeywords {
    /// Creates a set of keywords. A keyword in both lists is an opt-out.
    pub fn new<T: AsRef<str>>(stop: &[T], start: &[T]) -> Self {
        let normalize = |words: &[T]| {
            words.iter().map(|word| normalize(word.as_ref())).filter(|word| !word.is_empty()).collect()
        };
        Self { stop: normalize(stop), start: normalize(start) }
    }

    /// Returns the signal that a text gives: the whole text must be one of the keywords.
    #[must_use]
    pub fn signal(&self, text: &str) -> Option<OptOutSignal> {
        let longest = self.stop.iter().chain(&self.start).map(String::len).max().unwrap_or(0);
        // Punctuation and spaces are ignored, but a text that is much longer than every keyword is not normalized.
        if text.len() > longest.saturating_mul(8) {
            return None;
        }
        let text = normalize(text);
        if self.stop.contains(&text) {
            Some(OptOutSignal::Stop)
        } else {
            self.start.contains(&text).then_some(OptOutSignal::Start)
        }
    }
}

/// Returns a text in the form in which keywords are compared: letters and digits only, in lower case.
#[must_use]
pub fn normalize(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_that_equals_a_keyword_is_a_signal() {
        let keywords = OptOutKeywords::default();
        for text in
            ["STOP", "stop", " Stop! ", "*stop*", "S.T.O.P", "opt-out", "Opt out.", "стоп", "बंद करें।", "Arrêt"]
        {
            assert_eq!(keywords.signal(text), Some(OptOutSignal::Stop), "{text}");
        }
        for text in ["START", "start.", "Opt-in", "订阅"] {
            assert_eq!(keywords.signal(text), Some(OptOutSignal::Start), "{text}");
        }
        for text in ["Please stop by at five", "don't stop", "stop it", "", "!!", "CANCEL", "yes", "stops"] {
            assert_eq!(keywords.signal(text), None, "{text}");
        }
        assert_eq!(keywords.signal(&"stop ".repeat(10_000)), None);
    }

    #[test]
    fn configured_keywords_replace_the_defaults_and_an_opt_out_keyword_takes_precedence() {
        let keywords = OptOutKeywords::new(&["Basta", "¿?"], &["basta", "Go on"]);
        assert_eq!(keywords.signal("basta!"), Some(OptOutSignal::Stop));
        assert_eq!(keywords.signal("go on"), Some(OptOutSignal::Start));
        assert_eq!(keywords.signal("STOP"), None);
        assert_eq!(keywords.signal("?"), None);
        assert_eq!(OptOutKeywords::new::<&str>(&[], &[]).signal("stop"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn the_order_of_signals_does_not_matter(
            signals in prop::collection::vec((prop::bool::ANY, 0..5_i64, 0..4_usize), 1..6),
            rotation in 0..6_usize,
        ) {
            let apply = |signals: &[(bool, i64, usize)]| {
                signals.iter().fold(OptOut::default(), |known, (is_stop, at, reason)| {
                    let signal = if *is_stop { OptOutSignal::Stop } else { OptOutSignal::Start };
                    let at = Timestamp::from_second(*at).expect("a time");
                    known.after(signal, at, OptOutReason::ALL[*reason])
                })
            };
            let mut reordered = signals.clone();
            reordered.rotate_left(rotation % signals.len());
            reordered.reverse();
            reordered.extend(signals.clone());
            prop_assert_eq!(apply(&signals), apply(&reordered));
        }
    }
}
