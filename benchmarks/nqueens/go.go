// bench_smoke: --benchmark_filter=nqueens8
package main

import "sync"

const most = 11

type board struct {
	size    int
	columns [most]int8
}

func (b *board) safe(row, column int) bool {
	for r := 0; r < row; r++ {
		apart := int(b.columns[r]) - column
		if apart == 0 || apart == row-r || -apart == row-r {
			return false
		}
	}
	return true
}

func solve(b *board, row int) int {
	if row == b.size {
		return 1
	}
	var found [most]int
	var children sync.WaitGroup
	for column := 0; column < b.size; column++ {
		if b.safe(row, column) {
			next := *b
			next.columns[row] = int8(column)
			mine := &found[column]
			children.Add(1)
			go func() {
				*mine = solve(&next, row+1)
				children.Done()
			}()
		}
	}
	children.Wait()
	solutions := 0
	for _, f := range found {
		solutions += f
	}
	return solutions
}

func main() {
	add("nqueens8/Go", 2_056, func() { expect(solve(&board{size: 8}, 0), 92) })
	// A smaller board, which fits into memory: the report compares times per placement.
	add("nqueens13/Go", 166_925, func() { expect(solve(&board{size: 11}, 0), 2_680) })
	run()
}
