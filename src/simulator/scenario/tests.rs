//! Scenario files: what is read, and what is refused where.

use super::*;
use crate::simulator::faults::{Fault, On};

const EXAMPLE: &str = include_str!("../../../config/examples/scenario.toml");

fn refused(text: &str) -> String {
    Scenario::parse("day.toml", text).unwrap_err().to_string()
}

#[test]
fn the_shipped_example_is_read_and_shows_every_default_it_claims() {
    let example = Scenario::parse("scenario.toml", EXAMPLE).unwrap();
    assert_eq!((example.seed, example.agents.0, example.faults.len()), (1, 5, 9));
    let defaults = Server::default();
    let same = Server { timeout: defaults.timeout, listen: None, ..example.server };
    assert_eq!(same, defaults);
    let usual = Day::default();
    let changed = ["speed", "length", "conversations_per_hour", "states_per_hour"];
    let day = Day {
        speed: usual.speed,
        length: usual.length,
        conversations_per_hour: usual.conversations_per_hour,
        states_per_hour: usual.states_per_hour,
        ..example.day
    };
    assert_eq!(day, usual, "all but {changed:?} are defaults");
}

#[test]
fn an_empty_file_is_a_fair_day() {
    assert_eq!(Scenario::parse("x", "").unwrap(), Scenario::default());
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
    let error = refused("seed = 1\n[day]\nspeeed = 2.0\n");
    assert!(error.contains("day.toml") && error.contains("line 3, column 1"), "{error}");
    assert!(error.contains("`speeed`") && error.contains("`speed`"), "{error}");
}

#[test]
fn a_time_without_unit_is_refused_where_it_stands() {
    let error = refused("[server]\ntimeout = \"20\"\n");
    assert!(error.contains("line 2, column 11") && error.contains("ms, s, m or h"), "{error}");
}

#[test]
fn a_fault_that_does_not_exist_or_lacks_something_is_refused_with_its_line() {
    let error = refused("[[fault]]\nkind = \"cutt\"\nat = \"1s\"\n");
    assert!(
        error.contains("line 1") && error.contains("`cutt`") && error.contains("`lost-reply`"),
        "{error}"
    );
    let error = refused("agents = 3\n[[fault]]\nkind = \"cut\"\nat = \"1s\"\n");
    assert!(error.contains("line 2") && error.contains("missing field `after`"), "{error}");
    let error = refused("[[fault]]\nkind = \"status\"\nstatus = { from = 200, to = 500 }\nat = \"1s\"\n");
    assert!(error.contains("400 to 599"), "{error}");
    let error = refused("[[fault]]\nkind = \"cut\"\nafter = 1\n");
    assert!(error.contains("at and rate_per_minute"), "{error}");
    let error = refused("[[fault]]\nkind = \"restart\"\nmillis = 1\nat = \"1s\"\nusers = 3\n");
    assert!(error.contains("whole server"), "{error}");
    let error = refused("agents = 3\n[[fault]]\nkind = \"drop\"\nat = \"1s\"\nusers = \"agent-4\"\n");
    assert!(error.contains("agent-1 to agent-3"), "{error}");
}

#[test]
fn values_left_to_chance_stay_within_what_is_written() {
    let text = "[[fault]]\nkind = \"status\"\nstatus = [500, 503]\nretry_after = { from = 1, to = 3 }\nat = \"1s\"\nusers = 4\n";
    let scenario = Scenario::parse("x", text).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let struck: Vec<Fault> = (0..50).flat_map(|_| scenario.faults[0].strike(10, &mut rng)).collect();
    assert_eq!(struck.len(), 200);
    for fault in struck {
        let Fault::Status {
            user: Some(_),
            status: 500 | 503,
            retry_after: Some(1..=3),
            on: None::<On>,
            count: 1,
        } = fault
        else {
            panic!("{fault:?}");
        };
    }
}
