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
	"strings"
	"time"
)

// Config is all settings of a process.
type Config struct {
	Listen string
	Data   string
	Models string
	// Origins are the web origins whose pages may call; see Origins.Allows.
	Origins Origins

	DatabaseURL, NATSURL, RedisURL, MediaURL string
	AutoMigrate                              string

	SigningKey      string
	AccessLifetime  time.Duration
	RefreshLifetime time.Duration

	SQLiteSync  string
	DBConns     int
	CacheMB     int
	JobsPerUser int
	MaxAttempts int
	RetryBase   time.Duration
	AckWait     time.Duration

	WorkerSlots   int
	WorkerThreads int
	ONNXLibrary   string

	Introspection string
	LogLevel      string
	LogFormat     string
	Grace         time.Duration
}

// Database gives the URL of the database: the given one, or SQLite's in the
// data folder.
func (c *Config) Database() string {
	if c.DatabaseURL != "" {
		return c.DatabaseURL
	}
	return "sqlite:" + filepath.Join(c.Data, "parley.db")
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
	var errs []error
	bad := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
	}
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || port == "" {
		bad("listen", "%q is no host:port", c.Listen)
	}
	for _, u := range []struct {
		name, value string
		schemes     []string
	}{
		{"database-url", c.DatabaseURL, []string{"postgres", "postgresql", "sqlite"}},
		{"nats-url", c.NATSURL, []string{"nats", "tls", "ws", "wss"}},
		{"redis-url", c.RedisURL, []string{"redis", "rediss", "unix"}},
	} {
		if err := checkURL(u.value, u.schemes); err != nil {
			bad(u.name, "%v", err)
		}
	}
	if c.SigningKey != "" && len(c.SigningKey) < 32 {
		bad("signing-key", "it has %d characters and needs 32", len(c.SigningKey))
	}
	oneOf := func(name, value string, words ...string) {
		for _, w := range words {
			if value == w {
				return
			}
		}
		bad(name, "%q is not one of %s", value, strings.Join(words, ", "))
	}
	oneOf("auto-migrate", c.AutoMigrate, "", "0", "1", "true", "false")
	oneOf("sqlite-sync", c.SQLiteSync, "normal", "full")
	oneOf("introspection", c.Introspection, "on", "off")
	oneOf("log-level", c.LogLevel, "debug", "info", "warn", "error")
	oneOf("log-format", c.LogFormat, "text", "json")
	for _, n := range []struct {
		name string
		ok   bool
	}{
		{"db-conns", c.DBConns > 0}, {"cache-mb", c.CacheMB > 0}, {"jobs-per-user", c.JobsPerUser > 0},
		{"max-attempts", c.MaxAttempts > 0}, {"worker-slots", c.WorkerSlots > 0}, {"worker-threads", c.WorkerThreads >= 0},
		{"access-lifetime", c.AccessLifetime >= time.Second}, {"refresh-lifetime", c.RefreshLifetime >= time.Minute},
		{"retry-base", c.RetryBase > 0}, {"ack-wait", c.AckWait >= 100*time.Millisecond}, {"grace", c.Grace > 0},
	} {
		if !n.ok {
			bad(n.name, "it is too small")
		}
	}
	return errors.Join(errs...)
}

func checkURL(value string, schemes []string) error {
	if value == "" {
		return nil
	}
	// NATS takes several URLs joined by commas.
	first, _, _ := strings.Cut(value, ",")
	scheme, _, ok := strings.Cut(first, ":")
	if _, err := url.Parse(first); err != nil || !ok {
		return errors.New("it is no URL")
	}
	for _, s := range schemes {
		if scheme == s {
			return nil
		}
	}
	return fmt.Errorf("its scheme must be one of %s", strings.Join(schemes, ", "))
}
