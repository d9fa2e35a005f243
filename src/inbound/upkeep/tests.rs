//! What waits to be read, and what ends it.

use super::*;

fn gap(id: &str) -> Occasion {
    let (session, cause, certainty) = ("main/1".to_owned(), "restart".to_owned(), "certain".to_owned());
    let gap =
        Gap { id: id.to_owned(), session, from: None, opened: 1, to: Some(2), cause, certainty, first: 0 };
    Occasion::Continued { gap, before: Vec::new() }
}

fn hole() -> Occasion {
    hole_of("c")
}

fn hole_of(interaction: &str) -> Occasion {
    Occasion::Hole(Hole { medium: "chat".into(), interaction: interaction.to_owned(), from: 2, to: 3 })
}

const FIRST: Occasion = Occasion::NewSession { gap: None, before: Vec::new() };
const ROUTINE: Occasion = Occasion::Routine { since: 0, heard: None };

fn upkeep(wanted: Vec<Occasion>, reading: Option<Occasion>) -> Upkeep {
    let now = Instant::now();
    let mut upkeep = Upkeep {
        on: true,
        hears: true,
        running: reading
            .is_some()
            .then(|| -> BoxFuture<'static, Finding> { Box::pin(std::future::pending()) }),
        reading: reading.map(Wanted::new),
        queue: Queue::default(),
        telling: None,
        keep_alive_at: now,
        keeping: None,
        routine_at: None,
        since: 0,
        heard: None,
    };
    wanted.into_iter().for_each(|occasion| upkeep.want(occasion));
    upkeep
}

fn queue(upkeep: &Upkeep) -> Vec<String> {
    let word = |wanted: &Wanted| match &wanted.occasion {
        Occasion::Hole(_) => "hole".to_owned(),
        Occasion::Routine { .. } => "routine".to_owned(),
        _ => wanted.gap().map_or("first".to_owned(), |(gap, _)| gap.id.clone()),
    };
    upkeep.queue.wanted.iter().map(word).collect()
}

#[tokio::test]
async fn gaps_are_read_in_their_order_and_before_holes() {
    let upkeep = upkeep(vec![hole(), gap("one"), hole(), gap("two")], None);
    assert_eq!(queue(&upkeep), ["one", "two", "hole", "hole"]);
}

#[tokio::test]
async fn a_new_session_keeps_what_older_ones_left_but_its_own_first_reading() {
    let mut upkeep = upkeep(vec![gap("one"), hole(), FIRST], Some(gap("two")));
    assert!(upkeep.unseen());
    upkeep.pause();
    upkeep.begin(5);
    assert_eq!(queue(&upkeep), ["one", "two", "hole"]);
    assert_eq!(upkeep.unread().count(), 2);
    assert!(!upkeep.unseen() && upkeep.running.is_none());
}

#[tokio::test]
async fn holes_stay_to_be_read_until_they_were_and_the_oldest_comes_first() {
    let mut upkeep = upkeep(vec![gap("one"), hole_of("b"), hole_of("c")], Some(hole_of("a")));
    let names = |upkeep: &Upkeep| upkeep.holes().map(|hole| hole.interaction.clone()).collect::<Vec<_>>();
    assert_eq!(names(&upkeep), ["a", "b", "c"]);
    upkeep.pause();
    upkeep.begin(5);
    assert_eq!(names(&upkeep), ["b", "c", "a"], "what was cut off is wanted still");
    assert_eq!((upkeep.unread().count(), upkeep.unseen()), (1, false));
}

#[tokio::test]
async fn a_comparison_ends_with_the_poll_that_it_leans_on_and_a_repair_does_not() {
    let mut comparing = upkeep(vec![], Some(ROUTINE));
    comparing.hears(true);
    assert!(comparing.running.is_some());
    comparing.hears(false);
    assert!(comparing.running.is_none() && comparing.reading.is_none());
    let mut repairing = upkeep(vec![], Some(gap("one")));
    repairing.hears(false);
    assert!(repairing.running.is_some());
    let mut pausing = upkeep(vec![], Some(ROUTINE));
    pausing.pause();
    assert!(queue(&pausing).is_empty(), "it comes again by itself");
}

#[tokio::test]
async fn beyond_the_limit_the_oldest_hole_is_let_go_then_the_oldest_gap_and_both_stay_to_be_told() {
    let holes = (0..wanted::MAX_WANTED).map(|number| hole_of(&number.to_string()));
    let mut upkeep = upkeep(holes.collect(), None);
    upkeep.want(gap("one"));
    assert_eq!(upkeep.queue.lost_holes().map(|hole| hole.interaction.as_str()).collect::<Vec<_>>(), ["0"]);
    for number in 2..=wanted::MAX_WANTED + 1 {
        upkeep.want(gap(&number.to_string()));
    }
    assert_eq!(upkeep.queue.lost_holes().count(), wanted::MAX_WANTED);
    assert_eq!(upkeep.queue.lost_gaps().map(|(gap, _)| gap.id.as_str()).collect::<Vec<_>>(), ["one"]);
    assert_eq!(upkeep.queue.wanted.len(), wanted::MAX_WANTED);
    assert_eq!((upkeep.holes().count(), upkeep.unread().count()), (64, 65), "the checkpoint has them still");
    upkeep.told(1);
    assert_eq!((upkeep.queue.lost.len(), upkeep.holes().count()), (64, 63));
}
