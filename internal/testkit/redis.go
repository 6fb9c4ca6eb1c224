package testkit

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit/private"
)

// Redis gives the URL of an empty numbered database on a private Redis server,
// emptied again at the test's end. The server is shared by the tests of a
// process, and by all of `make test`: channels of publish and subscribe are
// common to all its databases. Tests that kill it use RedisServer.
func Redis(t testing.TB) string {
	t.Helper()
	server := os.Getenv(EnvRedis)
	if server == "" {
		shared, err := sharedRedis()
		endOn(t, err)
		server = shared.URL
	}
	options, err := redis.ParseURL(server)
	require.NoError(t, err, "%s is not a Redis URL", EnvRedis)
	options.DB = 0
	counter := redis.NewClient(options)
	defer counter.Close()
	number, err := counter.Incr(t.Context(), "testkit:databases").Result()
	require.NoError(t, err, "take a database of the test's Redis")
	own := *options
	own.DB = 1 + int(number)%(private.RedisDatabases-1)
	client := redis.NewClient(&own)
	t.Cleanup(func() {
		defer client.Close()
		assert.NoError(t, client.FlushDB(context.Background()).Err(), "empty the test's Redis database")
	})
	return fmt.Sprintf("redis://%s/%d", own.Addr, own.DB)
}

// RedisServer gives a Redis server of the test's own, for tests that kill and
// restart it.
func RedisServer(t testing.TB) *private.Server {
	t.Helper()
	s := startOrEnd(t, private.StartRedis)
	stopAtEnd(t, s)
	return s
}

var sharedRedis = sync.OnceValues(func() (*private.Server, error) {
	return private.StartRedis(context.Background(), Root())
})
