// bench_smoke: --benchmark_filter=nqueens8
use bench::{expect, Suite};

#[derive(Clone, Copy)]
struct Board<const N: usize> {
    columns: [i8; N],
}

impl<const N: usize> Board<N> {
    fn safe(&self, row: usize, column: usize) -> bool {
        self.columns[..row].iter().enumerate().all(|(r, &other)| {
            let (other, column) = (i32::from(other), column as i32);
            other != column && (other - column).abs() != (row - r) as i32
        })
    }

    fn with(&self, row: usize, column: usize) -> Self {
        let mut next = *self;
        next.columns[row] = column as i8;
        next
    }
}

fn solve<const N: usize>(board: &Board<N>, row: usize) -> u32 {
    if row == N {
        return 1;
    }
    let mut safe = [0; N];
    let mut count = 0;
    for column in 0..N {
        safe[count] = column;
        count += usize::from(board.safe(row, column));
    }
    if count == 0 {
        return 0;
    }
    place(board, row, &safe[..count])
}

/// The choices of a row: a fork makes two of one.
fn place<const N: usize>(board: &Board<N>, row: usize, safe: &[usize]) -> u32 {
    if let [column] = safe {
        return solve(&board.with(row, *column), row + 1);
    }
    let (left, right) = safe.split_at(safe.len() / 2);
    let (a, b) = rayon::join(|| place(board, row, left), || place(board, row, right));
    a + b
}

fn solutions<const N: usize>() -> u32 {
    solve(&Board { columns: [0; N] }, 0)
}

fn main() {
    let mut suite = Suite::default();
    suite.add("nqueens8/Rayon", 2_056, || expect(solutions::<8>(), 92));
    suite.add("nqueens13/Rayon", 4_674_889, || expect(solutions::<13>(), 73_712));
    suite.run();
}
