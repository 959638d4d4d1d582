// What the Go programs share: they take the options and write the JSON of Google Benchmark, as far as benchmarks/report needs it.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// expect ends the process if the answer is wrong: a time without a right answer means nothing.
func expect(got, expected int) {
	if got != expected {
		fail(fmt.Errorf("wrong answer %d, expected %d", got, expected))
	}
}

func fail(why error) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

// benchmark is a body that does so many items, on so many threads.
type benchmark struct {
	name    string
	workers int
	items   int
	body    func()
}

var benchmarks []benchmark

// add takes a benchmark for 1, 2, 4, … threads and for as many as there are cores.
func add(name string, items int, body func()) {
	most := runtime.NumCPU()
	if most < 2 {
		most = 2
	}
	for n := 1; n < most; n *= 2 {
		benchmarks = append(benchmarks, benchmark{fmt.Sprintf("%s/workers:%d", name, n), n, items, body})
	}
	benchmarks = append(benchmarks, benchmark{fmt.Sprintf("%s/workers:%d", name, most), most, items, body})
}

// options are those of Google Benchmark. Others that begin with --benchmark_ are taken and ignored.
type options struct {
	filter      *regexp.Regexp
	repetitions int
	minTime     float64
	out         string
	list        bool
}

func fromCommandLine() options {
	o := options{filter: regexp.MustCompile("."), repetitions: 1, minTime: 0.5}
	var err error
	for _, argument := range os.Args[1:] {
		name, value, given := strings.Cut(argument, "=")
		if !given {
			value = "true"
		}
		switch name {
		case "--benchmark_filter":
			o.filter, err = regexp.Compile(value)
		case "--benchmark_repetitions":
			o.repetitions, err = strconv.Atoi(value)
		case "--benchmark_min_time":
			o.minTime, err = strconv.ParseFloat(strings.TrimSuffix(value, "s"), 64)
		case "--benchmark_out":
			o.out = value
		case "--benchmark_list_tests":
			o.list = value == "true"
		default:
			if !strings.HasPrefix(name, "--benchmark_") {
				err = fmt.Errorf("unknown option %s", argument)
			}
		}
		if err != nil {
			fail(err)
		}
	}
	return o
}

// result is what Google Benchmark writes about a repetition.
type result struct {
	Name            string  `json:"name"`
	RunName         string  `json:"run_name"`
	RunType         string  `json:"run_type"`
	Repetitions     int     `json:"repetitions"`
	RepetitionIndex int     `json:"repetition_index"`
	Threads         int     `json:"threads"`
	Iterations      int     `json:"iterations"`
	RealTime        float64 `json:"real_time"`
	CPUTime         float64 `json:"cpu_time"`
	TimeUnit        string  `json:"time_unit"`
	ItemsPerSecond  float64 `json:"items_per_second"`
}

// run does what the command line asks for.
func run() {
	o := fromCommandLine()
	var wanted []benchmark
	for _, b := range benchmarks {
		if o.filter.MatchString(b.name) {
			wanted = append(wanted, b)
		}
	}
	if o.list {
		for _, b := range wanted {
			fmt.Println(b.name)
		}
		return
	}
	iterations := make([]int, len(wanted))
	for i, b := range wanted {
		iterations[i] = b.iterationsFor(o.minTime)
	}
	var results []result
	// Repetition by repetition, so that what disturbs the machine disturbs all alike.
	for repetition := 0; repetition < o.repetitions; repetition++ {
		for i, b := range wanted {
			wall, cpu := b.measure(iterations[i])
			each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(iterations[i]) }
			fmt.Printf("%-60s %15.0f ns %15.0f ns %10d\n", b.name, each(wall), each(cpu), iterations[i])
			results = append(results, result{b.name, b.name, "iteration", o.repetitions, repetition, 1, iterations[i],
				each(wall), each(cpu), "ns", float64(b.items) * 1e9 / each(wall)})
		}
	}
	if o.out != "" && len(results) != 0 {
		text, err := json.Marshal(map[string]any{"context": map[string]any{}, "benchmarks": results})
		if err == nil {
			err = os.WriteFile(o.out, text, 0o666)
		}
		if err != nil {
			fail(err)
		}
	}
	writePeakMemory()
}

// measure gives wall and CPU time of so many runs.
func (b benchmark) measure(iterations int) (wall, cpu time.Duration) {
	runtime.GOMAXPROCS(b.workers)
	debug.FreeOSMemory() // what the one before has left is not this one's to collect
	cpu = cpuTime()
	start := time.Now()
	for i := 0; i < iterations; i++ {
		b.body()
	}
	return time.Since(start), cpuTime() - cpu
}

func (b benchmark) iterationsFor(minTime float64) int {
	iterations := 1
	for {
		wall, _ := b.measure(iterations)
		if wall.Seconds() >= minTime || iterations >= 1_000_000_000 {
			return iterations
		}
		factor := math.Min(math.Max(1.4*minTime/math.Max(wall.Seconds(), 1e-9), 1.1), 10)
		iterations = int(math.Ceil(float64(iterations) * factor))
	}
}

// cpuTime is the user and system time of the process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// writePeakMemory: see peak_memory.cpp.
func writePeakMemory() {
	file, asked := os.LookupEnv("BENCH_PEAK_MEMORY")
	if !asked {
		return
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fail(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM:") {
			if err := os.WriteFile(file, []byte(strings.Fields(line)[1]+"\n"), 0o666); err != nil {
				fail(err)
			}
		}
	}
}
