//! The journal against a model in memory, over random steps and reopenings.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Append { events: u8, conversation: u8, index: i8, content: u8, state: Option<(u8, u8)>, checkpoint: bool },
    Know { events: u8, known: Vec<(u8, u8, bool)>, gap: Option<(u8, u8, bool)> },
    Refuse { session: u8, secret: u8 },
    Forget { session: u8 },
    Settle { sink: u8, back: u8 },
    Trim,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let append = (0u8..4, 0u8..4, any::<i8>(), 0u8..3, proptest::option::of((0u8..3, 0u8..3)), any::<bool>())
        .prop_map(|(events, conversation, index, content, state, checkpoint)| Step::Append {
            events,
            conversation,
            index: index % 3,
            content,
            state,
            checkpoint,
        });
    let known = proptest::collection::vec((0u8..3, 0u8..3, any::<bool>()), 0..5);
    let know = (0u8..2, known, proptest::option::of((0u8..3, 0u8..4, any::<bool>())))
        .prop_map(|(events, known, gap)| Step::Know { events, known, gap });
    prop_oneof![
        8 => append,
        6 => know,
        1 => (0u8..3, 0u8..3).prop_map(|(session, secret)| Step::Refuse { session, secret }),
        1 => (0u8..3).prop_map(|session| Step::Forget { session }),
        4 => (0u8..3, 0u8..4).prop_map(|(sink, back)| Step::Settle { sink, back }),
        2 => Just(Step::Trim),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    last: u64,
    bodies: BTreeMap<u64, String>,
    marks: BTreeMap<(u8, i64), (Vec<Digest>, u32)>,
    states: BTreeMap<u8, Digest>,
    positions: BTreeMap<String, u64>,
    checkpoint: Option<String>,
    known: BTreeMap<(String, String), Known>,
    /// In the order in which each was first written.
    gaps: Vec<Gap>,
    accounts: BTreeMap<String, Account>,
    writes: i64,
}

const SINKS: [&str; 3] = ["a", "b", "c"];

fn name(session: u8) -> String {
    format!("main/{session}")
}

fn digest(kind: &str, n: u8) -> Digest {
    Digest::of(format!("{kind}{n}").as_bytes())
}

async fn opened(temp: &tempfile::TempDir) -> Bench {
    let bench = open(config(temp)).unwrap();
    // The third is settled too, but is not configured: it must hold nothing back.
    let sinks: Vec<_> = SINKS[..2].iter().map(|sink| ((*sink).to_owned(), StartAt::Earliest)).collect();
    bench.journal.register_sinks(&sinks).await.unwrap();
    bench
}

impl Model {
    fn append(&mut self, step: &Step) -> Option<Append> {
        let Step::Append { events, conversation, index, content, state, checkpoint } = step else {
            return None;
        };
        let ids = (0..*events).map(|n| format!("{}-{n}", self.last));
        let mut append = super::events(ids);
        for event in &append.events {
            self.last += 1;
            self.bodies.insert(self.last, event.id.clone());
        }
        let index = i64::from(*index);
        let seen = self.marks.entry((*conversation, index)).or_default();
        let wanted = digest("content", *content);
        if !seen.0.contains(&wanted) {
            seen.0.push(wanted);
            seen.1 += 1;
            let conversation = digest("conversation", *conversation);
            append.marks.push(MarkWrite {
                conversation,
                index,
                content: wanted,
                revision: seen.1,
                at: START,
            });
        }
        if let Some((resource, content)) = state {
            self.states.insert(*resource, digest("state", *content));
            let (resource, content) = (digest("resource", *resource), digest("state", *content));
            append.states.push(StateWrite { resource, content, at: START });
        }
        if *checkpoint {
            let body = format!("at {}", self.last);
            append.checkpoint = Some(Checkpoint { session: "s".to_owned(), body: body.clone() });
            self.checkpoint = Some(body);
        }
        Some(append)
    }

    /// The same resource may stand in it more than once: the last counts.
    fn know(&mut self, step: &Step) -> Option<Append> {
        let Step::Know { events, known, gap } = step else { return None };
        let mut append = super::events((0..*events).map(|n| format!("{}-{n}", self.last)));
        for event in &append.events {
            self.last += 1;
            self.bodies.insert(self.last, event.id.clone());
        }
        for (session, id, open) in known {
            self.writes += 1;
            let one = super::known(&name(*session), &id.to_string(), *open, START + self.writes);
            self.known.insert((one.session.clone(), one.id.clone()), one.clone());
            append.known.push(one);
        }
        if let Some((session, id, open)) = gap {
            self.writes += 1;
            // Ids are one session's own.
            let id = format!("{session}-{id}");
            let one = super::gap(&name(*session), &id, (!open).then_some(START + self.writes));
            match self.gaps.iter_mut().find(|kept| kept.id == id) {
                Some(kept) => *kept = one.clone(),
                None => self.gaps.push(one.clone()),
            }
            append.gaps.push(one);
        }
        Some(append)
    }

    fn forget(&mut self, session: &str) {
        self.known.retain(|(of, _), _| of != session);
        self.gaps.retain(|gap| gap.session != session || gap.to.is_some());
        self.accounts.retain(|of, account| of != session || account.refused.is_some());
    }

    async fn compare_facts(&self, journal: &Journal) {
        let lookup = journal.lookup().unwrap();
        for session in (0..3).map(name) {
            let expected: Vec<Known> =
                self.known.values().filter(|known| known.session == session).cloned().collect();
            assert_eq!(journal.known(&session).await.unwrap(), expected);
            for id in 0..3 {
                let expected = self.known.get(&(session.clone(), id.to_string()));
                assert_eq!(lookup.known(&session, "chat", &id.to_string()).unwrap().as_ref(), expected);
            }
            let open: Vec<&Gap> =
                self.gaps.iter().rev().filter(|gap| gap.session == session && gap.to.is_none()).collect();
            let found = journal.gaps(Some(&session), true, 100).await.unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), open);
        }
        let mut newest = self.gaps.clone();
        newest.reverse();
        assert_eq!(journal.gaps(None, false, 100).await.unwrap(), newest);
        assert_eq!(journal.accounts().await.unwrap(), self.accounts.values().cloned().collect::<Vec<_>>());
    }

    fn trim(&mut self) {
        let floor =
            SINKS[..2].iter().map(|sink| self.positions.get(*sink).copied().unwrap_or(0)).min().unwrap();
        self.bodies.retain(|sequence, _| *sequence > floor);
    }

    async fn compare(&self, bench: &Bench) {
        self.compare_facts(&bench.journal).await;
        let read = bench.journal.read(0, 100_000, usize::MAX).await.unwrap();
        let found: Vec<_> =
            read.events.iter().map(|stored| (stored.sequence, stored.event.id.clone())).collect();
        assert_eq!(found, self.bodies.clone().into_iter().collect::<Vec<_>>());
        assert_eq!(bench.journal.head().borrow().last, self.last);
        assert_eq!(read.through, self.last);
        let lag = bench.journal.lag(0).await.unwrap();
        assert_eq!(lag.events, self.bodies.len() as u64);
        assert_eq!(lag.bytes, read.events.iter().map(|stored| stored.bytes).sum::<u64>());
        let lookup = bench.journal.lookup().unwrap();
        for conversation in 0..4 {
            let expected: Vec<Mark> = self
                .marks
                .range((conversation, i64::MIN)..=(conversation, i64::MAX))
                .map(|((_, index), (digests, revision))| Mark {
                    index: *index,
                    digests: digests.clone(),
                    revision: *revision,
                })
                .collect();
            let found = lookup.conversation(&digest("conversation", conversation)).unwrap();
            assert_eq!(found.map(|found| found.marks).unwrap_or_default(), expected);
        }
        for resource in 0..3 {
            let found = lookup.state(&digest("resource", resource)).unwrap();
            assert_eq!(found, self.states.get(&resource).copied());
        }
        for sink in SINKS {
            let found = bench.journal.position(sink).await.unwrap_or(0);
            assert_eq!(found, self.positions.get(sink).copied().unwrap_or(0));
        }
    }
}

async fn run(steps: Vec<Step>) {
    let temp = tempfile::tempdir().unwrap();
    let (mut bench, mut model) = (opened(&temp).await, Model::default());
    for step in &steps {
        match step {
            Step::Append { .. } => {
                let append = model.append(step).unwrap();
                assert_eq!(settled(bench.journal.append(append)).await.unwrap().last, model.last);
            }
            Step::Know { .. } => {
                let append = model.know(step).unwrap();
                assert_eq!(settled(bench.journal.append(append)).await.unwrap().last, model.last);
            }
            Step::Refuse { session, secret } => {
                // One of them is an account that nothing is refused of.
                let refused = (*secret > 0).then(|| secret.to_string());
                let one = account(&name(*session), refused.as_deref());
                model.accounts.insert(one.session.clone(), one.clone());
                bench.journal.set_account(one).await.unwrap();
            }
            Step::Forget { session } => {
                model.forget(&name(*session));
                settled(bench.journal.append(forget(&name(*session)))).await.unwrap();
            }
            Step::Settle { sink, back } => {
                let (sink, at) = (SINKS[usize::from(*sink)], model.last.saturating_sub(u64::from(*back)));
                let kept = model.positions.entry(sink.to_owned()).or_default();
                *kept = at.max(*kept);
                settled(bench.journal.settle(settle(sink, at))).await.unwrap();
            }
            Step::Trim => {
                bench.journal.trim().await.unwrap();
                model.trim();
            }
            Step::Reopen => {
                bench.journal.close().await;
                bench = opened(&temp).await;
                let points = bench.journal.checkpoints().await.unwrap();
                assert_eq!(points.into_iter().next().map(|point| point.body), model.checkpoint);
            }
        }
        if matches!(step, Step::Trim | Step::Reopen) {
            // The slices between commits may have trimmed what is settled since.
            bench.journal.trim().await.unwrap();
            model.trim();
            model.compare(&bench).await;
        }
    }
    bench.journal.trim().await.unwrap();
    model.trim();
    model.compare(&bench).await;
    bench.journal.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}
