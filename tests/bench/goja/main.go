// Runs a script with goja as the compute benchmark's peer: a fresh runtime for each run.
//
//	goja-peer SCRIPT RUNS
//
// SCRIPT defines main(input), where input is {}. Prints the microseconds of each run, one a line:
// from a new runtime to the JSON of the result.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/dop251/goja"
)

func run(source string, input string) (time.Duration, error) {
	start := time.Now()
	vm := goja.New()
	if err := vm.Set("text", input); err != nil {
		return 0, err
	}
	if _, err := vm.RunString(source + "\n;JSON.stringify(main(JSON.parse(text)))"); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: goja-peer SCRIPT RUNS [INPUT]")
		os.Exit(2)
	}
	source, err := os.ReadFile(os.Args[1])
	runs, bad := strconv.Atoi(os.Args[2])
	if err != nil || bad != nil {
		fmt.Fprintln(os.Stderr, "goja-peer:", err, bad)
		os.Exit(2)
	}
	input := "{}"
	if len(os.Args) > 3 {
		text, err := os.ReadFile(os.Args[3])
		if err != nil {
			fmt.Fprintln(os.Stderr, "goja-peer:", err)
			os.Exit(2)
		}
		input = string(text)
	}
	for i := 0; i < runs; i++ {
		took, err := run(string(source), input)
		if err != nil {
			fmt.Fprintln(os.Stderr, "goja-peer:", err)
			os.Exit(1)
		}
		fmt.Println(took.Microseconds())
	}
}
