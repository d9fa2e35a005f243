//! Trimming on SQLite: bodies that every sink has settled, then whatever has passed its window.
//!
//! Bodies go, marks stay: a mark goes only with its whole conversation, long after its last activity. Work is cut
//! into small transactions that cost no fsync, so that a slice can end between any two of them.

use super::contexts;
use super::drafts;
use super::engine::{Durability, Plan, Trimmed};
use super::facts::expire;
use super::row::{int, uint};
use super::sqlite::{ACTIVITY_GRAIN, Sqlite, keep_tally};
use rusqlite::{Connection, TransactionBehavior, params};
use std::time::Instant;

/// Rows of one transaction.
const ROWS: i64 = 512;

/// How far the search for expired things has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Sweep {
    #[default]
    Done,
    Dead,
    /// Sessions that were forgotten: no window holds what they knew.
    Forgotten,
    /// Conversations up to this number have been looked at.
    Conversations(i64),
    /// States up to this resource have been looked at.
    States(Vec<u8>),
    Known,
    Contexts,
    Gaps,
    Drafts,
    Made,
}

impl Sweep {
    pub(super) fn begin() -> Sweep {
        Sweep::Dead
    }
}

/// Works until `until` or until nothing is left.
pub(super) fn slice(engine: &mut Sqlite, plan: &Plan, until: Instant) -> Result<Trimmed, rusqlite::Error> {
    engine.synchronous(Durability::Lazy)?;
    let mut done = Trimmed::default();
    loop {
        let gone = bodies(engine, plan)?;
        done.bodies = done.bodies.saturating_add(gone);
        if gone == 0 {
            break;
        }
        if Instant::now() >= until {
            done.more = true;
            return Ok(done);
        }
    }
    while engine.sweep != Sweep::Done {
        let tx = engine.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let next = step(&tx, &engine.sweep, plan, &mut done)?;
        tx.commit()?;
        engine.sweep = next;
        if Instant::now() >= until {
            done.more = engine.sweep != Sweep::Done;
            return Ok(done);
        }
    }
    Ok(done)
}

/// One transaction of bodies from the front; how many went.
fn bodies(engine: &mut Sqlite, plan: &Plan) -> Result<u64, rusqlite::Error> {
    let tally = engine.tally;
    let last = {
        let mut front = engine
            .conn
            .prepare_cached("SELECT seq, recorded, bytes FROM event WHERE seq <= ?1 ORDER BY seq LIMIT ?2")?;
        let mut rows = front.query([int(plan.floor), ROWS])?;
        let mut last = None;
        let mut bytes = 0u64;
        while let Some(row) = rows.next()? {
            if bytes >= engine.budget.trim_bytes || row.get::<_, i64>(1)? > plan.bodies_before {
                break;
            }
            last = Some(row.get::<_, i64>(0)?);
            bytes = bytes.saturating_add(uint(row.get(2)?));
        }
        last
    };
    let Some(last) = last else { return Ok(0) };
    let tx = engine.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    keep_tally(&tx, tally)?;
    let gone = tx.prepare_cached("DELETE FROM event WHERE seq <= ?1")?.execute([last])?;
    tx.commit()?;
    Ok(gone as u64)
}

fn step(conn: &Connection, at: &Sweep, plan: &Plan, done: &mut Trimmed) -> Result<Sweep, rusqlite::Error> {
    match at {
        Sweep::Done => Ok(Sweep::Done),
        Sweep::Dead => {
            let (expired, over) = dead(conn, plan)?;
            done.dead_expired = done.dead_expired.saturating_add(expired);
            done.dead_over_limit = done.dead_over_limit.saturating_add(over);
            Ok(if expired > 0 || over > 0 { Sweep::Dead } else { Sweep::Forgotten })
        }
        Sweep::Forgotten => {
            let (more, gone) = expire::forgotten(conn, ROWS)?;
            done.forgotten = done.forgotten.saturating_add(gone);
            Ok(if more { Sweep::Forgotten } else { Sweep::Conversations(0) })
        }
        Sweep::Conversations(after) => {
            let Some(before) = plan.marks_before else { return Ok(Sweep::Done) };
            let (next, gone) = conversations(conn, *after, before.saturating_sub(ACTIVITY_GRAIN))?;
            done.conversations = done.conversations.saturating_add(gone);
            Ok(next.map_or(Sweep::States(Vec::new()), Sweep::Conversations))
        }
        Sweep::States(after) => {
            let Some(before) = plan.marks_before else { return Ok(Sweep::Done) };
            let (next, gone) = states(conn, after, before)?;
            done.states = done.states.saturating_add(gone);
            Ok(next.map_or(Sweep::Known, Sweep::States))
        }
        Sweep::Known => {
            let Some(before) = plan.marks_before else { return Ok(Sweep::Done) };
            let gone = expire::known(conn, before, ROWS)?;
            done.known = done.known.saturating_add(gone);
            Ok(if gone > 0 { Sweep::Known } else { Sweep::Contexts })
        }
        Sweep::Contexts => {
            let Some(before) = plan.marks_before else { return Ok(Sweep::Done) };
            let gone = contexts::rows::expire(conn, before.saturating_sub(ACTIVITY_GRAIN))?;
            done.contexts = done.contexts.saturating_add(gone);
            Ok(if gone > 0 { Sweep::Contexts } else { Sweep::Gaps })
        }
        Sweep::Gaps => {
            let Some(before) = plan.gaps_before else { return Ok(Sweep::Done) };
            let gone = expire::gaps(conn, before, ROWS)?;
            done.gaps = done.gaps.saturating_add(gone);
            Ok(if gone > 0 { Sweep::Gaps } else { Sweep::Drafts })
        }
        Sweep::Drafts => {
            let Some(before) = plan.drafts_before else { return Ok(Sweep::Done) };
            let (steps, gone) = drafts::rows::expire(conn, before)?;
            done.drafts = done.drafts.saturating_add(gone);
            Ok(if steps > 0 { Sweep::Drafts } else { Sweep::Made })
        }
        Sweep::Made => {
            let Some(before) = plan.made_before else { return Ok(Sweep::Done) };
            let gone = drafts::rows::expire_made(conn, before)?;
            done.made = done.made.saturating_add(gone);
            Ok(if gone > 0 { Sweep::Made } else { Sweep::Done })
        }
    }
}

/// Dead letters past their time (and what is parked for sinks that are gone), then those over the limit of one sink, oldest first.
fn dead(conn: &Connection, plan: &Plan) -> Result<(u64, u64), rusqlite::Error> {
    if let Some(before) = plan.dead_before {
        let gone = conn
            .prepare_cached(
                "DELETE FROM dead_letter WHERE number IN
                     (SELECT number FROM dead_letter WHERE last_failure < ?1 AND redrive IS NULL LIMIT ?2)",
            )?
            .execute([before, ROWS])?;
        let parked = super::aside::parked::expire(conn, &plan.sinks, before, ROWS)?;
        if gone > 0 || parked > 0 {
            return Ok((parked.saturating_add(gone as u64), 0));
        }
    }
    let over: Option<(String, i64)> = {
        let mut counted = conn.prepare_cached(
            "SELECT sink, count(*) - ?1 AS over FROM dead_letter WHERE redrive IS NULL GROUP BY sink HAVING over > 0 LIMIT 1",
        )?;
        let mut rows = counted.query([int(plan.max_dead)])?;
        rows.next()?.map(|row| Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?))).transpose()?
    };
    let Some((sink, over)) = over else { return Ok((0, 0)) };
    let gone = conn
        .prepare_cached(
            "DELETE FROM dead_letter WHERE number IN
                 (SELECT number FROM dead_letter WHERE sink = ?1 AND redrive IS NULL ORDER BY seq LIMIT ?2)",
        )?
        .execute(params![sink, over.min(ROWS)])?;
    Ok((0, gone as u64))
}

fn conversations(conn: &Connection, after: i64, before: i64) -> Result<(Option<i64>, u64), rusqlite::Error> {
    let seen: Vec<(i64, i64)> = conn
        .prepare_cached("SELECT num, last_activity FROM conversation WHERE num > ?1 ORDER BY num LIMIT ?2")?
        .query_map([after, ROWS], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut gone = 0u64;
    for (number, _) in seen.iter().filter(|(_, last)| *last < before) {
        conn.prepare_cached("DELETE FROM mark WHERE conversation = ?1")?.execute([number])?;
        conn.prepare_cached("DELETE FROM conversation WHERE num = ?1")?.execute([number])?;
        gone = gone.saturating_add(1);
    }
    Ok((seen.last().map(|(number, _)| *number), gone))
}

fn states(conn: &Connection, after: &[u8], before: i64) -> Result<(Option<Vec<u8>>, u64), rusqlite::Error> {
    let seen: Vec<(Vec<u8>, i64)> = conn
        .prepare_cached("SELECT resource, at FROM state WHERE resource > ?1 ORDER BY resource LIMIT ?2")?
        .query_map(params![after, ROWS], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut gone = 0u64;
    for (resource, _) in seen.iter().filter(|(_, at)| *at < before) {
        conn.prepare_cached("DELETE FROM state WHERE resource = ?1")?.execute([resource])?;
        gone = gone.saturating_add(1);
    }
    Ok((seen.into_iter().last().map(|(resource, _)| resource), gone))
}
