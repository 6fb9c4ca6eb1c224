// Package paper is what the load tools put on paper alike: what was measured on, numbers
// for readers, and sections of a document.
package paper

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine says what figures were measured on.
func Machine() string {
	parts := []string{fmt.Sprintf("%d cores", runtime.NumCPU())}
	if model := lineOf("/proc/cpuinfo", "model name"); model != "" {
		parts = append(parts, model)
	}
	if total := lineOf("/proc/meminfo", "MemTotal"); total != "" {
		var kib int64
		if _, err := fmt.Sscan(total, &kib); err == nil {
			parts = append(parts, fmt.Sprintf("%.1f GiB memory", float64(kib)/(1<<20)))
		}
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		parts = append(parts, runtime.GOOS+" "+strings.TrimSpace(string(kernel)))
	}
	return strings.Join(append(parts, runtime.GOOS+"/"+runtime.GOARCH, runtime.Version()), ", ")
}

// lineOf gives what follows the colon of the first line that begins with name.
func lineOf(file, name string) string {
	data, err := os.ReadFile(file) //nolint:gosec // a file of the kernel
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Commit names the source tree.
func Commit(root string) string {
	return output("git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12")
}

// Version is what a parley says of itself.
func Version(binary string) string { return output(binary, "version") }

// output gives what a command prints, "unknown" where it fails.
func output(name string, args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// LoadAverage is that of the last minute, 0 where the system tells none.
func LoadAverage() float64 {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(data), " ")
	value, _ := strconv.ParseFloat(first, 64)
	return value
}

// OwnCPU is the time that this process has spent on all cores, user and system.
func OwnCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
