package cache

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is a Cache in Redis, shared by all processes. An entry is a hash with
// the fields v (version) and d (data, absent in a tombstone).
type Redis struct {
	client *redis.Client
	name   string
}

// putScript stores a version unless a higher one is there.
var putScript = redis.NewScript(`
local seen = redis.call('HGET', KEYS[1], 'v')
if seen and tonumber(seen) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'd', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`)

// invalidateScript writes a tombstone unless that version or a higher one is
// there.
var invalidateScript = redis.NewScript(`
local seen = redis.call('HGET', KEYS[1], 'v')
if seen and tonumber(seen) >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`)

// countScript adds to a counter and lets it expire after its first addition.
var countScript = redis.NewScript(`
local n = redis.call('INCRBY', KEYS[1], ARGV[1])
if n == tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {n, redis.call('PTTL', KEYS[1])}`)

// OpenRedis connects to a redis:// URL and checks that it answers. Keys begin
// with "parley:".
func OpenRedis(ctx context.Context, url string) (*Redis, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("the Redis URL can't be read: %w", err)
	}
	r := &Redis{client: redis.NewClient(opts), name: "redis at " + opts.Addr}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := r.client.Ping(ctx).Err(); err != nil {
		_ = r.client.Close()
		return nil, fmt.Errorf("%s does not answer: %w", r.name, err)
	}
	return r, nil
}

func (r *Redis) key(key string) string { return "parley:" + key }

// Get implements Cache.
func (r *Redis) Get(ctx context.Context, key string) ([]byte, bool, error) {
	data, err := r.client.HGet(ctx, r.key(key), "d").Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cache get: %w", err)
	}
	return data, true, nil
}

// Put implements Cache.
func (r *Redis) Put(ctx context.Context, key string, version int64, value []byte, ttl time.Duration) error {
	err := putScript.Run(ctx, r.client, []string{r.key(key)}, strconv.FormatInt(version, 10), value, ttl.Milliseconds()).Err()
	if err != nil {
		return fmt.Errorf("cache put: %w", err)
	}
	return nil
}

// Invalidate implements Cache.
func (r *Redis) Invalidate(ctx context.Context, key string, version int64) error {
	err := invalidateScript.Run(ctx, r.client, []string{r.key(key)}, strconv.FormatInt(version, 10), Tombstone.Milliseconds()).Err()
	if err != nil {
		return fmt.Errorf("cache invalidate: %w", err)
	}
	return nil
}

// Count implements Cache.
func (r *Redis) Count(ctx context.Context, key string, n int64, ttl time.Duration) (int64, time.Duration, error) {
	got, err := countScript.Run(ctx, r.client, []string{r.key("count:" + key)}, n, ttl.Milliseconds()).Int64Slice()
	if err != nil || len(got) != 2 {
		return 0, 0, fmt.Errorf("cache count: %w", err)
	}
	return got[0], time.Duration(got[1]) * time.Millisecond, nil
}

// Forget implements Cache.
func (r *Redis) Forget(ctx context.Context, key string) error {
	return r.client.Del(ctx, r.key("count:"+key)).Err()
}

// Describe implements Cache.
func (r *Redis) Describe() string { return r.name }

// Close implements Cache.
func (r *Redis) Close() error { return r.client.Close() }
