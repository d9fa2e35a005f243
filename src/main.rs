//! Arguments in, exit code out.

/// Events are made on one thread and freed on another, which glibc's allocator pays for dearly; librdkafka's records
/// and SQLite's pages come from this one, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    cometbridge::app::main()
}
