// Package e2e drives the real binary: its tests build it once, run it as
// processes, and talk to it as its clients do. With the race detector on, the
// binary has it too.
package e2e
