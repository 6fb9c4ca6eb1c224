//go:build !amd64

package kernel

// Forms lists what this machine can do, the fastest first.
func Forms() []Form { return []Form{{Name: "portable", dots: portable}} }
