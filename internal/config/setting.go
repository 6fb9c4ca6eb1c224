package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"gopkg.in/yaml.v3"
)

// Setting describes one field of Config.
type Setting struct {
	// Name is the flag's name and the key in the file, Env the variable.
	Name, Env string
	// Default is what the setting is when nobody says anything.
	Default string
	Help    string
	// Secret settings are masked when they are printed; URLs lose their
	// password only.
	Secret bool
	set    func(c *Config, value string) error
	get    func(c *Config) string
}

func text(field func(*Config) *string) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error { *field(c) = v; return nil }, func(c *Config) string { return *field(c) }
}

func number(field func(*Config) *int) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("%q is no whole number", v)
		}
		*field(c) = n
		return nil
	}, func(c *Config) string { return strconv.Itoa(*field(c)) }
}

func duration(field func(*Config) *time.Duration) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("%q is no duration such as 15m or 30s", v)
		}
		*field(c) = d
		return nil
	}, func(c *Config) string { return field(c).String() }
}

func list(field func(*Config) *Origins) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
		*field(c) = nil
		for _, entry := range strings.Split(v, ",") {
			if entry = strings.TrimSpace(entry); entry != "" {
				*field(c) = append(*field(c), entry)
			}
		}
		return nil
	}, func(c *Config) string { return strings.Join(*field(c), ",") }
}

func setting(name, env, usual, help string, access ...any) Setting {
	s := Setting{Name: name, Env: env, Default: usual, Help: help}
	switch f := access[0].(type) {
	case func(*Config) *string:
		s.set, s.get = text(f)
	case func(*Config) *int:
		s.set, s.get = number(f)
	case func(*Config) *time.Duration:
		s.set, s.get = duration(f)
	case func(*Config) *Origins:
		s.set, s.get = list(f)
	}
	return s
}

// Settings lists every setting in the order in which they are printed.
func Settings() []Setting {
	all := []Setting{
		setting("listen", "PARLEY_LISTEN", "127.0.0.1:8080", "host:port of the HTTP server", func(c *Config) *string { return &c.Listen }),
		setting("data", "PARLEY_DATA", "./var", "folder of the embedded database, of embedded NATS and of the dev signing key", func(c *Config) *string { return &c.Data }),
		setting("models", "PARLEY_MODELS", "./models", "folder whose subfolders are model bundles", func(c *Config) *string { return &c.Models }),
		setting("origins", "PARLEY_ORIGINS", "", "web origins whose pages may call, joined by commas, such as https://app.example.com or http://localhost:* for any port; * for all; when empty serve allows localhost on any port and api none", func(c *Config) *Origins { return &c.Origins }),
		setting("database-url", "DATABASE_URL", "", "postgres://… or sqlite:<path>; SQLite in the data folder when empty", func(c *Config) *string { return &c.DatabaseURL }),
		setting("vectors-url", "PARLEY_VECTORS_URL", "", "postgres://… of a database with pgvector 0.8 or newer, in which all processes search vectors of up to 2000 numbers, perhaps that of database-url; each process has them in memory when empty", func(c *Config) *string { return &c.VectorsURL }),
		setting("nats-url", "NATS_URL", "", "nats://… of an external NATS with JetStream; embedded when empty", func(c *Config) *string { return &c.NATSURL }),
		setting("redis-url", "REDIS_URL", "", "redis://… for the cache; serve uses memory and api none when empty", func(c *Config) *string { return &c.RedisURL }),
		setting("media-url", "MEDIA_URL", "", "where pictures are kept: s3://BUCKET?region=…, with endpoint=https://… for a store that is not Amazon's and keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or file:///FOLDER; the folder media in the data folder when empty; the same for all processes", func(c *Config) *string { return &c.MediaURL }),
		setting("auto-migrate", "AUTO_MIGRATE", "", "1 migrates the database at the start, 0 does not; serve does unless told", func(c *Config) *string { return &c.AutoMigrate }),
		setting("signing-key", "PARLEY_SIGNING_KEY", "", "key of access tokens, at least 32 characters; made and kept in the data folder when empty", func(c *Config) *string { return &c.SigningKey }),
		setting("access-lifetime", "PARLEY_ACCESS_LIFETIME", "15m0s", "how long an access token is valid", func(c *Config) *time.Duration { return &c.AccessLifetime }),
		setting("refresh-lifetime", "PARLEY_REFRESH_LIFETIME", "720h0m0s", "how long a refresh token is valid", func(c *Config) *time.Duration { return &c.RefreshLifetime }),
		setting("sqlite-sync", "PARLEY_SQLITE_SYNC", "normal", "full makes every commit of SQLite survive a power cut; normal may lose the last ones", func(c *Config) *string { return &c.SQLiteSync }),
		setting("db-conns", "PARLEY_DB_CONNS", "16", "connections to Postgres, or readers of SQLite", func(c *Config) *int { return &c.DBConns }),
		setting("cache-mb", "PARLEY_CACHE_MB", "64", "size of the memory cache in MiB", func(c *Config) *int { return &c.CacheMB }),
		setting("jobs-per-user", "PARLEY_JOBS_PER_USER", "1000", "jobs that one user may have in flight", func(c *Config) *int { return &c.JobsPerUser }),
		setting("max-connections", "PARLEY_MAX_CONNECTIONS", "20000", "websockets, and connections of server-sent events, that a process holds; one more is told to come back; an idle one takes about 20 KiB", func(c *Config) *int { return &c.MaxConnections }),
		setting("max-attempts", "PARLEY_MAX_ATTEMPTS", "5", "attempts of a run before it is dead", func(c *Config) *int { return &c.MaxAttempts }),
		setting("retry-base", "PARLEY_RETRY_BASE", "1s", "delay before the second attempt; it doubles with each", func(c *Config) *time.Duration { return &c.RetryBase }),
		setting("ack-wait", "PARLEY_ACK_WAIT", "30s", "silence after which a worker's work goes to another one; the same for all processes", func(c *Config) *time.Duration { return &c.AckWait }),
		setting("dialog-expiry", "PARLEY_DIALOG_EXPIRY", "720h0m0s", "how long a dialog waits for its customer's consent before it is erased", func(c *Config) *time.Duration { return &c.DialogExpiry }),
		setting("audit-keep", "PARLEY_AUDIT_KEEP", "8760h0m0s", "how long it is kept who read which dialogs", func(c *Config) *time.Duration { return &c.AuditKeep }),
		setting("anonymous-search", "PARLEY_ANONYMOUS_SEARCH", "off", "on or off: whether people search for stickers and report on the answers without an account; they are told apart by a signed cookie", func(c *Config) *string { return &c.AnonymousSearch }),
		setting("search-rate", "PARLEY_SEARCH_RATE", "6000", "searches of one user within a minute, and ten times as many of one address; 0 for no limit", func(c *Config) *int { return &c.SearchRate }),
		setting("feedback-rate", "PARLEY_FEEDBACK_RATE", "6000", "items of feedback of one user within a minute, and ten times as many of one address; 0 for no limit", func(c *Config) *int { return &c.FeedbackRate }),
		setting("anonymous-rate", "PARLEY_ANONYMOUS_RATE", "120", "searches, and items of feedback, of all from one address who are not signed in, within a minute; 0 for no limit", func(c *Config) *int { return &c.AnonymousRate }),
		setting("search-confidence", "PARLEY_SEARCH_CONFIDENCE", "20", "the chance in percent that one of the first stickers fits, learnt from votes, below which a search says that nothing fits; 0 for never", func(c *Config) *int { return &c.SearchConfidence }),
		setting("search-keep", "PARLEY_SEARCH_KEEP", "8760h0m0s", "how long queries are kept that nobody searches for any more and that have no votes, what happened in each hour, and votes without an account", func(c *Config) *time.Duration { return &c.SearchKeep }),
		setting("feed-timeline", "PARLEY_FEED_TIMELINE", "1000", "posts that the timeline of an account keeps, from which its feed is read; 0 for no timelines: each feed is read from the posts of all whom it follows; the same for all processes", func(c *Config) *int { return &c.FeedTimeline }),
		setting("feed-fanout", "PARLEY_FEED_FANOUT", "1000", "the most followers of an author for whom posts are copied into timelines; those of an author who has more are looked up when a feed is read", func(c *Config) *int { return &c.FeedFanout }),
		setting("worker", "PARLEY_WORKER", "inline", "where serve's worker runs: inline, in its own process, or child, in another one, so that a crash of a model's native code does not take the API down", func(c *Config) *string { return &c.Worker }),
		setting("worker-id", "PARLEY_WORKER_ID", "", "name of a worker in announcements and logs; its host's and a random part when empty; no two workers may share one", func(c *Config) *string { return &c.WorkerID }),
		setting("stop-with-stdin", "PARLEY_STOP_WITH_STDIN", "", "1 stops a worker when its standard input ends, as that of serve's child does", func(c *Config) *string { return &c.StopWithStdin }),
		setting("worker-slots", "PARLEY_WORKER_SLOTS", "32", "jobs that a worker holds at once; their sentences share batches", func(c *Config) *int { return &c.WorkerSlots }),
		setting("worker-threads", "PARLEY_WORKER_THREADS", "0", "threads of one model run; 0 for one per core", func(c *Config) *int { return &c.WorkerThreads }),
		setting("models-from", "PARLEY_MODELS_FROM", "", "where pullModel takes models from: the address of a mirror with the hub's paths, or a folder; HF_ENDPOINT or the public hub without it, with the token of HF_TOKEN", func(c *Config) *string { return &c.ModelsFrom }),
		setting("models-mb", "PARLEY_MODELS_MB", "0", "memory in MiB that loaded models may take by an estimate; those that were used longest ago leave it for others; 0 for no limit", func(c *Config) *int { return &c.ModelsMB }),
		setting("models-load", "PARLEY_MODELS_LOAD", "start", "when models are loaded: start, so that a broken one shows at once, or use, when work for them comes", func(c *Config) *string { return &c.ModelsLoad }),
		setting("onnxruntime-lib", "ONNXRUNTIME_LIB", "", "path of ONNX Runtime's shared library; looked for when empty", func(c *Config) *string { return &c.ONNXLibrary }),
		setting("query-deadline", "PARLEY_QUERY_DEADLINE", "300ms", "how long a search waits for the vector of its query, which a worker makes, before it goes on with words alone", func(c *Config) *time.Duration { return &c.QueryDeadline }),
		setting("demo", "PARLEY_DEMO", "on", "on or off: whether serve adds the stickers and posts that ship with parley to a database that has had none of them; parley seed stickers adds the stickers anywhere", func(c *Config) *string { return &c.Demo }),
		setting("text-model", "PARLEY_TEXT_MODEL", "", "name of the model that writes the texts of content requests; the first that a worker has when empty", func(c *Config) *string { return &c.TextModel }),
		setting("image-model", "PARLEY_IMAGE_MODEL", "", "name of the model that draws the pictures of content requests; the first that a worker has when empty", func(c *Config) *string { return &c.ImageModel }),
		setting("media-mark", "PARLEY_MEDIA_MARK", "on", "on or off: whether pictures that a model made say so in their metadata, in IPTC's words, with the recipe that made them", func(c *Config) *string { return &c.MediaMark }),
		setting("search-model", "PARLEY_SEARCH_MODEL", "", "name of the model that the first search index is made with; the first by name of those that read texts and pictures when empty, else of those that read texts; later ones are changed with rebuildSearchIndex and switchSearchIndex", func(c *Config) *string { return &c.SearchModel }),
		setting("introspection", "PARLEY_INTROSPECTION", "on", "on or off: whether clients may read the schema", func(c *Config) *string { return &c.Introspection }),
		setting("http-status", "PARLEY_HTTP_STATUS", "compatible", "status codes of POST and GET: compatible passes all audits of graphql-http 1.23, with 200 for errors to clients that accept only application/json; draft is what GraphQL over HTTP recommends since July 2026, alike for both media types: 294 for data with errors, also where data is null, 400 for what is no JSON or no GraphQL, 422 for a request without query or with a parameter of a wrong type, for what validation or a limit refuses, an operation that is not there, variables that do not fit, and, where the draft says nothing, a subscription", func(c *Config) *string { return &c.HTTPStatus }),
		setting("log-level", "PARLEY_LOG_LEVEL", "info", "debug, info, warn or error", func(c *Config) *string { return &c.LogLevel }),
		setting("log-format", "PARLEY_LOG_FORMAT", "text", "text or json", func(c *Config) *string { return &c.LogFormat }),
		setting("grace", "PARLEY_GRACE", "10s", "how long each part may take to stop", func(c *Config) *time.Duration { return &c.Grace }),
	}
	for i := range all {
		switch all[i].Name {
		case "signing-key", "database-url", "vectors-url", "nats-url", "redis-url", "media-url":
			all[i].Secret = true
		}
	}
	return all
}

// Environ gives the settings as environment variables, for another process of this
// machine that shall have the same.
func (c *Config) Environ() []string {
	var all []string
	for _, s := range Settings() {
		all = append(all, s.Env+"="+s.get(c))
	}
	return all
}

// Load reads the settings: flags (those that were given) before the
// environment before the file before the defaults. file may be empty. The error
// names every setting that can't be.
func Load(flags map[string]string, env func(string) string, file string) (*Config, error) {
	fromFile, err := readFile(file)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	var errs []error
	for _, s := range Settings() {
		value, from := s.Default, "default"
		if v, ok := fromFile[s.Name]; ok {
			value, from = v, file
		}
		if v := env(s.Env); v != "" {
			value, from = v, s.Env
		}
		if v, ok := flags[s.Name]; ok {
			value, from = v, "--"+s.Name
		}
		if err := s.set(c, value); err != nil {
			errs = append(errs, fmt.Errorf("%s (from %s): %w", s.Name, from, err))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, c.Validate())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

func readFile(file string) (map[string]string, error) {
	if file == "" {
		return map[string]string{}, nil
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	nodes := map[string]yaml.Node{}
	if err := yaml.Unmarshal(data, &nodes); err != nil {
		return nil, fmt.Errorf("the settings in %s can't be read: %w", file, err)
	}
	known := map[string]bool{}
	for _, s := range Settings() {
		known[s.Name] = true
	}
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if !known[name] {
			return nil, fmt.Errorf("%s has the setting %q, which does not exist", file, name)
		}
		node := nodes[name]
		value, err := plain(&node)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, name, err)
		}
		values[name] = value
	}
	return values, nil
}

// plain gives a value of the file as one would write it in the environment:
// lists joined by commas, everything else as it stands there.
func plain(node *yaml.Node) (string, error) {
	switch {
	case node.Kind == yaml.AliasNode:
		return plain(node.Alias)
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return "", nil
	case node.Kind == yaml.ScalarNode:
		return node.Value, nil
	case node.Kind == yaml.SequenceNode:
		items := make([]string, len(node.Content))
		for i, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return "", errors.New("a list holds plain values only")
			}
			items[i] = item.Value
		}
		return strings.Join(items, ","), nil
	}
	return "", errors.New("it must be a plain value or a list of them")
}

// Print writes every setting as a table, secrets masked.
func (c *Config) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(table, "SETTING\tVARIABLE\tVALUE\tMEANING"); err != nil {
		return err
	}
	for _, s := range Settings() {
		if _, err := fmt.Fprintf(table, "--%s\t%s\t%s\t%s\n", s.Name, s.Env, s.shown(c), s.Help); err != nil {
			return err
		}
	}
	return table.Flush()
}

func (s Setting) shown(c *Config) string {
	value := s.get(c)
	if !s.Secret {
		return value
	}
	return mask(value)
}

// mask hides what is secret in a value: all of it, unless it is a path of
// SQLite or a URL, which lose passwords and tokens only.
func mask(value string) string {
	if value == "" || strings.HasPrefix(value, "sqlite:") {
		return value
	}
	parts := strings.Split(value, ",") // NATS takes several URLs
	for i, part := range parts {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil || u.Scheme == "" || u.Host == "" {
			return "(set)"
		}
		if _, ok := u.User.Password(); !ok && u.User != nil && (u.Scheme == "nats" || u.Scheme == "tls") {
			u.User = url.User("xxxxx") // a token
		}
		query := u.Query()
		for name := range query {
			if strings.Contains(strings.ToLower(name), "password") {
				query.Set(name, "xxxxx")
				u.RawQuery = query.Encode()
			}
		}
		parts[i] = u.Redacted()
	}
	return strings.Join(parts, ",")
}
