//! Tests of reading secrets. Deliberately absent: systemd itself (a credential is a file in a directory here).

use super::*;
use secrecy::ExposeSecret;
use std::os::unix::fs::PermissionsExt;

fn file(directory: &tempfile::TempDir, name: &str, content: &[u8], mode: u32) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

async fn read(place: SecretRef) -> Result<String, String> {
    let found = place.read(Some("anna")).await;
    found.map(|secret| secret.expose_secret().to_owned()).map_err(|error| error.to_string())
}

fn sh(script: &str, timeout: Duration) -> SecretRef {
    SecretRef::Exec { command: vec!["/bin/sh".into(), "-c".into(), script.into()], timeout }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_file_loses_one_line_break_and_no_more() {
    let home = tempfile::tempdir().unwrap();
    for (content, expected) in
        [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" a \n\n", " a \n")]
    {
        let path = file(&home, "one", content.as_bytes(), 0o600);
        assert_eq!(read(SecretRef::File(path)).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_file_that_can_not_serve_is_refused_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let large = vec![b'x'; MAX_SECRET + 1];
    let cases = [
        (file(&home, "empty", b"", 0o600), "is empty"),
        (file(&home, "break", b"\n", 0o600), "is empty"),
        (file(&home, "bytes", b"\xff\xfe", 0o600), "is not UTF-8"),
        (file(&home, "large", &large, 0o600), "is larger than 64 KiB"),
        (file(&home, "world", b"x", 0o604), "can be read or written by others (mode 0604)"),
        (file(&home, "group", b"x", 0o640), "can be read or written by others (mode 0640)"),
        (home.path().join("none"), "does not exist"),
        (home.path().to_owned(), "is not a file"),
    ];
    for (path, reason) in cases {
        let error = read(SecretRef::File(path.clone())).await.unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
    let just_right = file(&home, "right", &large[1..], 0o400);
    assert_eq!(read(SecretRef::File(just_right)).await.unwrap().len(), MAX_SECRET);
}

#[test]
fn a_file_handed_over_by_another_user_may_be_read_by_its_group_only() {
    let home = tempfile::tempdir().unwrap();
    let of = |mode| std::fs::metadata(file(&home, "x", b"x", mode)).unwrap();
    let own = of(0o600).uid();
    let other = Some(own + 1);
    assert!(permitted(&of(0o440), other).is_ok());
    assert!(permitted(&of(0o440), Some(own)).is_err());
    assert!(permitted(&of(0o440), None).is_err());
    assert!(permitted(&of(0o444), other).is_err());
    assert!(permitted(&of(0o460), other).is_err());
}

#[tokio::test]
async fn the_environment_is_read_and_a_missing_variable_named() {
    let path = std::env::var("PATH").unwrap();
    assert_eq!(read(SecretRef::Env("PATH".into())).await.unwrap(), path);
    let error = read(SecretRef::Env("COMETBRIDGE_TEST_NOT_THERE".into())).await.unwrap_err();
    assert_eq!(error, "environment variable COMETBRIDGE_TEST_NOT_THERE: is not set");
}

#[test]
fn a_credential_is_one_plain_name_in_its_directory() {
    let directory = Path::new("/run/credentials/x");
    assert_eq!(credential_path(Some(directory), "crm").unwrap(), directory.join("crm"));
    for name in ["", ".", "..", "../crm", "/etc/shadow", "a/b"] {
        assert!(credential_path(Some(directory), name).is_err(), "{name}");
    }
    assert!(credential_path(None, "crm").unwrap_err().contains("LoadCredential"));
}

#[tokio::test]
async fn a_command_gets_the_user_name_and_no_shell() {
    let command = vec!["echo".into(), "{username}; $HOME".into()];
    let place = SecretRef::Exec { command, timeout: LONG };
    assert_eq!(read(place).await.unwrap(), "anna; $HOME");
}

#[tokio::test]
async fn a_command_that_fails_says_why_but_not_what_it_printed() {
    let error = read(sh("echo hunter2; echo hunter2 >&2; exit 3", LONG)).await.unwrap_err();
    assert!(error.contains("exit status: 3") && !error.contains("hunter2"), "{error}");
    let error = read(sh("head -c 70000 /dev/zero", LONG)).await.unwrap_err();
    assert!(error.contains("more than 64 KiB"), "{error}");
    let error = read(sh("true", LONG)).await.unwrap_err();
    assert!(error.contains("is empty"), "{error}");
    let missing = SecretRef::Exec { command: vec!["/nowhere/at-all".into()], timeout: LONG };
    assert!(read(missing).await.unwrap_err().contains("was not found"));
    assert_eq!(read(sh("head -c 65536 /dev/zero", LONG)).await.unwrap().len(), MAX_SECRET);
    // A command that waits for input gets none.
    assert!(read(sh("cat", LONG)).await.unwrap_err().contains("is empty"));
}

#[tokio::test]
async fn a_command_that_hangs_is_stopped() {
    // `exec`, so that no grandchild outlives the test: only the command itself is stopped.
    let error = read(sh("exec sleep 20", Duration::from_millis(50))).await.unwrap_err();
    assert!(error.contains("no answer within 50ms"), "{error}");
}

#[tokio::test]
async fn a_user_name_is_never_taken_for_an_option() {
    let command = vec!["echo".into(), "{username}".into()];
    let place = SecretRef::Exec { command, timeout: LONG };
    assert!(place.read(Some("--help")).await.is_err());
    assert!(place.read(None).await.is_err());
}

#[test]
fn a_bundle_gives_every_password_as_it_stands() {
    let text = "\u{feff}# users\nanna,pass\n\nbert,\" a,b\"\"c \"\r\n\"#carl\",ü\n";
    let found = parse_bundle(text.as_bytes()).unwrap();
    let mut shown: Vec<_> = found.iter().map(|(user, word)| (user.as_str(), word.expose_secret())).collect();
    shown.sort_unstable();
    assert_eq!(shown, [("#carl", "ü"), ("anna", "pass"), ("bert", " a,b\"c ")]);
}

#[test]
fn a_bundle_names_every_bad_line_and_no_user() {
    let text = b"anna,secret1\nbert\n\n# a comment\r\nanna,secret2\ncarl,a,b\n,secret3\ndora,\n\xff,x\n";
    let problems = parse_bundle(text).unwrap_err();
    let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let wrong = |n| {
        format!(
            "has {n} field(s), not 2: expected username,password; quote a field that holds a comma or a quote"
        )
    };
    assert_eq!(
        shown,
        [
            format!("line 2: {}", wrong(1)),
            "line 5: names the same user as line 1".to_owned(),
            format!("line 6: {}", wrong(3)),
            "line 7: the user name is empty".to_owned(),
            "line 8: the password is empty".to_owned(),
            "line 9: the user name is not UTF-8".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_bundle_may_be_larger_than_one_secret() {
    let home = tempfile::tempdir().unwrap();
    let lines: String = (0..10_000).map(|n| format!("user{n},password{n}\n")).collect();
    let path = file(&home, "bundle", lines.as_bytes(), 0o600);
    assert_eq!(SecretRef::File(path.clone()).read_bundle().await.unwrap().len(), 10_000);
    std::fs::write(&path, "anna\n").unwrap();
    let error = SecretRef::File(path.clone()).read_bundle().await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("file {}: line 1: ", path.display())), "{error}");
}

proptest::proptest! {
    #[test]
    fn any_bytes_as_a_bundle_give_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = parse_bundle(&bytes);
    }
}
