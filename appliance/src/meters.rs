//! Counters of what the edges do, for `/metrics`. They hold numbers and fixed words, never a name or an id.

use datis_engine::wire::RefusalCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::partner::Arrivals;

/// A route and how its requests ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// What a background worker does, as the portal shows it.
#[derive(Debug, Clone)]
pub(crate) struct WorkerView {
    pub(crate) name: &'static str,
    pub(crate) state: WorkerMood,
    /// How far it is, for people.
    pub(crate) progress: Option<String>,
    /// What went wrong last.
    pub(crate) last_error: Option<String>,
    /// When it last ended a round, milliseconds since 1970.
    pub(crate) last_run: Option<i64>,
}

/// The state of a background worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerMood {
    Idle,
    Working,
    Waiting,
    Failed,
}

impl WorkerMood {
    pub(crate) const ALL: [Self; 4] = [Self::Idle, Self::Working, Self::Waiting, Self::Failed];

    /// The word for programs.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }
}

/// Counters of the machine port. Cheap to clone: clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
    refusals: Family<CodeLabel, Counter>,
    turned_away: Family<ReasonLabel, Counter>,
    pub(crate) connections: Gauge,
    pub(crate) uploads: Gauge,
    pub(crate) received_bytes: Counter,
    /// From where connections came lately: no figure, and never shown as one.
    pub(crate) arrivals: Arrivals,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let latencies: fn() -> Histogram = || Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]);
        Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(latencies),
            refusals: Family::default(),
            turned_away: Family::default(),
            connections: Gauge::default(),
            uploads: Gauge::default(),
            received_bytes: Counter::default(),
            arrivals: Arrivals::default(),
        }
    }

    /// `route`: a pattern out of the fixed set that is served, never what the other side sent.
    pub(crate) fn request(&self, route: &str, status: u16, seconds: f64) {
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).inc();
        self.request_seconds.get_or_create(&RouteLabel { route: route.to_owned() }).observe(seconds);
    }

    pub(crate) fn refusal(&self, code: RefusalCode) {
        self.refusals.get_or_create(&CodeLabel { code: format!("{code:?}") }).inc();
    }

    /// A connection that was closed before TLS began.
    pub(crate) fn turned_away(&self, reason: &'static str) {
        self.turned_away.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("datis_requests", "Requests of machines by route and status", self.requests.clone());
        registry.register_with_unit(
            "datis_request",
            "How long requests of machines took",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register("datis_refusals", "Refusals by code", self.refusals.clone());
        registry.register("datis_turned_away", "Connections closed before TLS began", self.turned_away.clone());
        registry.register("datis_connections", "Open connections of machines", self.connections.clone());
        registry.register("datis_uploads", "Packs that are coming in now", self.uploads.clone());
        registry.register_with_unit(
            "datis_received",
            "Bytes of packs taken in",
            Unit::Bytes,
            self.received_bytes.clone(),
        );
    }
}
