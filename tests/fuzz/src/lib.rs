//! What the fuzz targets share: a limit on memory that one input may take, and the settings of a site.
//!
//! Deliberately absent: the targets (a file each under `targets/`) and their seeds (`run.sh` gathers them).

use cometbridge::config::{self, Sources};
use cometbridge::inbound::normalise::{Candidate, Context, Identity, event_id, normalise};
use cometbridge::inbound::settings::SiteConfig;
use cometbridge::inbound::users::Users;
use serde_json::value::RawValue;
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts what Rust code has allocated and not yet freed, and the most of it at a time.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; only counters are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What one input may take beside itself: tables that are filled on first use, messages of errors.
const FLOOR: usize = 1 << 20;

/// Runs the work; it must not have held more than `times` the size of its input, and a floor, at any time.
///
/// # Panics
/// When it did.
pub fn bounded<T>(input: &[u8], times: usize, work: impl FnOnce() -> T) -> T {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = work();
    let most = PEAK.load(Relaxed).saturating_sub(before);
    let limit = FLOOR + times * input.len();
    assert!(most <= limit, "{} bytes of input took {most} bytes of memory, allowed are {limit}", input.len());
    result
}

/// A site as the configuration makes it of its defaults. Its time zone has changes of the clock, so that stamps
/// without an offset fall into them.
pub fn site() -> &'static SiteConfig {
    static SITE: LazyLock<SiteConfig> = LazyLock::new(|| {
        let dir = std::env::temp_dir().join(format!("cometbridge-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory for the configuration");
        let file = dir.join("cometbridge.toml");
        let text = format!(
            "state_dir = \"{dir}\"\n[site.main]\nbase_url = \"https://gws.example.com\"\n\
             time_zone = \"America/New_York\"\n[site.main.roster]\nfile = \"{dir}/agents.csv\"\n\
             passwords = {{ file = \"{dir}/passwords.csv\" }}\n[sink.stdout.out]\nprivacy = \"full\"\n",
            dir = dir.display()
        );
        for (path, text) in [("cometbridge.toml", text.as_str()), ("agents.csv", "x"), ("passwords.csv", "x")]
        {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(dir.join(path)).expect("a file of the configuration");
            file.write_all(text.as_bytes()).expect("the configuration is written");
        }
        let sources = Sources { file: Some(file), ..Sources::default() };
        let mut settings = config::load(&sources).unwrap_or_else(|problems| panic!("{problems}"));
        let _ = std::fs::remove_dir_all(&dir);
        settings.sites.remove(0)
    });
    &SITE
}

/// Normalises one notification within `times` the memory of its input, and checks what must hold of every answer.
///
/// # Panics
/// When it does not.
pub fn check(input: &[u8], times: usize, channel: &str, data: &RawValue) {
    // Not on this input's account.
    let _ = site();
    bounded(input, times, || answer(channel, data));
}

fn answer(channel: &str, data: &RawValue) {
    let nobody = Users::default();
    let cx = Context { site: site(), agent: "1001", users: &nobody, received: 1_795_330_800_000 };
    let candidates = normalise(&cx, channel, data);
    assert!(!candidates.is_empty(), "a notification vanished");
    candidates.iter().for_each(check_candidate);
}

fn check_candidate(candidate: &Candidate) {
    let event = &candidate.event;
    let id = event_id(&candidate.identity, 1);
    let assigned = matches!(candidate.identity, Identity::Assigned);
    assert!(id.is_ascii() && !id.contains('.') && (assigned || !id.is_empty()), "the id {id:?}");
    assert_eq!(event.time.len(), "2014-01-02T22:23:20.126Z".len(), "the time {:?}", event.time);
    assert!(event.time.ends_with('Z'), "the time {:?}", event.time);
    assert!(!event.data.get().contains(['\n', '\r']), "data is not one line");
    serde_json::from_str::<serde::de::IgnoredAny>(event.data.get()).expect("data is JSON");
    if let Some(raw) = &event.raw {
        serde_json::from_str::<serde::de::IgnoredAny>(raw.get()).expect("raw is JSON");
    }
}
