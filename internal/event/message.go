package event

import (
	"hash/fnv"
	"strconv"
	"time"
)

// Core NATS subjects of the messages between API processes. Workers know
// nothing of them.
const (
	// SubjectWake wakes the relay: rows were committed.
	SubjectWake = "ctl.outbox"
	// SubjectRounds carries a Round behind the batches of each round.
	SubjectRounds = "ev.rounds"
)

// Shards is the number of subjects that the log is spread over.
const Shards = 64

// ShardOf is the shard of an audience ("u:<user>", "r:<role>" or "a:<author>").
func ShardOf(audience string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(audience))
	return int(h.Sum32() % Shards)
}

// ShardSubject is the subject of a shard, "ev.<shard>".
func ShardSubject(shard int) string { return "ev." + strconv.Itoa(shard) }

// Batch is what the relay publishes on a shard's subject: events in the order
// of their positions.
type Batch struct {
	// Epoch names the log; a restored database gets a new one.
	Epoch  string  `json:"epoch"`
	Shard  int     `json:"shard"`
	Events []Event `json:"events"`
}

// Round is what the relay publishes on SubjectRounds behind the batches of one
// round: everything up to Position has been published. A reader that was given
// something else since the round before has missed something, and reads the
// rows from the database.
type Round struct {
	Epoch string `json:"epoch"`
	// Previous is the Position of the round before, and Position that of the last
	// event of this one. They are the same where a relay only says where it begins.
	Previous int64 `json:"previous"`
	Position int64 `json:"position"`
	// Counts are the numbers of events by shard.
	Counts map[int]int `json:"counts,omitempty"`
}

// Event is one committed change. It names what changed and never carries a
// user's text.
type Event struct {
	Position int64  `json:"position"`
	Audience string `json:"audience"`
	Topic    string `json:"topic"`
	Type     string `json:"type"`
	// Object is the id of what changed, Parent the id of what it belongs to
	// (a translation's note), if anything.
	Object  string    `json:"object"`
	Parent  string    `json:"parent,omitempty"`
	Version int64     `json:"version"`
	State   string    `json:"state,omitempty"`
	At      time.Time `json:"at"`
}
