//! Arguments in, exit code out.

/// A quarter of what a delivery cost was memory that one thread takes and another gives back, which glibc is slow at.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    cometbridge::app::main()
}
