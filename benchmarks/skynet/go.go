// bench_smoke: --benchmark_filter=skynet_10k
package main

const fan = 10

func tree(first, leaves int, sums chan<- int) {
	if leaves == 1 {
		sums <- first
		return
	}
	each := leaves / fan
	children := make(chan int, fan)
	for i := 0; i < fan; i++ {
		go tree(first+i*each, each, children)
	}
	sum := 0
	for i := 0; i < fan; i++ {
		sum += <-children
	}
	sums <- sum
}

func measured(leaves int) func() {
	return func() {
		sum := make(chan int, 1)
		tree(0, leaves, sum)
		expect(<-sum, leaves*(leaves-1)/2)
	}
}

func main() {
	add("skynet_10k/Go", 10_000, measured(10_000))
	add("skynet_1M/Go", 1_000_000, measured(1_000_000))
	run()
}
