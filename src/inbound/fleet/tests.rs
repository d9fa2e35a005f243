//! Sessions listed page by page, counted, and told as timelines.

use super::*;
use crate::base::time::Clock;
use crate::inbound::normalise::Kinds;
use crate::inbound::reconcile::Finding;
use crate::inbound::settings::testing;
use crate::journal::Gap;
use proptest::prelude::*;

async fn fleet(sites: &[(&str, &[&str])]) -> Fleet {
    let metrics = Metrics::new().unwrap();
    let mut doors = Vec::new();
    for (name, agents) in sites {
        let name: Arc<str> = Arc::from(*name);
        let site = Arc::new(Site::new(testing::site()).await.unwrap());
        let member = || Member {
            view: Arc::new(View::new(&name, metrics.clone(), Clock::manual(1_000))),
            group: Some("north".into()),
        };
        let members = agents.iter().map(|agent| ((*agent).to_owned(), member())).collect();
        let accounts = Arc::new(Accounts::default());
        doors.push(Door { name: name.clone(), site, accounts, members: Mutex::new(members) });
    }
    Fleet { doors: Arc::new(doors), metrics }
}

fn view(fleet: &Fleet, site: &str, agent: &str) -> Arc<View> {
    fleet.door(site).unwrap().members()[agent].view.clone()
}

fn gap(id: &str, from: Option<Millis>, to: Option<Millis>) -> Gap {
    Gap {
        id: id.into(),
        session: "b/1".into(),
        from,
        opened: from.unwrap_or(50),
        to,
        cause: "restart".into(),
        certainty: "certain".into(),
        first: 0,
    }
}

#[tokio::test]
async fn sessions_are_listed_page_by_page_without_one_missing() {
    let fleet = fleet(&[("a", &["1", "2", "x/y"]), ("b", &["1", "3"])]).await;
    let gaps =
        open_gaps(vec![gap("new", Some(9), None), gap("old", Some(5), None), gap("over", Some(1), Some(2))]);
    let mut all = Vec::new();
    let mut asked = Asked { limit: 2, ..Asked::default() };
    for _ in 0..3 {
        let (page, next) = fleet.agents(&asked, &gaps);
        all.extend(page);
        asked.after = next;
    }
    assert_eq!(asked.after, None);
    let names: Vec<String> = all.iter().map(|status| format!("{} {}", status.site, status.agent)).collect();
    assert_eq!(names, ["a 1", "a 2", "a x/y", "b 1", "b 3"]);
    assert_eq!(all[3].gap.as_ref().unwrap().id, "old");
    assert!(all[0].gap.is_none() && all[0].group.as_deref() == Some("north"));
}

#[tokio::test]
async fn sessions_are_listed_by_site_and_by_standing() {
    let fleet = fleet(&[("a", &["1", "2"]), ("b", &["1"])]).await;
    let quiet = view(&fleet, "a", "2");
    quiet.set(Phase::Connected);
    quiet.read(2_000, &Finding::Agrees { open: 0 });
    let none = HashMap::new();
    let list = |site: Option<&str>, standing| {
        let asked = Asked { site: site.map(str::to_owned), standing, limit: 10, after: None };
        fleet.agents(&asked, &none).0.into_iter().map(|found| found.site + &found.agent).collect::<Vec<_>>()
    };
    assert_eq!(list(None, Some(Standing::Quiet)), ["a2"]);
    assert_eq!(list(Some("a"), None), ["a1", "a2"]);
    assert_eq!(list(Some("b"), Some(Standing::Quiet)), Vec::<String>::new());
    assert_eq!(fleet.agent("1", None, &none).len(), 2, "one key may stand in two rosters");
    assert_eq!(fleet.agent("1", Some("b"), &none)[0].standing, "down");
    assert!(fleet.agent("2", Some("b"), &none).is_empty());
}

#[tokio::test]
async fn a_site_is_counted_by_phase_by_standing_and_by_node() {
    let fleet = fleet(&[("a", &["1", "2", "3", "4"])]).await;
    for (agent, node) in [("1", "n1"), ("2", "n2"), ("3", "n1")] {
        let view = view(&fleet, "a", agent);
        view.set(Phase::Connected);
        view.set_ack(agent != "2");
        view.good(1_000);
        view.node(Some(node.to_owned()));
    }
    view(&fleet, "a", "1").heard(1_500, Kinds::NONE);
    let numbers = &fleet.numbers(4_000)["a"];
    assert_eq!((numbers.agents, numbers.without_ack, numbers.silence), (4, 1, 3_000));
    assert_eq!((numbers.nodes, numbers.busiest_node), (2, 2));
    assert_eq!(numbers.by_standing, BTreeMap::from([("live", 1), ("unverified", 2), ("down", 1)]));
    let gauges = &fleet.metrics;
    assert_eq!(gauges.session_standing.with_label_values(&["a", "unverified"]).get(), 2);
    assert_eq!(gauges.site_nodes.with_label_values(&["a"]).get(), 2);
    assert!((gauges.site_node_share.with_label_values(&["a"]).get() - 2.0 / 3.0).abs() < 1e-9);
    fleet.door("a").unwrap().forget("4");
    assert_eq!(fleet.numbers(4_000)["a"].agents, 3);
}

fn told(gaps: &[Gap], began: Option<Millis>, good: Option<Millis>) -> Vec<String> {
    let at = |text: &Option<String>| {
        text.as_ref().map_or(-1, |text| text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    };
    let span = |span: &Span| format!("{}..{} {}", at(&span.from), at(&span.to), span.gapid);
    timeline(gaps, began, good).iter().map(span).collect()
}

#[test]
fn a_timeline_has_the_covered_time_between_the_gaps() {
    assert_eq!(told(&[], None, None), Vec::<String>::new());
    assert_eq!(told(&[], Some(10), Some(20)), ["10..20 "]);
    let gaps = [gap("b", Some(60), Some(70)), gap("a", Some(20), Some(40))];
    assert_eq!(told(&gaps, Some(40), Some(99)), ["-1..20 ", "20..40 a", "40..60 ", "60..70 b", "70..99 "]);
    let gaps = [gap("first", None, Some(60)), gap("now", Some(80), None)];
    assert_eq!(told(&gaps, Some(60), Some(80)), ["-1..60 first", "60..80 ", "80..-1 now"]);
}

proptest! {
    #[test]
    fn every_gap_stands_in_the_timeline_and_no_covered_span_lies_in_one(
        gaps in proptest::collection::vec((0i64..50, proptest::option::of(0i64..30)), 0..8)
    ) {
        let of = |(n, (from, long)): (usize, &(i64, Option<i64>))| {
            gap(&n.to_string(), Some(*from), long.map(|long| from + long))
        };
        let gaps: Vec<Gap> = gaps.iter().enumerate().map(of).collect();
        let spans = timeline(&gaps, None, Some(100));
        let at = |text: &Option<String>, missing| {
            text.as_ref().map_or(missing, |text| text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
        };
        prop_assert_eq!(spans.iter().filter(|span| !span.covered).count(), gaps.len());
        for span in spans.iter().filter(|span| span.covered) {
            let (from, to) = (at(&span.from, i64::MIN), at(&span.to, i64::MAX));
            prop_assert!(from <= to);
            for gap in &gaps {
                let end = gap.to.unwrap_or(i64::MAX);
                prop_assert!(to <= gap.from.unwrap() || from >= end, "{:?} in {:?}", span, gap);
            }
        }
    }
}
