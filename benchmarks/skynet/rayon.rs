// bench_smoke: --benchmark_filter=skynet_10k
use bench::{expect, Suite};
use rayon::prelude::*;

const FAN: usize = 10;

fn answer(leaves: usize) -> usize {
    leaves * (leaves - 1) / 2
}

fn by_join(first: usize, leaves: usize) -> usize {
    if leaves == 1 {
        first
    } else {
        children(first, leaves / FAN, FAN)
    }
}

/// `count` children of `each` leaves: a fork makes two of one.
fn children(first: usize, each: usize, count: usize) -> usize {
    if count == 1 {
        return by_join(first, each);
    }
    let half = count / 2;
    let (a, b) = rayon::join(|| children(first, each, half), || children(first + half * each, each, count - half));
    a + b
}

fn by_iterator(first: usize, leaves: usize) -> usize {
    if leaves == 1 {
        return first;
    }
    let each = leaves / FAN;
    (0..FAN).into_par_iter().with_max_len(1).map(|i| by_iterator(first + i * each, each)).sum()
}

fn main() {
    let mut suite = Suite::default();
    suite.add("skynet_10k/Rayon", 10_000, || expect(by_join(0, 10_000), answer(10_000)));
    suite.add("skynet_1M/Rayon", 1_000_000, || expect(by_join(0, 1_000_000), answer(1_000_000)));
    suite.add("skynet_1M/Rayon par_iter", 1_000_000, || expect(by_iterator(0, 1_000_000), answer(1_000_000)));
    suite.run();
}
