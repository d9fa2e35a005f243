//! How much may be in flight, so that the reserve is always enough to get out of a full disk.
//!
//! To trim, the log must first be written into the database, which may have to grow by all of it; then the
//! deletes need room in the log. So the log, a group and a step of trimming are small beside the reserve.

use super::sqlite::PAGE;

/// What the sizes are measured against where no reserve is configured.
const DEFAULT: u64 = 64 << 20;

/// Sizes that follow from the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Log pages at which they are written into the database.
    pub log_pages: u64,
    /// Bytes written after which the log's length is looked at.
    pub look_bytes: u64,
    /// Bytes of one commit.
    pub group_bytes: u64,
    /// Bytes of bodies deleted in one transaction.
    pub trim_bytes: u64,
    /// Pages given back in one transaction.
    pub vacuum_pages: u64,
}

impl Budget {
    pub(super) fn of(reserve_bytes: u64) -> Budget {
        let whole = if reserve_bytes == 0 { DEFAULT } else { reserve_bytes };
        Budget {
            log_pages: (whole / 4 / PAGE).clamp(32, 2_000),
            look_bytes: (whole / 16).clamp(64 << 10, 4 << 20),
            group_bytes: (whole / 8).clamp(64 << 10, 8 << 20),
            trim_bytes: (whole / 16).clamp(64 << 10, 4 << 20),
            vacuum_pages: (whole / 16 / PAGE).clamp(8, 64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_fits_the_reserve() {
        for reserve in [1 << 20, 4 << 20, 64 << 20, 1 << 30] {
            let budget = Budget::of(reserve);
            let log = budget.log_pages * PAGE + 2 * (budget.look_bytes + budget.group_bytes);
            assert!(log + budget.trim_bytes <= reserve, "{budget:?}");
        }
    }
}
