//! What a notification tells of a failure: a code and a text.
//!
//! GWS does not say where they stand, so they are looked for beside the resource, in it, and in an object of either.
//! Deliberately absent: which notifications tell of a failure.

use super::fields::Fields;

/// Free data, where such names are the business's own, and what the server tells of itself.
const PASSED_OVER: &[&str] = &["userData", "extensions", "customFields", "metrics"];
/// The notification, its members, and theirs.
const LEVELS: usize = 3;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Option<String>,
    pub(super) text: Option<String>,
}

/// What stands nearest to the top counts.
pub(super) fn told(fields: &Fields<'_>) -> Failure {
    let mut found = Failure::default();
    let mut inner: Vec<Fields<'_>> = Vec::new();
    for level in 0..LEVELS {
        let all = if level == 0 { std::slice::from_ref(fields) } else { inner.as_slice() };
        for one in all {
            let here = said(one, level == 0);
            found.code = found.code.or(here.code);
            found.text = found.text.or(here.text);
        }
        if found.code.is_some() && found.text.is_some() {
            break;
        }
        inner = all.iter().flat_map(|one| one.objects(PASSED_OVER)).collect();
    }
    found
}

/// Of what is no error: only what stands beside the resource, or in it.
pub(super) fn near(fields: &Fields<'_>, resource: &Fields<'_>) -> Failure {
    Failure {
        code: fields.numeral("errorCode").or_else(|| resource.numeral("errorCode")),
        text: fields.text("errorMessage").or_else(|| resource.text("errorMessage")),
    }
}

/// A plain `code` is one of an error at the top, or beside the error's text.
fn said(fields: &Fields<'_>, top: bool) -> Failure {
    let text = fields.text("errorMessage").or_else(|| fields.numeral("errorMessage"));
    let code = fields.numeral("errorCode");
    let plain = || if top || text.is_some() { fields.numeral("code") } else { None };
    Failure { code: code.or_else(plain), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::value::RawValue;

    #[rstest]
    #[case(r#"{"errorMessage":"no","errorCode":12}"#, "12", "no")]
    #[case(r#"{"errorMessage":"no","code":1700}"#, "1700", "no")]
    #[case(r#"{"code":1700}"#, "1700", "")]
    #[case(r#"{"error":{"errorCode":7,"errorMessage":"nested"},"callUri":"/calls/1"}"#, "7", "nested")]
    #[case(r#"{"chat":{"error":{"errorCode":9,"errorMessage":"deep"}}}"#, "9", "deep")]
    #[case(r#"{"chat":{"errorCode":9},"errorMessage":"above"}"#, "9", "above")]
    #[case(r#"{"errorMessage":17,"errorCode":5.0}"#, "5", "17")]
    #[case(r#"{"chat":{"userData":{"errorCode":1,"errorMessage":"x"},"code":4}}"#, "", "")]
    #[case(r#"{"metrics":{"errorCode":1},"x":[{"errorCode":1}]}"#, "", "")]
    fn code_and_text_are_found_wherever_they_stand(
        #[case] json: &str,
        #[case] code: &str,
        #[case] text: &str,
    ) {
        let json = RawValue::from_string(json.to_owned()).unwrap();
        let found = told(&Fields::of(&json).unwrap());
        assert_eq!(
            (found.code.unwrap_or_default(), found.text.unwrap_or_default()),
            (code.into(), text.into())
        );
    }
}
