// bench_smoke: --benchmark_filter=fib20
package main

import "sync"

func fib(n int) int {
	if n < 2 {
		return n
	}
	var a int
	var other sync.WaitGroup
	other.Add(1)
	go func() {
		a = fib(n - 1)
		other.Done()
	}()
	b := fib(n - 2)
	other.Wait()
	return a + b
}

func main() {
	add("fib20/Go", 21_891, func() { expect(fib(20), 6_765) })
	// A smaller fib, since Go keeps a goroutine for nearly every call at once: the report compares times per call.
	add("fib36/Go", 1_028_457, func() { expect(fib(28), 317_811) })
	run()
}
