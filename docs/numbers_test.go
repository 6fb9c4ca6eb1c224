package docs_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/config"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	day = 24 * time.Hour
)

// figure is a number that a document gives, and where the code has it.
type figure struct {
	// in is the document, says the sentence or so much of it that it is unique.
	in, says string
	// is the number, as an int or a Duration.
	is any
	// room holds it as name: a constant, or what is set to it.
	room, name string
}

var figures = []figure{
	{"docs/architecture.md", "(refused as invalid), DEAD (attempts used up, or two workers lost)", 2, "internal/jobspec", "MaxLost"},
	{"docs/architecture.md", "A failed attempt comes back after 1 s, 2 s, 4 s", time.Second, "internal/job", "c.RetryBase"},
	{"docs/architecture.md", "The rescuer looks every 30 s", 30 * time.Second, "internal/outbox", "c.RescueEvery"},
	{"docs/architecture.md", "life for 90 s (three times that)", 90 * time.Second, "internal/job", "c.Lost"},
	{"docs/architecture.md", "Workers announce their bundles every 10 s.", 10 * time.Second, "internal/jobspec", "AnnounceInterval"},
	{"docs/architecture.md", "Rows are kept 7 days or", 7 * day, "internal/outbox", "c.KeepAge"},
	{"docs/architecture.md", "7 days or 5 million.", 5_000_000, "internal/outbox", "c.KeepRows"},
	{"docs/architecture.md", "interactive : bulk = 6 : 1", 6, "worker/intake", "jobspec.LaneInteractive"},
	{"docs/architecture.md", "interactive : bulk = 6 : 1", 1, "worker/intake", "jobspec.LaneBulk"},
	{"docs/architecture.md", "in pages of 20 unless asked", 20, "internal/page", "Usual"},
	{"docs/architecture.md", "and 100 at most (`internal/page`)", 100, "internal/page", "Most"},
	{"docs/architecture.md", "| `Query.nodes` | the ids that were asked for, 100 |", 100, "internal/page", "Most"},
	{"docs/architecture.md", "| `Query.exercise` | `top`, 100 |", 100, "internal/practice", "MaxTop"},
	{"docs/architecture.md", "| `Utterance.errors` | 1,000;", 1000, "internal/practice", "maxErrorsShown"},
	{"docs/architecture.md", "| `Dialog.messages` | 1,000,", 1000, "internal/dialog", "MaxMessages"},
	{"docs/architecture.md", "| `AuditEntry.dialogIds` | 1,000;", 1000, "internal/audit", "most"},
	{"docs/architecture.md", "| `EventBatch.events` | 100 |", 100, "internal/live", "maxBatch"},
	{"docs/architecture.md", "the filter keeps more than 5,000 rows", 5000, "internal/vector/pgvector", "fewRows"},
	{"docs/architecture.md", "and twenty for each hit that is wanted", 20, "internal/vector/pgvector", "fewEach"},
	{"docs/architecture.md", "in one answer have at most 32 MiB", 32 * mib, "graph", "maxTexts"},

	{"docs/live.md", "A name is forgotten 90 days after its last use", 90 * day, "internal/resume", "cfg.KeepKeys"},
	{"docs/live.md", "an account has at most 1,000.", 1000, "internal/resume", "cfg.MaxKeys"},
	{"docs/live.md", "It is kept for 10 minutes", 10 * time.Minute, "internal/resume", "cfg.KeepOperations"},
	{"docs/live.md", "the log holds 7 days or", 7 * day, "internal/outbox", "c.KeepAge"},
	{"docs/live.md", "7 days or 5 million events", 5_000_000, "internal/outbox", "c.KeepRows"},
	{"docs/live.md", "by POST or GET, at most 100 events", 100, "internal/live", "maxBatch"},
	{"docs/live.md", "accepts no byte for 10 s is cut off", 10 * time.Second, "internal/server", "WriteTimeout"},
	{"docs/live.md", "A minute before the end, `events` gives `SessionExpiring`", time.Minute, "internal/server", "cfg.ExpiryWarning"},
	{"docs/live.md", "within a quarter of `PARLEY_GRACE` (at most 5 s)", 5 * time.Second, "internal/server", "DrainSpread"},

	{"docs/privacy.md", "it begins a second after the first one", time.Second, "internal/store", "scrubPause"},
	{"docs/privacy.md", "takes at most a\nfiftieth of the time", 50, "internal/store", "scrubShare"},

	{"docs/configuration.md", "the old one back for up to five minutes", 5 * time.Minute, "internal/cache", "Tombstone"},
	{"docs/configuration.md", "A call waits at most 1 s for Redis", time.Second, "internal/cache", "redisReply"},
	{"docs/configuration.md", "and 2 s for a connection", 2 * time.Second, "internal/cache", "redisDial"},
	{"docs/configuration.md", "key of access tokens, at least 32 characters", 32, "internal/auth", "MinKeyBytes"},

	{"docs/configuration.md", "| body of a request | 1 MiB |", mib, "internal/server", "maxBody"},
	{"docs/configuration.md", "| request with files | 9 MiB, 10 files |", 9 * mib, "internal/server", "maxUpload"},
	{"docs/configuration.md", "| request with files | 9 MiB, 10 files |", 10, "internal/server", "maxFiles"},
	{"docs/configuration.md", "| document | 15,000 tokens, 1,000 fields |", 15_000, "internal/server", "maxTokens"},
	{"docs/configuration.md", "| document | 15,000 tokens, 1,000 fields |", 1000, "internal/server", "maxFields"},
	{"docs/configuration.md", "| operation | 2,000 fields with its fragments unfolded; a query or mutation 30 s |", 2000, "internal/server", "maxComplexity"},
	{"docs/configuration.md", "| operation | 2,000 fields with its fragments unfolded; a query or mutation 30 s |", 30 * time.Second, "internal/server", "cfg.MaxTime"},
	{"docs/configuration.md", "| operations on a websocket or event stream | 100 |", 100, "internal/server/ws", "cfg.MaxOperations"},
	{"docs/configuration.md", "| operations on a websocket or event stream | 100 |", 100, "internal/server/sse", "cfg.MaxOperations"},
	{"docs/configuration.md", "| message on a websocket | 1 MiB |", mib, "internal/server/ws", "cfg.MaxMessage"},
	{"docs/configuration.md", "| page of a list | 100, 20 unless asked |", 100, "internal/page", "Most"},
	{"docs/configuration.md", "| page of a list | 100, 20 unless asked |", 20, "internal/page", "Usual"},
	{"docs/configuration.md", "| long poll | 25 s, 100 events |", 25 * time.Second, "internal/live", "MaxWait"},
	{"docs/configuration.md", "| long poll | 25 s, 100 events |", 100, "internal/live", "maxBatch"},
	{"docs/configuration.md", "| idempotency key | 200 bytes, kept for 24 hours |", 200, "internal/idempotency", "MaxKey"},
	{"docs/configuration.md", "| idempotency key | 200 bytes, kept for 24 hours |", 24 * time.Hour, "internal/idempotency", "Lifetime"},
	{"docs/configuration.md", "| picture | 8 MiB, 40,000,000 pixels, 16,384 a side; kept with 2,048 a side |", 8 * mib, "internal/media", "MaxBytes"},
	{"docs/configuration.md", "| picture | 8 MiB, 40,000,000 pixels, 16,384 a side; kept with 2,048 a side |", 40_000_000, "internal/media", "MaxPixels"},
	{"docs/configuration.md", "| picture | 8 MiB, 40,000,000 pixels, 16,384 a side; kept with 2,048 a side |", 16_384, "internal/media", "MaxSide"},
	{"docs/configuration.md", "| picture | 8 MiB, 40,000,000 pixels, 16,384 a side; kept with 2,048 a side |", 2048, "internal/media", "MaxStoredSide"},
	{"docs/configuration.md", "| request with files of a signed-in person | 66 MiB, 50 files; of those with more than 9 MiB 8 at a time, 2 of one account, each within 2 minutes |", 66 * mib, "internal/server", "maxBulk"},
	{"docs/configuration.md", "| request with files of a signed-in person | 66 MiB, 50 files; of those with more than 9 MiB 8 at a time, 2 of one account, each within 2 minutes |", 50, "internal/server", "maxBulkFiles"},
	{"docs/configuration.md", "| request with files of a signed-in person | 66 MiB, 50 files; of those with more than 9 MiB 8 at a time, 2 of one account, each within 2 minutes |", 8, "internal/server", "bulkAtOnce"},
	{"docs/configuration.md", "| request with files of a signed-in person | 66 MiB, 50 files; of those with more than 9 MiB 8 at a time, 2 of one account, each within 2 minutes |", 2, "internal/server", "bulkEach"},
	{"docs/configuration.md", "| request with files of a signed-in person | 66 MiB, 50 files; of those with more than 9 MiB 8 at a time, 2 of one account, each within 2 minutes |", 2 * time.Minute, "internal/server", "bulkTime"},
	{"docs/configuration.md", "| call of `addStickers` | 50 files, 64 MiB together |", 50, "internal/sticker", "MaxFiles"},
	{"docs/configuration.md", "| call of `addStickers` | 50 files, 64 MiB together |", 64 * mib, "internal/sticker", "MaxTogether"},
	{"docs/configuration.md", "| post | title 200 characters, text 10,000 characters |", 200, "internal/feed", "MaxTitle"},
	{"docs/configuration.md", "| post | title 200 characters, text 10,000 characters |", 10_000, "internal/feed", "MaxContent"},
	{"docs/configuration.md", "| profile | handle 3 to 30 characters, name 50 characters |", 3, "internal/feed", "MinHandle"},
	{"docs/configuration.md", "| profile | handle 3 to 30 characters, name 50 characters |", 30, "internal/feed", "MaxHandle"},
	{"docs/configuration.md", "| profile | handle 3 to 30 characters, name 50 characters |", 50, "internal/feed", "MaxDisplayName"},
	{"docs/configuration.md", "of 50 that are compared with the tables each hour", 50, "internal/feed", "verifySample"},
	{"docs/configuration.md", "| report of a post | 1,000 characters |", 1000, "internal/feed", "MaxReason"},
	{"docs/configuration.md", "| sticker | name 255 bytes, caption 500 characters, 32 tags of 64 characters, licence 2,000 characters |", 255, "internal/sticker", "MaxName"},
	{"docs/configuration.md", "| sticker | name 255 bytes, caption 500 characters, 32 tags of 64 characters, licence 2,000 characters |", 500, "internal/sticker", "MaxCaption"},
	{"docs/configuration.md", "| sticker | name 255 bytes, caption 500 characters, 32 tags of 64 characters, licence 2,000 characters |", 32, "internal/sticker", "MaxTags"},
	{"docs/configuration.md", "| sticker | name 255 bytes, caption 500 characters, 32 tags of 64 characters, licence 2,000 characters |", 64, "internal/sticker", "MaxTag"},
	{"docs/configuration.md", "| sticker | name 255 bytes, caption 500 characters, 32 tags of 64 characters, licence 2,000 characters |", 2000, "internal/sticker", "MaxLicence"},
	{"docs/configuration.md", "| note | title 200 characters, text 64 KiB |", 200, "internal/note", "MaxTitle"},
	{"docs/configuration.md", "| note | title 200 characters, text 64 KiB |", 64 * kib, "internal/note", "MaxText"},
	{"docs/configuration.md", "| call of `translateNote`, `translateNotes` | 20 languages, 50 notes |", 20, "internal/note", "MaxTargets"},
	{"docs/configuration.md", "| call of `translateNote`, `translateNotes` | 20 languages, 50 notes |", 50, "internal/note", "MaxNotes"},
	{"docs/configuration.md", "| partial text of a job | 256 KiB, 10 times a second |", 256 * kib, "internal/jobspec", "MaxPartial"},
	{"docs/configuration.md", "| partial text of a job | 256 KiB, 10 times a second |", time.Second / 10, "internal/jobspec", "MinProgressInterval"},
	{"docs/configuration.md", "| utterance | 8 KiB, 1,000 errors shown |", 8 * kib, "internal/practice", "MaxText"},
	{"docs/configuration.md", "| utterance | 8 KiB, 1,000 errors shown |", 1000, "internal/practice", "maxErrorsShown"},
	{"docs/configuration.md", "| call of `addUtterances`, `recordErrors` | 100 utterances, 500 errors |", 100, "internal/practice", "MaxUtterances"},
	{"docs/configuration.md", "| call of `addUtterances`, `recordErrors` | 100 utterances, 500 errors |", 500, "internal/practice", "MaxErrors"},
	{"docs/configuration.md", "| dialog | text and each message 64 KiB, 1,000 messages |", 64 * kib, "internal/dialog", "MaxText"},
	{"docs/configuration.md", "| dialog | text and each message 64 KiB, 1,000 messages |", 1000, "internal/dialog", "MaxMessages"},
	{"docs/configuration.md", "| call of `pushDialogs` | 50 dialogs |", 50, "internal/dialog", "MaxPush"},
	{"docs/configuration.md", "| messages of dialogs in one answer | 16 MiB |", 16 * mib, "internal/dialog", "MaxSaid"},
	{"docs/configuration.md", "| texts of one answer | 32 MiB |", 32 * mib, "graph", "maxTexts"},

	{"docs/glossary.md", "workers pull them 6 : 1", 6, "worker/intake", "jobspec.LaneInteractive"},
	{"docs/glossary.md", "one of 64 NATS subjects", 64, "internal/event", "Shards"},

	{"docs/adr/0008-own-http-transports.md", "Documents are limited to 1,000 fields", 1000, "internal/server", "maxFields"},
	{"docs/adr/0010-keys-and-learners.md", "A verified key is remembered for a second", time.Second, "internal/account", "c.KeyMemory"},
	{"docs/adr/0014-rounds.md", "they wait for 200 ms", 200 * time.Millisecond, "internal/live", "settle"},
	{"docs/adr/0015-places.md", "A ping goes out up to 5 s after a message", 5 * time.Second, "internal/server/ws", "cfg.ConfirmAfter"},
	{"docs/adr/0015-places.md", "besides those every 25 s", 25 * time.Second, "internal/server/ws", "cfg.PingInterval"},
	{"docs/adr/0015-places.md", "the first goes out after 250 ms", 250 * time.Millisecond, "internal/server/ws", "firstConfirm"},
	{"docs/adr/0015-places.md", "after 100 messages one goes out at once", 100, "internal/server/ws", "confirmEvery"},

	{"schema/note.graphql", "The title, at most 200 characters.", 200, "internal/note", "MaxTitle"},
	{"schema/note.graphql", "The text, at most 64 KiB.", 64 * kib, "internal/note", "MaxText"},
	{"schema/note.graphql", "The languages to translate into, at most 20.", 20, "internal/note", "MaxTargets"},
	{"schema/note.graphql", "The notes' ids, at most 50.", 50, "internal/note", "MaxNotes"},
	{"schema/note.graphql", "1 to 200 bytes, kept for 24 hours.", 24 * time.Hour, "internal/idempotency", "Lifetime"},
	{"schema/note.graphql", "The first so many, at most 100.", 100, "internal/page", "Most"},
	{"schema/account.graphql", "20 when no number is given, at most 100.", 20, "internal/page", "Usual"},
	{"schema/account.graphql", "The e-mail address, at most 254 bytes.", 254, "internal/account", "maxEmail"},
	{"schema/account.graphql", "The password, at least 8 characters.", 8, "internal/account", "minPassword"},
	{"schema/account.graphql", "What people call it, 1 to 100 characters.", 100, "internal/account", "MaxKeyName"},
	{"schema/account.graphql", "The last four characters of the secret.", 4, "internal/account", "hintLength"},
	{"schema/account.graphql", "Every process refuses it within a second.", time.Second, "internal/account", "c.KeyMemory"},
	{"schema/practice.graphql", "What was said, at most 8 KiB.", 8 * kib, "internal/practice", "MaxText"},
	{"schema/practice.graphql", "in the order of their recording, at most 1000.", 1000, "internal/practice", "maxErrorsShown"},
	{"schema/practice.graphql", "How many kinds, 1 to 100.", 100, "internal/practice", "MaxTop"},
	{"schema/practice.graphql", "The utterances, 1 to 100, each by itself.", 100, "internal/practice", "MaxUtterances"},
	{"schema/practice.graphql", "The errors, at most 500, each by itself.", 500, "internal/practice", "MaxErrors"},
	{"schema/practice.graphql", "The error's place in the report, from 0 to 9999.", 9999, "internal/practice", "MaxIndex"},
	{"schema/practice.graphql", "The kind of error, 1 to 200 bytes of any text.", 200, "internal/practice", "MaxKind"},
	{"schema/practice.graphql", "The client's name of the report, 1 to 128 bytes.", 128, "internal/practice", "MaxKey"},
	{"schema/dialog.graphql", "the oldest first, at most 1000.", 1000, "internal/dialog", "MaxMessages"},
	{"schema/dialog.graphql", "have more than 16 MiB.", 16 * mib, "internal/dialog", "MaxSaid"},
	{"schema/dialog.graphql", "The first text, at most 64 KiB.", 64 * kib, "internal/dialog", "MaxText"},
	{"schema/dialog.graphql", "The dialogs, 1 to 50, each by itself;", 50, "internal/dialog", "MaxPush"},
	{"schema/dialog.graphql", "the whole request has at most 1 MiB.", mib, "internal/server", "maxBody"},
	{"schema/dialog.graphql", "1 to 200 bytes, kept for 24 hours.", 200, "internal/idempotency", "MaxKey"},
	{"schema/event.graphql", "in milliseconds, at most 25000.", 25 * time.Second, "internal/live", "MaxWait"},
	{"schema/event.graphql", "The events in the order of the log, at most 100.", 100, "internal/live", "maxBatch"},
	{"schema/event.graphql", "Who accepts nothing at all for ten seconds", 10 * time.Second, "internal/server", "WriteTimeout"},
	{"schema/event.graphql", "for example a device: 1 to 64 letters", 64, "internal/resume", "maxKey"},
}

func TestTheNumbersThatTheDocumentsGiveAreTheCodes(t *testing.T) {
	t.Parallel()
	for _, f := range figures {
		says(t, read(t, f.in), f.says, "%s", f.in)
		want := int64(0)
		switch n := f.is.(type) {
		case int:
			want = int64(n)
		case time.Duration:
			want = int64(n)
		default:
			require.Fail(t, "a figure is an int or a Duration", "%q", f.says)
		}
		assert.Contains(t, rooms.constants(t, f.room)[f.name], want, "%s says %q; in %s it is %s", f.in, f.says, f.room, f.name)
	}
}

// defaults are those of settings that a sentence gives.
var defaults = []struct{ in, says, setting, is string }{
	{"docs/privacy.md", "(30 days unless set otherwise)", "dialog-expiry", (30 * day).String()},
	{"docs/privacy.md", "| `audit-keep`, a year unless set otherwise |", "audit-keep", (365 * day).String()},
	{"docs/architecture.md", "The rescuer looks every 30 s (`ack-wait`)", "ack-wait", "30s"},
	{"docs/configuration.md", "Nothing has to be set: `parley serve` runs with the defaults, everything below `./var`", "data", "./var"},
	{"README.md", "Its data is in `./var`", "data", "./var"},
	{"README.md", "serves http://localhost:8080", "listen", "127.0.0.1:8080"},
}

func TestTheDefaultsThatSentencesGiveAreTheSettings(t *testing.T) {
	t.Parallel()
	usual := map[string]string{}
	for _, s := range config.Settings() {
		usual[s.Name] = s.Default
	}
	for _, d := range defaults {
		says(t, read(t, d.in), d.says, "%s", d.in)
		assert.Equal(t, d.is, usual[d.setting], "%s says %q", d.in, d.says)
	}
}

func TestWhatServeAndAPIDoUnlessToldIsAsTheTableSays(t *testing.T) {
	t.Parallel()
	table := section(t, "docs/configuration.md", "Four URLs make it many processes")
	c, err := config.Load(nil, func(string) string { return "" }, "")
	require.NoError(t, err)
	says(t, table, "| `AUTO_MIGRATE` | on | off: run `parley migrate` first |", "the table of serve and api")
	assert.Equal(t, []bool{true, false}, []bool{c.Migrates(true), c.Migrates(false)})
	says(t, table, "| `PARLEY_ORIGINS` | localhost on any port | none |", "the table of serve and api")
	assert.Contains(t, []string(c.AllowedOrigins(true)), "http://localhost:*")
	assert.Empty(t, c.AllowedOrigins(false))
	says(t, table, "| `DATABASE_URL` | SQLite in the data folder,", "the table of serve and api")
	assert.True(t, strings.HasPrefix(c.Database(), "sqlite:"))
	says(t, table, "| `NATS_URL` | NATS inside the process,", "the table of serve and api")
	assert.True(t, c.EmbeddedNATS())
	says(t, read(t, "docs/configuration.md"), "`--cache-mb 128`", "docs/configuration.md")
	c, err = config.Load(map[string]string{"cache-mb": strconv.Itoa(128)}, func(string) string { return "" }, "")
	require.NoError(t, err)
	assert.Equal(t, 128, c.CacheMB)
}
