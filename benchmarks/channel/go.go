// bench_smoke: --benchmark_filter=/Go
package main

const (
	roundTrips = 100_000
	messages   = 1_000_000
	selected   = 200_000
	capacity   = 128
)

func sumBelow(n int) int { return n * (n - 1) / 2 }

func pingPong(kept int) func() {
	return func() {
		there, back := make(chan int, kept), make(chan int, kept)
		go func() {
			for v := range there {
				back <- v
			}
		}()
		sum := 0
		for i := 0; i < roundTrips; i++ {
			there <- i
			sum += <-back
		}
		close(there)
		expect(sum, sumBelow(roundTrips))
	}
}

func stream(tasks int) func() {
	each := messages / tasks
	return func() {
		c := make(chan int, capacity)
		sent, sums := make(chan bool, tasks), make(chan int, tasks)
		for i := 0; i < tasks; i++ {
			go func() {
				for i := 0; i < each; i++ {
					c <- i
				}
				sent <- true
			}()
			go func() {
				sum := 0
				for v := range c {
					sum += v
				}
				sums <- sum
			}()
		}
		for i := 0; i < tasks; i++ {
			<-sent
		}
		close(c)
		sum := 0
		for i := 0; i < tasks; i++ {
			sum += <-sums
		}
		expect(sum, tasks*sumBelow(each))
	}
}

func selectOfFour() {
	var c [4]chan int
	for i := range c {
		c[i] = make(chan int)
	}
	go func() {
		for i := 0; i < selected; i++ {
			c[i%4] <- i
		}
	}()
	sum := 0
	for i := 0; i < selected; i++ {
		select {
		case v := <-c[0]:
			sum += v
		case v := <-c[1]:
			sum += v
		case v := <-c[2]:
			sum += v
		case v := <-c[3]:
			sum += v
		}
	}
	expect(sum, sumBelow(selected))
}

func main() {
	add("ping_pong/Go", roundTrips, pingPong(0))
	add("ping_pong_kept/Go", roundTrips, pingPong(1))
	add("stream_1_1/Go", messages, stream(1))
	add("stream_4_4/Go", messages, stream(4))
	add("select_4/Go", selected, selectOfFour)
	run()
}
