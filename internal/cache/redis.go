package cache

import (
	"cmp"
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
local left = redis.call('PTTL', KEYS[1])
if left < 0 and ARGV[1] == '0' then return {0, 0} end
local n = redis.call('INCRBY', KEYS[1], ARGV[1])
if left < 0 then
  left = tonumber(ARGV[2])
  redis.call('PEXPIRE', KEYS[1], left)
end
return {n, left}`)

// What a call waits for Redis before the caller goes on without it, unless the
// URL says otherwise (dial_timeout, read_timeout, write_timeout, max_retries).
const (
	redisDial  = 2 * time.Second
	redisReply = time.Second
)

// OpenRedis connects to a redis:// URL and checks that it answers. Keys begin
// with "parley:".
func OpenRedis(ctx context.Context, url string) (*Redis, error) {
	useLog()
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("the Redis URL can't be read: write redis://[user:password@]host:port[/number]")
	}
	opts.ContextTimeoutEnabled = true
	opts.DialTimeout = cmp.Or(opts.DialTimeout, redisDial)
	opts.ReadTimeout = cmp.Or(opts.ReadTimeout, redisReply)
	opts.WriteTimeout = cmp.Or(opts.WriteTimeout, redisReply)
	opts.MaxRetries = cmp.Or(opts.MaxRetries, 1)
	r := &Redis{client: redis.NewClient(opts), name: "redis at " + opts.Addr}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := r.client.Ping(ctx).Err(); err != nil {
		_ = r.client.Close()
		return nil, fmt.Errorf("%s does not answer: %w", r.name, err)
	}
	return r, nil
}

func rowKey(key string) string   { return "parley:row:" + key }
func tallyKey(key string) string { return "parley:count:" + key }

// Get implements Cache.
func (r *Redis) Get(ctx context.Context, key string) ([]byte, bool, error) {
	data, err := r.client.HGet(ctx, rowKey(key), "d").Bytes()
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
	err := putScript.Run(ctx, r.client, []string{rowKey(key)}, strconv.FormatInt(version, 10), value, max(ttl, Tombstone).Milliseconds()).Err()
	if err != nil {
		return fmt.Errorf("cache put: %w", err)
	}
	return nil
}

// Invalidate implements Cache.
func (r *Redis) Invalidate(ctx context.Context, key string, version int64) error {
	err := invalidateScript.Run(ctx, r.client, []string{rowKey(key)}, strconv.FormatInt(version, 10), Tombstone.Milliseconds()).Err()
	if err != nil {
		return fmt.Errorf("cache invalidate: %w", err)
	}
	return nil
}

// Count implements Cache.
func (r *Redis) Count(ctx context.Context, key string, n int64, ttl time.Duration) (int64, time.Duration, error) {
	got, err := countScript.Run(ctx, r.client, []string{tallyKey(key)}, n, ttl.Milliseconds()).Int64Slice()
	if err != nil {
		return 0, 0, fmt.Errorf("cache count: %w", err)
	}
	if len(got) != 2 {
		return 0, 0, fmt.Errorf("cache count: %d values came back instead of 2", len(got))
	}
	return got[0], time.Duration(got[1]) * time.Millisecond, nil
}

// Forget implements Cache.
func (r *Redis) Forget(ctx context.Context, key string) error {
	if err := r.client.Del(ctx, tallyKey(key)).Err(); err != nil {
		return fmt.Errorf("cache forget: %w", err)
	}
	return nil
}

// Describe implements Cache.
func (r *Redis) Describe() string { return r.name }

// Close implements Cache.
func (r *Redis) Close() error { return r.client.Close() }
