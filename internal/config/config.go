// Package config holds every setting of parley in one struct. A setting comes
// from its flag, else from its environment variable, else from the file, else
// from its default.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is all settings of a process.
type Config struct {
	Listen string
	Data   string
	Models string
	// Origins are the web origins whose pages may call; see AllowedOrigins.
	Origins Origins

	DatabaseURL, VectorsURL, NATSURL, RedisURL, MediaURL string
	AutoMigrate                                          string

	SigningKey      string
	AccessLifetime  time.Duration
	RefreshLifetime time.Duration

	SQLiteSync  string
	DBConns     int
	CacheMB     int
	JobsPerUser int
	// MaxConnections bounds websockets and server-sent events, each by itself.
	MaxConnections int
	MaxAttempts    int
	RetryBase      time.Duration
	AckWait        time.Duration

	DialogExpiry time.Duration
	AuditKeep    time.Duration

	// AnonymousSearch is whether people search and report without an account: on or off.
	AnonymousSearch string
	// SearchRate, FeedbackRate and AnonymousRate bound what happens within a minute; 0
	// bounds nothing.
	SearchRate, FeedbackRate, AnonymousRate int
	// SearchConfidence is the chance in percent below which a search says that nothing
	// fits.
	SearchConfidence int
	// SearchKeep is how long what nobody searches for any more is kept.
	SearchKeep time.Duration

	// FeedTimeline is how many posts a timeline keeps, and FeedFanout the most followers to
	// whom an author's posts are copied.
	FeedTimeline, FeedFanout int

	// Worker is where serve's worker runs: inline or child.
	Worker        string
	WorkerID      string
	StopWithStdin string
	WorkerSlots   int
	WorkerThreads int
	ModelsFrom    string
	ModelsMB      int
	ModelsLoad    string
	ONNXLibrary   string

	// QueryDeadline is how long a search waits for its query's vector.
	QueryDeadline time.Duration
	// SearchModel is the bundle that the first search index is made with.
	SearchModel string

	// TextModel and ImageModel are the bundles that content is made with, empty for the
	// first that a worker has.
	TextModel, ImageModel string
	// MediaMark tells whether pictures that a model made say so in their metadata: on or off.
	MediaMark string
	// Demo tells whether serve adds the demo stickers and posts: on or off.
	Demo string

	Introspection string
	HTTPStatus    string
	LogLevel      string
	LogFormat     string
	Grace         time.Duration
}

// workerID is what a name of a worker may be: a token of NATS's subjects.
var workerID = regexp.MustCompile(`^[A-Za-z0-9_-]{0,64}$`)

// Database gives the URL of the database: the given one, or SQLite's in the
// data folder.
func (c *Config) Database() string {
	if c.DatabaseURL != "" {
		return c.DatabaseURL
	}
	return "sqlite:" + filepath.Join(c.Data, "parley.db")
}

// Media gives where pictures are kept: the given bucket or folder, or a folder in the
// data folder.
func (c *Config) Media() string {
	if c.MediaURL == "" {
		return filepath.Join(c.Data, "media")
	}
	return strings.TrimPrefix(c.MediaURL, "file://")
}

// AllowedOrigins gives the origins of the settings. When there are none, a
// process for trying out (local) allows localhost on any port.
func (c *Config) AllowedOrigins(local bool) Origins {
	if len(c.Origins) == 0 && local {
		return Origins{"http://localhost:*", "https://localhost:*", "http://127.0.0.1:*", "https://127.0.0.1:*", "http://[::1]:*", "https://[::1]:*"}
	}
	return c.Origins
}

// EmbeddedNATS tells whether NATS runs inside the process.
func (c *Config) EmbeddedNATS() bool { return c.NATSURL == "" }

// Migrates tells whether the process applies migrations at its start; unset
// means what the command says.
func (c *Config) Migrates(usually bool) bool {
	switch c.AutoMigrate {
	case "1", "true":
		return true
	case "0", "false":
		return false
	}
	return usually
}

// Validate reports every setting that can't be.
func (c *Config) Validate() error {
	p := &problems{}
	c.checkAddresses(p)
	c.checkWords(p)
	c.checkNumbers(p)
	return errors.Join(p.found...)
}

// problems are what is wrong with settings.
type problems struct{ found []error }

func (p *problems) add(setting, format string, args ...any) {
	p.found = append(p.found, fmt.Errorf("%s: %s", setting, fmt.Sprintf(format, args...)))
}

func (c *Config) checkAddresses(p *problems) {
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || !isPort(port) {
		p.add("listen", "%q is no host:port such as 127.0.0.1:8080", c.Listen)
	}
	for _, name := range []struct{ name, value string }{{"data", c.Data}, {"models", c.Models}} {
		if name.value == "" {
			p.add(name.name, "it must name a folder")
		}
	}
	for _, origin := range c.Origins {
		if err := checkOrigin(origin); err != nil {
			p.add("origins", "%q %v", origin, err)
		}
	}
	for _, u := range []struct {
		name, value string
		schemes     []string
	}{
		{"database-url", c.DatabaseURL, []string{"postgres", "postgresql", "sqlite"}},
		{"vectors-url", c.VectorsURL, []string{"postgres", "postgresql"}},
		{"nats-url", c.NATSURL, []string{"nats", "tls", "ws", "wss"}},
		{"redis-url", c.RedisURL, []string{"redis", "rediss", "unix"}},
	} {
		if err := checkURL(u.value, u.schemes); err != nil {
			p.add(u.name, "%v", err)
		}
	}
	if err := checkMedia(c.MediaURL); err != nil {
		p.add("media-url", "%v", err)
	}
}

// checkMedia refuses what names neither a bucket nor a folder.
func checkMedia(value string) error {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return errors.New("it is no URL")
	case u.Scheme == "file" && u.Host == "" && u.Path != "":
		return nil
	case u.Scheme == "s3" && u.Host != "" && u.User == nil && strings.Trim(u.Path, "/") == "":
		return nil
	case u.Scheme == "s3" && u.User != nil:
		return errors.New("keys don't stand in it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	return errors.New("it must be s3://BUCKET, with ?endpoint=…&region=… where it is not Amazon's, or file:///FOLDER")
}

func (c *Config) checkWords(p *problems) {
	if c.SigningKey != "" && len(c.SigningKey) < 32 {
		p.add("signing-key", "it has %d characters and needs 32", len(c.SigningKey))
	}
	oneOf := func(name, value string, words ...string) {
		if !slices.Contains(words, value) {
			p.add(name, "%q is not one of %s", value, strings.Join(words, ", "))
		}
	}
	oneOf("auto-migrate", c.AutoMigrate, "", "0", "1", "true", "false")
	oneOf("sqlite-sync", c.SQLiteSync, "normal", "full")
	oneOf("worker", c.Worker, "inline", "child")
	oneOf("stop-with-stdin", c.StopWithStdin, "", "0", "1")
	if !workerID.MatchString(c.WorkerID) {
		p.add("worker-id", "%q has more than 64 characters, or others than letters, digits, - and _", c.WorkerID)
	}
	oneOf("models-load", c.ModelsLoad, "start", "use")
	oneOf("demo", c.Demo, "on", "off")
	oneOf("media-mark", c.MediaMark, "on", "off")
	oneOf("anonymous-search", c.AnonymousSearch, "on", "off")
	oneOf("introspection", c.Introspection, "on", "off")
	oneOf("http-status", c.HTTPStatus, "compatible", "draft")
	oneOf("log-level", c.LogLevel, "debug", "info", "warn", "error")
	oneOf("log-format", c.LogFormat, "text", "json")
}

func (c *Config) checkNumbers(p *problems) {
	for _, n := range []struct {
		name        string
		value, most int
		least       int
	}{
		{"db-conns", c.DBConns, 10_000, 1}, {"cache-mb", c.CacheMB, 1 << 20, 1}, {"jobs-per-user", c.JobsPerUser, 1 << 30, 1}, {"max-connections", c.MaxConnections, 1 << 24, 1},
		{"max-attempts", c.MaxAttempts, 1000, 1}, {"worker-slots", c.WorkerSlots, 100_000, 1}, {"worker-threads", c.WorkerThreads, 1024, 0},
		{"models-mb", c.ModelsMB, 1 << 24, 0}, {"search-rate", c.SearchRate, 1 << 30, 0}, {"feedback-rate", c.FeedbackRate, 1 << 30, 0},
		{"anonymous-rate", c.AnonymousRate, 1 << 30, 0}, {"search-confidence", c.SearchConfidence, 100, 0},
		{"feed-timeline", c.FeedTimeline, 100_000, 0}, {"feed-fanout", c.FeedFanout, 1_000_000, 0},
	} {
		if n.value < n.least || n.value > n.most {
			p.add(n.name, "%d is not from %d to %d", n.value, n.least, n.most)
		}
	}
	for _, d := range []struct {
		name         string
		value, least time.Duration
	}{
		{"access-lifetime", c.AccessLifetime, time.Second}, {"refresh-lifetime", c.RefreshLifetime, time.Minute},
		{"retry-base", c.RetryBase, time.Millisecond}, {"ack-wait", c.AckWait, 100 * time.Millisecond}, {"grace", c.Grace, time.Millisecond},
		{"query-deadline", c.QueryDeadline, time.Millisecond}, {"dialog-expiry", c.DialogExpiry, time.Minute}, {"audit-keep", c.AuditKeep, time.Minute}, {"search-keep", c.SearchKeep, time.Minute},
	} {
		if d.value < d.least {
			p.add(d.name, "%v is shorter than %v", d.value, d.least)
		}
	}
}

func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == port
}

func checkURL(value string, schemes []string) error {
	if value == "" {
		return nil
	}
	// NATS takes several URLs joined by commas.
	for _, one := range strings.Split(value, ",") {
		scheme, rest, ok := strings.Cut(strings.TrimSpace(one), ":")
		if !ok || !slices.Contains(schemes, scheme) {
			return fmt.Errorf("it must begin with one of %s:", strings.Join(schemes, ":, "))
		}
		if scheme == "sqlite" {
			if rest == "" {
				return errors.New("it names no file")
			}
			return nil // the rest is a path, whatever it holds
		}
		if u, err := url.Parse(strings.TrimSpace(one)); err != nil || u.Host == "" && u.Path == "" {
			return errors.New("it is no URL") // the error would show its password
		}
	}
	return nil
}
