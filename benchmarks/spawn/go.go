// bench_smoke: --benchmark_filter=10k
package main

import "sync"

const (
	few  = 10_000
	many = 1_000_000
)

// scoped has each goroutine make its own mark, and waits for all.
func scoped(count int) func() {
	marks := make([]uint8, count)
	return func() {
		var all sync.WaitGroup
		all.Add(count)
		for i := 0; i < count; i++ {
			go func(i int) {
				marks[i]++
				all.Done()
			}(i)
		}
		all.Wait()
		for i := range marks {
			expect(int(marks[i]), 1)
			marks[i] = 0
		}
	}
}

// awaited takes each result out of a channel of its own.
func awaited(count int) func() {
	return func() {
		all := make([]chan int, count)
		for i := range all {
			c := make(chan int, 1)
			all[i] = c
			go func(i int) { c <- i }(i)
		}
		sum := 0
		for _, c := range all {
			sum += <-c
		}
		expect(sum, count*(count-1)/2)
	}
}

func main() {
	add("spawn_scope_10k/Go", few, scoped(few))
	add("spawn_scope_1M/Go", many, scoped(many))
	add("spawn_await_10k/Go", few, awaited(few))
	add("spawn_await_1M/Go", many, awaited(many))
	run()
}
