// bench_smoke: --benchmark_filter=event_1k
package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A channel that is closed is Go's event.
func measured(count int) func() {
	return func() {
		begins := make(chan struct{})
		var waiting, gone int64
		var all sync.WaitGroup
		all.Add(count)
		for i := 0; i < count; i++ {
			go func() {
				atomic.AddInt64(&waiting, 1)
				<-begins
				atomic.AddInt64(&gone, 1)
				all.Done()
			}()
		}
		for atomic.LoadInt64(&waiting) != int64(count) {
			runtime.Gosched()
		}
		close(begins)
		all.Wait()
		expect(int(gone), count)
	}
}

func main() {
	add("event_1k/Go", 1_000, measured(1_000))
	add("event_1M/Go", 1_000_000, measured(1_000_000))
	run()
}
