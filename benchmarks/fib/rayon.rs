// bench_smoke: --benchmark_filter=fib20
use bench::{expect, Suite};

#[inline(never)]
fn fib(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = rayon::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

fn main() {
    let mut suite = Suite::default();
    suite.add("fib20/Rayon", 21_891, || expect(fib(std::hint::black_box(20)), 6_765));
    suite.add("fib36/Rayon", 48_315_633, || expect(fib(std::hint::black_box(36)), 14_930_352));
    suite.run();
}
