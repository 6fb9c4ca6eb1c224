package event

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMessagesReadTheSameInEveryProcess(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	for _, test := range []struct {
		message any
		want    string
	}{
		{Batch{Epoch: "e", Shard: 3, Events: []Event{{Position: 8, Audience: "u:a", Topic: "JOBS", Type: "JobChanged", Object: "o", Parent: "p", Version: 2, State: "s", At: at}}},
			`{"epoch":"e","shard":3,"events":[{"position":8,"audience":"u:a","topic":"JOBS","type":"JobChanged","object":"o","parent":"p","version":2,"state":"s","at":"2026-01-02T03:04:05.000006Z"}]}`},
		{Round{Epoch: "e", Previous: 7, Position: 9, Counts: map[int]int{3: 2}}, `{"epoch":"e","previous":7,"position":9,"counts":{"3":2}}`},
	} {
		got, err := json.Marshal(test.message)
		assert.NoError(t, err, "%T is\n%s", test.message, got)
		assert.Equal(t, test.want, string(got), "%T is\n%s", test.message, got)
	}
}

func TestAnAudiencesShardNeverChanges(t *testing.T) {
	t.Parallel()
	used := map[int]bool{}
	for i := range 10_000 {
		shard := ShardOf(fmt.Sprintf("u:%d", i))
		require.GreaterOrEqual(t, shard, 0, "shard")
		require.Less(t, shard, Shards, "shard")
		used[shard] = true
	}
	assert.Len(t, used, Shards, "%d of %d shards are used", len(used), Shards)
	// FNV-1a, 32 bits, of "" and "a": the published offset basis and vector.
	assert.Equal(t, 0x811c9dc5%Shards, ShardOf(""), "the hash is not FNV-1a")
	assert.Equal(t, 0xe40c292c%Shards, ShardOf("a"), "the hash is not FNV-1a")
}
