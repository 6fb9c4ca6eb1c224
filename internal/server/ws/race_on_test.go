//go:build race

package ws_test

// raceEnabled tells that memory is not what it costs in production.
const raceEnabled = true
