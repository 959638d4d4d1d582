// The echo server in Go: [BUFFER], the bytes of a buffer in each connection (4096). Prints the port. GOMAXPROCS, or the affinity mask, says how many threads.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

func echo(c net.Conn, size int) {
	defer c.Close()
	buffer := make([]byte, size)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		if _, err := c.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	time.AfterFunc(120*time.Second, func() { os.Exit(1) }) // whoever has started it may be gone
	size := 4096
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go echo(c, size)
	}
}
