//! Who takes no marketing, and the words by which people say so.
//!
//! **Invariant:** of two wishes the later counts, by the time at which each was made; of two made at the same time the
//! one to be left alone. So the order in which they are heard of, and how often, do not matter.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::text_enum;

/// The words that stop marketing, unless others are set. `CANCEL`, `END` and `QUIT` are not among them: to a shop or a
/// clinic they mean the order or the appointment.
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

/// The words that take it back, unless others are set.
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

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptOutSignal {
    /// No marketing.
    Stop,
    /// Marketing again.
    Start,
}

text_enum! {
    /// Where a wish comes from.
    pub enum OptOutReason {
        /// The application said so.
        Api = "api",
        /// A row of an imported table said so.
        Import = "import",
        /// Meta said so: the person stopped this business's marketing in WhatsApp.
        Meta = "meta",
        /// The person wrote one of the words.
        Keyword = "word",
    }
}

/// What is known of a person's wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptOut {
    /// When the wish that counts was made; `None`: none ever was.
    pub wished_at: Option<Timestamp>,
    /// Since when, and why, the person takes no marketing.
    pub stopped: Option<(Timestamp, OptOutReason)>,
}

impl OptOut {
    /// What is known after a wish that was made at `at`.
    #[must_use]
    pub fn after(self, wish: OptOutSignal, at: Timestamp, reason: OptOutReason) -> Self {
        let stopped = match wish {
            OptOutSignal::Stop => Some((at, reason)),
            OptOutSignal::Start => None,
        };
        match self.wished_at {
            Some(before) if before > at => self,
            Some(before) if before == at => Self { wished_at: Some(at), stopped: self.stopped.max(stopped) },
            Some(_) | None => Self { wished_at: Some(at), stopped },
        }
    }

    /// What is known of one person of whom two things were known.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let Some(at) = other.wished_at else { return self };
        match other.stopped {
            Some((_, reason)) => self.after(OptOutSignal::Stop, at, reason),
            None => self.after(OptOutSignal::Start, at, OptOutReason::Api),
        }
    }
}

/// The words that count.
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
    /// These words; one that is in both lists stops.
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

/// A word as it is compared: letters and digits in small letters, nothing else.
#[must_use]
pub fn normalize(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_that_is_one_of_the_words_is_a_wish() {
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
    fn other_words_take_the_place_of_ours_and_stop_wins() {
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
        fn the_order_of_wishes_does_not_matter(
            wishes in prop::collection::vec((prop::bool::ANY, 0..5_i64, 0..4_usize), 1..6),
            turn in 0..6_usize,
        ) {
            let hear = |wishes: &[(bool, i64, usize)]| {
                wishes.iter().fold(OptOut::default(), |known, (stops, at, reason)| {
                    let wish = if *stops { OptOutSignal::Stop } else { OptOutSignal::Start };
                    let at = Timestamp::from_second(*at).expect("a time");
                    known.after(wish, at, OptOutReason::ALL[*reason])
                })
            };
            let mut turned = wishes.clone();
            turned.rotate_left(turn % wishes.len());
            turned.reverse();
            turned.extend(wishes.clone());
            prop_assert_eq!(hear(&wishes), hear(&turned));
        }
    }
}
