//! Makes and registers one metric: its full name, its help, its labels.
//!
//! Deliberately absent: any name of a metric.

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// Seconds, from half a millisecond to a minute.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

pub(super) type Registered<T> = Result<T, prometheus::Error>;

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("cometbridge_{name}"), help)
}

fn register<T: Collector + Clone + 'static>(registry: &Registry, metric: T) -> Registered<T> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

pub(super) fn counter(r: &Registry, name: &str, help: &str) -> Registered<IntCounter> {
    register(r, IntCounter::with_opts(opts(name, help))?)
}

pub(super) fn counters(r: &Registry, name: &str, help: &str, labels: &[&str]) -> Registered<IntCounterVec> {
    register(r, IntCounterVec::new(opts(name, help), labels)?)
}

pub(super) fn gauge(r: &Registry, name: &str, help: &str) -> Registered<IntGauge> {
    register(r, IntGauge::with_opts(opts(name, help))?)
}

pub(super) fn gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> Registered<IntGaugeVec> {
    register(r, IntGaugeVec::new(opts(name, help), labels)?)
}

pub(super) fn float_gauge(r: &Registry, name: &str, help: &str) -> Registered<Gauge> {
    register(r, Gauge::with_opts(opts(name, help))?)
}

pub(super) fn float_gauges(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Registered<prometheus::GaugeVec> {
    register(r, prometheus::GaugeVec::new(opts(name, help), labels)?)
}

pub(super) fn float_counter(r: &Registry, name: &str, help: &str) -> Registered<prometheus::Counter> {
    register(r, prometheus::Counter::with_opts(opts(name, help))?)
}

pub(super) fn histogram(r: &Registry, name: &str, help: &str) -> Registered<Histogram> {
    register(r, Histogram::with_opts(HistogramOpts::from(opts(name, help)).buckets(BUCKETS.to_vec()))?)
}

pub(super) fn histograms(r: &Registry, name: &str, help: &str, labels: &[&str]) -> Registered<HistogramVec> {
    register(r, HistogramVec::new(HistogramOpts::from(opts(name, help)).buckets(BUCKETS.to_vec()), labels)?)
}
