//! Languages of templates.

use crate::check::{Item, nearest};

/// Meta's language codes, in Meta's order (Meta: Supported languages,
/// <https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates/supported-languages>).
const CODES: [&str; 111] = [
    "af", "sq", "ar", "ar_EG", "ar_AE", "ar_LB", "ar_MA", "ar_QA", "az", "be_BY", "bn", "bn_IN", "bg", "ca",
    "zh_CN", "zh_HK", "zh_TW", "hr", "cs", "da", "prs_AF", "nl", "nl_BE", "en", "en_GB", "en_US", "en_AE",
    "en_AU", "en_CA", "en_GH", "en_IE", "en_IN", "en_JM", "en_MY", "en_NZ", "en_QA", "en_SG", "en_UG",
    "en_ZA", "et", "fil", "fi", "fr", "fr_BE", "fr_CA", "fr_CH", "fr_CI", "fr_MA", "ka", "de", "de_AT",
    "de_CH", "el", "gu", "ha", "he", "hi", "hu", "id", "ga", "it", "ja", "kn", "kk", "rw_RW", "ko", "ky_KG",
    "lo", "lv", "lt", "mk", "ms", "ml", "mr", "nb", "ps_AF", "fa", "pl", "pt_BR", "pt_PT", "pa", "ro", "ru",
    "sr", "si_LK", "sk", "sl", "es", "es_AR", "es_CL", "es_CO", "es_CR", "es_DO", "es_EC", "es_HN", "es_MX",
    "es_PA", "es_PE", "es_ES", "es_UY", "sw", "sv", "ta", "te", "th", "tr", "uk", "ur", "uz", "vi", "zu",
];

/// Reads a language code.
pub(crate) fn read(item: &Item<'_, '_>) -> Option<String> {
    let item =
        item.about("Meta's code of the language.").pattern("^[a-z]{2,3}(_[A-Z]{2})?$").example("en_GB");
    let text = item.string(1..=15)?;
    if CODES.contains(&text) {
        return Some(text.to_owned());
    }
    let swapped = text.replace('-', "_");
    let guess = CODES.iter().copied().find(|code| code.eq_ignore_ascii_case(&swapped));
    let guess = guess.or_else(|| nearest(text, &CODES));
    let guess = guess.map(|code| format!("; did you mean `{code}`?")).unwrap_or_default();
    item.refuse(format!("must be one of Meta's language codes, such as `en` or `pt_BR`{guess}"));
    None
}
