package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// resident reads what the resident memory of a process consists of, in bytes by kind.
func resident(pid int) (map[string]int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return nil, err
	}
	binary, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return nil, err
	}
	return readMaps(string(data), binary), nil
}

// readMaps adds up the Rss of mappings (proc_pid_smaps(5)) by kind.
func readMaps(text, binary string) map[string]int64 {
	sizes := map[string]int64{}
	kind := ""
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if from, _, ok := strings.Cut(words[0], "-"); ok && !strings.HasSuffix(words[0], ":") {
			name := ""
			if len(words) > 5 {
				name = strings.Join(words[5:], " ")
			}
			kind = kindOf(from, name, binary)
			continue
		}
		if words[0] == "Rss:" && len(words) > 1 {
			kib, err := strconv.ParseInt(words[1], 10, 64)
			if err == nil {
				sizes[kind] += kib << 10
				sizes[total] += kib << 10
			}
		}
	}
	return sizes
}

// kindOf tells what a mapping is by where it begins and its name.
func kindOf(from, name, binary string) string {
	switch {
	case name == binary, name == "" && len(from) <= 8:
		// Behind the file's own mappings, low in the address space, lie its variables.
		return "parley's code and constants"
	case strings.Contains(filepath.Base(name), "onnxruntime"):
		return "ONNX Runtime's library"
	case strings.HasPrefix(name, "/"):
		return "other files"
	case name == "" && !strings.HasPrefix(from, "7f") || strings.HasPrefix(name, "[anon: Go:"):
		// The kernel gives mappings to C high up; Go asks for places of its own, which it
		// draws since 1.26.
		return "Go heap"
	}
	return "C heap and other anonymous memory"
}
