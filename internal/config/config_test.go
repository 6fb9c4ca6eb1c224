package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func none(string) string { return "" }

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "parley.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// other gives a valid value that is not the default.
func other(s Setting) []string {
	words := map[string][]string{
		"listen": {":1", ":2", ":3"}, "auto-migrate": {"0", "1", "true"}, "sqlite-sync": {"full", "full", "full"}, "models-load": {"use", "use", "use"}, "worker": {"child", "child", "child"}, "stop-with-stdin": {"0", "1", "1"},
		"anonymous-search": {"on", "on", "on"}, "demo": {"off", "off", "off"}, "media-mark": {"off", "off", "off"}, "introspection": {"off", "off", "off"}, "log-level": {"debug", "warn", "error"}, "http-status": {"draft", "draft", "draft"}, "log-format": {"json", "json", "json"},
		"origins":      {"http://a:1", "http://b:2", "http://c:3"},
		"database-url": {"sqlite:a", "sqlite:b", "sqlite:c"}, "vectors-url": {"postgres://a", "postgres://b", "postgres://c"}, "nats-url": {"nats://a", "nats://b", "nats://c"}, "redis-url": {"redis://a", "redis://b", "redis://c"}, "media-url": {"s3://a", "s3://b", "file:///c"},
		"signing-key": {strings.Repeat("a", 32), strings.Repeat("b", 32), strings.Repeat("c", 32)},
	}
	if w, ok := words[s.Name]; ok {
		return w
	}
	if _, err := time.ParseDuration(s.Default); err == nil && s.Default != "0" {
		return []string{"2m0s", "3m0s", "4m0s"}
	}
	return []string{"2", "3", "4"} // numbers, and names of files and folders
}

func TestAFlagGoesBeforeTheEnvironmentBeforeTheFileBeforeTheDefault(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		values := other(s)
		fromFile := file(t, s.Name+": \""+values[0]+"\"\n")
		env := func(name string) string {
			if name == s.Env {
				return values[1]
			}
			return ""
		}
		flags := map[string]string{s.Name: values[2]}
		for want, load := range map[string]func() (*Config, error){
			"default " + s.Default: func() (*Config, error) { return Load(nil, none, "") },
			"file " + values[0]:    func() (*Config, error) { return Load(nil, none, fromFile) },
			"env " + values[1]:     func() (*Config, error) { return Load(nil, env, fromFile) },
			"flag " + values[2]:    func() (*Config, error) { return Load(flags, env, fromFile) },
		} {
			c, err := load()
			if err != nil {
				t.Errorf("%s from %s: %v", s.Name, want, err)
				continue
			}
			_, value, _ := strings.Cut(want, " ")
			assert.Equal(t, value, s.get(c), "%s, want that of %s", s.Name, want)
		}
	}
}

func TestSettingsHaveNamesOfTheirOwnAndAHelp(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range Settings() {
		assert.True(t, s.Name != "" && s.Env != "" && s.Help != "" && !seen[s.Name] && !seen[s.Env], "%+v", s)
		if !strings.HasPrefix(s.Env, "PARLEY_") && !slices.Contains([]string{"DATABASE_URL", "NATS_URL", "REDIS_URL", "MEDIA_URL", "AUTO_MIGRATE", "ONNXRUNTIME_LIB"}, s.Env) {
			t.Errorf("%s is not named PARLEY_…", s.Env)
		}
		seen[s.Name], seen[s.Env] = true, true
	}
}

func TestAFileMayHoldListsNumbersAndNothing(t *testing.T) {
	t.Parallel()
	c, err := Load(nil, none, file(t, "origins: [https://a.example.com, 'http://localhost:*']\ncache-mb: 7\nsigning-key:\nauto-migrate: true\ngrace: 3s\n"))
	require.NoError(t, err)
	assert.True(t, len(c.Origins) == 2 && c.CacheMB == 7 && c.SigningKey == "" && c.Migrates(false) && c.Grace == 3*time.Second, "%+v", c)
	_, err = Load(nil, none, file(t, ""))
	assert.NoError(t, err, "an empty file")
}

func TestWhatIsWrongIsNamedWithWhereItComesFrom(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"cash-mb: 7\n":                        "has the setting \"cash-mb\", which does not exist",
		"cache-mb: much\n":                    "cache-mb (from ",
		"cache-mb: [1, 2]\n":                  "\"1,2\" is no whole number",
		"listen: {a: b}\n":                    "listen: it must be a plain value or a list of them",
		"origins: [[a]]\n":                    "a list holds plain values only",
		"- a\n":                               "can't be read",
		"cache-mb: 1\ncache-mb: 2\n":          "can't be read",
		"\tlisten: x\n":                       "can't be read",
		"cache-mb: 0\n":                       "cache-mb: 0 is not from 1 to",
		"worker-threads: -1\n":                "worker-threads: -1 is not from 0 to",
		"cache-mb: 9999999999999999\n":        "is not from 1 to",
		"db-conns: 9999999999999999999999\n":  "is no whole number",
		"grace: 10\n":                         "\"10\" is no duration such as 15m or 30s",
		"grace: 0s\n":                         "grace: 0s is shorter than",
		"access-lifetime: -1h\n":              "is shorter than 1s",
		"listen: 8080\n":                      "\"8080\" is no host:port",
		"listen: ':'\n":                       "is no host:port",
		"listen: ':http'\n":                   "is no host:port",
		"listen: ':70000'\n":                  "is no host:port",
		"data: ''\n":                          "data: it must name a folder",
		"log-level: loud\n":                   "\"loud\" is not one of debug, info, warn, error",
		"auto-migrate: maybe\n":               "auto-migrate: \"maybe\" is not one of",
		"signing-key: short\n":                "signing-key: it has 5 characters and needs 32",
		"database-url: mysql://h\n":           "database-url: it must begin with one of postgres:",
		"database-url: 'sqlite:'\n":           "database-url: it names no file",
		"vectors-url: sqlite:a\n":             "vectors-url: it must begin with one of postgres:",
		"database-url: parley.db\n":           "must begin with one of",
		"nats-url: 'nats://a,http://b'\n":     "nats-url: it must begin with one of nats:",
		"nats-url: 'nats:'\n":                 "it is no URL",
		"redis-url: 'redis://u:secret@h:x'\n": "redis-url: it is no URL",
		"origins: localhost:3000\n":           "origins: \"localhost:3000\" is no origin",
		"origins: https://a.b/\n":             "is no origin",
		"origins: https://a.b/path\n":         "is no origin",
		"origins: https://u@a.b\n":            "is no origin",
		"origins: https://*.a.b:x\n":          "is no origin",
	} {
		_, err := Load(nil, none, file(t, text))
		assert.True(t, err != nil && strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "secret"), "%q gives: %v\nwant: %s", text, err, want)
	}
	_, err := Load(map[string]string{"grace": "x", "cache-mb": "y"}, func(name string) string {
		return map[string]string{"PARLEY_DB_CONNS": "z"}[name]
	}, "")
	for _, want := range []string{"grace (from --grace)", "cache-mb (from --cache-mb)", "db-conns (from PARLEY_DB_CONNS)"} {
		assert.Error(t, err, "want all of them")
		assert.ErrorContains(t, err, want, "want all of them")
	}
	_, err = Load(nil, none, "/does/not/exist.yaml")
	assert.Error(t, err)
	assert.ErrorContains(t, err, "read the settings")
}

func TestPrintMasksWhatIsSecret(t *testing.T) {
	t.Parallel()
	c, err := Load(map[string]string{
		"signing-key": strings.Repeat("secret", 6), "database-url": "postgres://u:secret@h/db?sslpassword=secret",
		"nats-url": "nats://secret@a:4222,nats://u:secret@b:4222", "redis-url": "redis://:secret@h/1",
		"media-url": "s3://bucket?endpoint=https://h:9", "listen": "h:1",
	}, none, "")
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, c.Print(&out))
	assert.NotContains(t, out.String(), "secret", "a secret shows:\n%s", &out)
	for _, want := range []string{
		"postgres://u:xxxxx@h/db?sslpassword=xxxxx", "nats://xxxxx@a:4222,nats://u:xxxxx@b:4222", "redis://:xxxxx@h/1", "(set)", "s3://bucket?endpoint=https", "h:1",
	} {
		assert.Contains(t, out.String(), want, "%s does not show:\n%s", want, &out)
	}
	for _, s := range Settings() {
		assert.Contains(t, out.String(), "--"+s.Name+" ", "%s does not show", s.Name)
		assert.Contains(t, out.String(), s.Env, "%s does not show", s.Name)
	}
	got := mask("sqlite:./var/a b.db")
	assert.Equal(t, "sqlite:./var/a b.db", got, "a path shows as %s", got)
}

func TestDerivedSettings(t *testing.T) {
	t.Parallel()
	c := &Config{Data: "folder"}
	assert.Equal(t, "sqlite:"+filepath.Join("folder", "parley.db"), c.Database(), "the embedded default")
	assert.True(t, c.EmbeddedNATS(), "the embedded default is %s", c.Database())
	c.DatabaseURL, c.NATSURL = "postgres://h/db", "nats://h"
	assert.Equal(t, "postgres://h/db", c.Database(), "the external one")
	assert.False(t, c.EmbeddedNATS(), "the external one is %s", c.Database())
	for word, want := range map[string]string{"": "true false", "1": "true true", "true": "true true", "0": "false false", "false": "false false"} {
		c.AutoMigrate = word
		assert.Equal(t, want, fmt.Sprint(c.Migrates(true), " ", c.Migrates(false)), "AUTO_MIGRATE=%s", word)
	}
}

func TestEnvironMakesTheSameConfig(t *testing.T) {
	t.Parallel()
	flags := map[string]string{"models": "/m", "worker-slots": "7", "signing-key": strings.Repeat("k", 40), "origins": "http://a:1,http://b:2"}
	c, err := Load(flags, none, "")
	require.NoError(t, err)
	variables := map[string]string{}
	for _, v := range c.Environ() {
		name, value, _ := strings.Cut(v, "=")
		variables[name] = value
	}
	again, err := Load(nil, func(name string) string { return variables[name] }, "")
	require.NoError(t, err)
	require.Equal(t, c, again)
}

func TestAWorkersNameIsATokenOfSubjects(t *testing.T) {
	t.Parallel()
	for id, fits := range map[string]bool{"": true, "host-1_a": true, "a.b": false, "a b": false, "*": false, strings.Repeat("a", 65): false} {
		_, err := Load(map[string]string{"worker-id": id}, none, "")
		assert.Equal(t, fits, err == nil, "%q: %v", id, err)
	}
}

func TestWherePicturesAreKept(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"": filepath.Join("folder", "media"), "file:///srv/media": "/srv/media", "s3://bucket?region=eu-west-1": "s3://bucket?region=eu-west-1",
	} {
		c, err := Load(map[string]string{"data": "folder", "media-url": value}, none, "")
		require.NoError(t, err, value)
		require.Equal(t, want, c.Media())
	}
	for _, value := range []string{"/srv/media", "file://srv/media", "s3://", "s3:bucket", "gs://bucket", "s3://bucket/folder", "https://bucket", "\x00"} {
		_, err := Load(map[string]string{"media-url": value}, none, "")
		require.ErrorContains(t, err, "media-url", value)
	}
	_, err := Load(map[string]string{"media-url": "s3://key:hidden@bucket"}, none, "")
	require.ErrorContains(t, err, "AWS_ACCESS_KEY_ID")
	require.NotContains(t, err.Error(), "hidden")
}
