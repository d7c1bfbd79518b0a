//! Parts of long lists: bounded in rows, in bytes and in what is looked at, whatever is asked for.

use channel::api::{MOST_ROWS, Page, Rows};
use serde::Serialize;

/// Bytes after which a part ends, so that it fits a frame whatever its rows hold; one row more may go over it.
const MOST_BYTES: usize = 1 << 20;
/// Things looked at for one part, where not each of them makes a row.
const MOST_LOOKED_AT: usize = 20_000;

/// How many rows a part has at most.
pub(crate) fn limit<C>(page: &Page<C>) -> usize {
    usize::try_from(page.limit.clamp(1, MOST_ROWS)).expect("a few hundred")
}

/// A part of the list whose things, after the one that was seen last, are `things`: pulled one by one, and no more than the part needs.
pub(crate) fn part<T, C, R: Serialize>(
    things: impl Iterator<Item = T>,
    limit: usize,
    cursor: impl Fn(&T) -> C,
    mut row: impl FnMut(T) -> Option<R>,
) -> Rows<R, C> {
    let (mut rows, mut bytes, mut looked_at, mut last) = (Vec::new(), 0, 0, None);
    for thing in things {
        if rows.len() >= limit || bytes >= MOST_BYTES || looked_at >= MOST_LOOKED_AT {
            return Rows { rows, next: last };
        }
        looked_at += 1;
        last = Some(cursor(&thing));
        if let Some(row) = row(thing) {
            bytes += length(&row);
            rows.push(row);
        }
    }
    Rows { rows, next: None }
}

/// Bytes of a row in a frame.
fn length<R: Serialize>(row: &R) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, row).expect("rows are text, numbers and lists");
    count.0
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn part_of(list: &BTreeSet<u32>, after: Option<u32>, limit: usize) -> Rows<u32, u32> {
        let from = after.map_or(0, |after| after + 1);
        part(list.range(from..), limit, |n| **n, |n| (!n.is_multiple_of(3)).then_some(*n))
    }

    /// Asks until there is no more; `between` may change the list after each part.
    fn all(list: &mut BTreeSet<u32>, limit: usize, mut between: impl FnMut(&mut BTreeSet<u32>)) -> Vec<u32> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let rows = part_of(list, after, limit);
            assert!(rows.rows.len() <= limit);
            found.extend(rows.rows);
            after = rows.next;
            if after.is_none() {
                return found;
            }
            between(list);
        }
    }

    proptest! {
        #[test]
        fn the_parts_of_a_list_are_the_whole_of_it_in_order(mut list: BTreeSet<u32>, limit in 1..40usize) {
            let whole: Vec<u32> = list.iter().copied().filter(|n| !n.is_multiple_of(3)).collect();
            prop_assert_eq!(all(&mut list, limit, |_| ()), whole);
        }

        #[test]
        fn what_comes_or_goes_between_parts_neither_hides_nor_repeats_what_stays(
            mut list in proptest::collection::btree_set(0..1000u32, 0..100),
            come in proptest::collection::vec(0..1000u32, 0..50),
            go in proptest::collection::btree_set(0..1000u32, 0..50),
            limit in 1..40usize,
        ) {
            let stays: Vec<u32> =
                list.iter().copied().filter(|n| !n.is_multiple_of(3) && !go.contains(n)).collect();
            let (mut coming, mut going) = (come.into_iter(), go.clone().into_iter());
            let found = all(&mut list, limit, |list| {
                list.extend(coming.by_ref().take(3).filter(|n| !go.contains(n)));
                going.by_ref().take(3).for_each(|n| { list.remove(&n); });
            });
            prop_assert!(found.is_sorted_by(|a, b| a < b), "twice or out of order: {found:?}");
            prop_assert!(stays.iter().all(|n| found.contains(n)), "lost: {stays:?} {found:?}");
        }
    }

    #[test]
    fn a_part_pulls_no_more_than_it_needs_and_goes_on_where_it_stopped() {
        let pulled = Cell::new(0);
        let endless = (0_u64..).inspect(|_| pulled.set(pulled.get() + 1));
        let rows = part(endless, 10, |n| *n, Some);
        assert_eq!((rows.rows.len(), rows.next, pulled.get()), (10, Some(9), 11));
        let rows = part(0_u64.., 10, |n| *n, |_| None::<u64>);
        assert_eq!((rows.rows.len(), rows.next), (0, Some(MOST_LOOKED_AT as u64 - 1)), "looks at so many and says so");
    }

    #[test]
    fn a_part_of_long_rows_fits_a_frame() {
        let rows = part(0_u64.., 500, |n| *n, |_| Some("x".repeat(60_000)));
        assert!(rows.rows.len() < 20 && rows.next.is_some());
        assert!(serde_json::to_vec(&rows).unwrap().len() < channel::frame::LONGEST_FRAME / 4);
    }

    #[test]
    fn a_limit_is_brought_into_its_bounds() {
        for (asked, given) in [(0, 1), (1, 1), (500, 500), (501, 500), (u32::MAX, 500)] {
            assert_eq!(limit(&Page::<u32> { after: None, limit: asked }), given);
        }
    }
}
