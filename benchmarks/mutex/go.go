// bench_smoke: --benchmark_filter=few|uncontended
package main

import (
	"runtime"
	"sync"
)

const (
	counts    = 1_000_000
	fewCounts = 10_000
)

// measured has so many contenders count to total behind one mutex. All stand at the start before the first begins.
func measured(contenders, total int, whileHeld func()) func() {
	return func() {
		var m sync.Mutex
		var start, ready, all sync.WaitGroup
		value := 0
		start.Add(1)
		ready.Add(contenders)
		all.Add(contenders)
		for i := 0; i < contenders; i++ {
			go func() {
				ready.Done()
				start.Wait()
				for i := 0; i < total/contenders; i++ {
					m.Lock()
					value++
					whileHeld()
					m.Unlock()
				}
				all.Done()
			}()
		}
		ready.Wait()
		start.Done()
		all.Wait()
		expect(value, total)
	}
}

func nothing() {}

func main() {
	add("mutex_uncontended/Go", counts, measured(1, counts, nothing))
	add("mutex_2_contenders/Go", counts, measured(2, counts, nothing))
	add("mutex_1000_contenders/Go", counts, measured(1000, counts, nothing))
	add("mutex_few/Go", fewCounts, measured(100, fewCounts, nothing))
	add("mutex_1000_queued/Go", counts, measured(1000, counts, runtime.Gosched))
	run()
}
