// The same with goroutines: PROCS COUNT.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func resident() float64 {
	text, _ := os.ReadFile("/proc/self/statm")
	var all, pages float64
	fmt.Sscan(string(text), &all, &pages)
	return pages * float64(os.Getpagesize())
}

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)*1e-6
}

func main() {
	procs, count := 1, 1000000
	if len(os.Args) > 2 {
		procs, _ = strconv.Atoi(os.Args[1])
		count, _ = strconv.Atoi(os.Args[2])
	}
	runtime.GOMAXPROCS(procs)
	seed := uint64(42)
	var awake int64
	var all sync.WaitGroup
	all.Add(count)
	before, begun, used := resident(), time.Now(), cpu()
	for i := 0; i < count; i++ {
		length := 1500 * time.Millisecond
		if i > 0 {
			seed = seed*6364136223846793005 + 1442695040888963407
			length = 500*time.Millisecond + time.Duration((seed>>33)%1000000000)
		}
		go func() {
			time.Sleep(length)
			atomic.AddInt64(&awake, 1)
			all.Done()
		}()
	}
	time.Sleep(250 * time.Millisecond)
	asleep := resident()
	all.Wait()
	if awake != int64(count) {
		os.Exit(1)
	}
	fmt.Printf("%.3f %.3f %.0f\n", (time.Since(begun) - 1500*time.Millisecond).Seconds(), cpu()-used, (asleep-before)/float64(count))
}
