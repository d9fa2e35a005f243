//! The headers and cookies of a site and of a group: on every request, beside what the server gave itself.

use super::stage::Stage;
use crate::harness::cometd::Kind;
use crate::harness::proxy::Passed;

#[tokio::test(flavor = "multi_thread")]
async fn every_request_carries_the_sites_headers_and_its_groups() {
    let stage = Stage::on(Kind::Java).await;
    let (key, token) = (stage.secret("X-Api-Key", "hunter2-site"), stage.secret("X-Token", "hunter2-group"));
    let keys = format!(
        "headers.X-Team = \"crm\"\nheaders.X-Unit = \"north\"\nheaders.{key}\
         group.east.headers.X-Unit = \"east\"\ngroup.east.headers.{token}\
         group.east.cookies = {{ ROUTEID = \".2\", LANG = \"de\" }}\n"
    );
    stage.configure(&stage.recorder.url, &keys);
    let roster = format!("agent,username,group\n1001,{},east\n1002,{},\n", stage.users[0], stage.users[1]);
    stage.home.write("agents.csv", &roster);
    let passed = stage.works(&["hunter2"]).await;

    let (east, others): (Vec<Passed>, Vec<Passed>) =
        passed.into_iter().partition(|request| request.cookies.iter().any(|cookie| cookie == "ROUTEID=.2"));
    for (requests, unit, token) in [(&east, "east", &["hunter2-group"][..]), (&others, "north", &[])] {
        let paths: Vec<&str> = requests.iter().map(|request| request.path.as_str()).collect();
        for path in ["/api/v2/me", "/handshake", "/connect", "/api/v2/me?subresources"] {
            assert!(paths.iter().any(|one| one.contains(path)), "{path} is not among {paths:?}");
        }
        for request in requests.iter() {
            assert_eq!(request.header("x-team"), ["crm"], "{}", request.path);
            assert_eq!(request.header("x-api-key"), ["hunter2-site"], "{}", request.path);
            assert_eq!(
                request.header("x-unit"),
                [unit],
                "a group's goes before the site's: {}",
                request.path
            );
            assert_eq!(request.header("x-token"), token, "{}", request.path);
            assert!(request.header("cookie").len() <= 1, "one header holds all cookies");
        }
        let logged_in =
            requests.iter().filter(|one| one.path != "/api/v2/me" && !one.path.contains("version"));
        for request in logged_in {
            let session = request.cookies.iter().any(|cookie| cookie.starts_with("JSESSIONID="));
            let lang = request.cookies.iter().any(|cookie| cookie == "LANG=de");
            assert!(session && lang != token.is_empty(), "{}: {:?}", request.path, request.cookies);
        }
    }
}
