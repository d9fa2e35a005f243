//! What a command that only asks the running daemon needs of the configuration: its text, and the token.

use super::tests::Home;
use super::{Purpose, Settings, load_to};

/// Everything that it names is missing, or kept from whoever asks.
const NOTHING_THERE: &str = r#"
privacy_key = { env = "NOT_SET_HERE" }
[admin]
token = { file = "DIR/secret" }
[site.main]
base_url = "https://gws.example.com"
ca = "DIR/gone.pem"
client_certificate = { credential = "gone" }
headers = { "X-Api-Key" = { file = "DIR/gone" } }
[site.main.roster]
file = "DIR/gone.csv"
passwords = { file = "DIR/wide" }
[sink.webhook.crm]
privacy = "pseudonymous"
url = "https://crm.example.com"
secrets = [{ file = "DIR/gone" }]
"#;

/// The settings, or all problems as they are shown.
fn asked(text: &str) -> Result<Settings, String> {
    let home = Home::new();
    let credentials = [("CREDENTIALS_DIRECTORY", "DIR")];
    load_to(Purpose::Ask, &home.sources(text, &credentials, &[])).map_err(|problems| problems.to_string())
}

#[test]
fn who_only_asks_needs_nothing_that_the_configuration_names_but_the_token() {
    let settings = asked(NOTHING_THERE).unwrap();
    assert_eq!((settings.sites.len(), settings.sinks.len()), (1, 1));
    assert!(settings.sites[0].roster.passwords.is_some() && settings.admin.token.is_some());
    let problems = Home::new().load(NOTHING_THERE, &[("CREDENTIALS_DIRECTORY", "DIR")], &[]).unwrap_err();
    assert_eq!(problems.list().len(), 7, "{problems}");
    assert!(problems.to_string().ends_with("nothing was started"), "{problems}");
}

#[test]
fn without_the_token_or_with_a_mistake_in_the_text_nobody_is_asked() {
    let said = asked(&NOTHING_THERE.replace("DIR/secret", "DIR/gone")).unwrap_err();
    assert!(said.contains("admin.token: the secret's file") && said.contains("does not exist"), "{said}");
    assert!(said.ends_with("1 problem in the configuration; nobody was asked"), "{said}");
    let said = asked(&NOTHING_THERE.replace("[admin]", "[admin]\nlisen = \"127.0.0.1:1\"")).unwrap_err();
    assert!(said.contains("admin.lisen: unknown key"), "{said}");
}
