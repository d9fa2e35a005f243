//! What a task of the crew does: it holds an agent's session, or parts with an agent.
//!
//! Deliberately absent: when one begins (see `crew`), and what a session is (`inbound`).

use crate::app::crew::{Begin, Crew, What, Work};
use crate::inbound::fleet::{Left, Maker, Parting};
use crate::inbound::hold;
use crate::inbound::roster::Agent;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What every task does. A session of the start is made at once, so that the fleet shows it.
pub fn work(maker: Arc<Maker>, stop: CancellationToken) -> Work {
    Box::new(move |begin: Begin| -> BoxFuture<'static, ()> {
        let (maker, stop) = (maker.clone(), stop.clone());
        match begin.what {
            What::First(agent) => match maker.session(&begin.site, agent, begin.leave) {
                Some(session) => Box::pin(hold(session, stop)),
                None => Box::pin(async {}),
            },
            What::Hold(ref agent) => {
                let agent = agent.clone();
                Box::pin(later(maker, begin, agent, stop))
            }
            What::Part => Box::pin(part(maker, begin, Parting::ForGood, stop)),
            What::Close => Box::pin(part(maker, begin, Parting::Closing, stop)),
        }
    })
}

/// A session that begins after others: what is stored of it is read then, as an earlier one may just have left.
async fn later(maker: Arc<Maker>, begin: Begin, agent: Agent, stop: CancellationToken) {
    let Begin { site, leave, .. } = &begin;
    if !waited(&begin, &stop).await {
        return;
    }
    if let Err(error) = maker.recall(site, &agent.key).await {
        tracing::error!(site, agent = agent.key, %error, "what is stored of the session can not be read");
    }
    if let Some(session) = maker.session(site, agent, leave.clone()) {
        drop(maker);
        Box::pin(hold(session, stop)).await;
    }
}

async fn part(maker: Arc<Maker>, begin: Begin, how: Parting, stop: CancellationToken) {
    let Begin { site, agent, .. } = &begin;
    if !waited(&begin, &stop).await {
        return;
    }
    tokio::select! {
        parted = maker.part(site, agent, how) => if let Err(error) = parted {
            tracing::error!(site, agent, %error, "what the agent left open could not be closed");
        },
        // The next start closes it.
        () = stop.cancelled() => {}
    }
}

/// Whether the wait went by, and neither a stop nor another wish came.
async fn waited(begin: &Begin, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = begin.leave.cancelled() => false,
        () = tokio::time::sleep(begin.after) => true,
    }
}

/// Begins all sessions of the start. With the agents of `--only` the others are none of our business.
pub fn begin(crew: &mut Crew, maker: &Maker, first: Vec<(String, Vec<Agent>)>, all: bool) {
    for (site, agents) in first {
        agents.into_iter().for_each(|agent| crew.first(&site, agent));
    }
    let Left { agents, open } = maker.started();
    if !all {
        return;
    }
    if agents > 0 {
        tracing::warn!(agents, "agents that were held before stand in no roster any more");
    }
    open.iter().for_each(|(site, agent)| crew.close(site, agent));
}
