package dialog_test

import (
	"database/sql"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/dialog"
	"parley/internal/testkit/dbtest"
)

// marker is a word that occurs in one text only.
func marker(i int, what string) string { return fmt.Sprintf("marker-%s-%06d-", what, i) }

// marked is a text of about that length with its marker at the beginning, in the
// middle and at the end. The rest can't be compressed, which would hide them.
func marked(i, length int, what string) string {
	m := marker(i, what)
	half := func() string {
		raw := make([]byte, length/2*3/4)
		for j := range raw {
			raw[j] = byte(rand.Uint32())
		}
		return base64.StdEncoding.EncodeToString(raw)
	}
	return m + half() + m + half() + m
}

// plant pushes n dialogs of varied lengths, some with messages, most of them
// approved, and withdraws half of them in a random order. It gives which.
func (r *room) plant(n int) (withdrawn map[int]bool) {
	r.t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	lengths := []int{30, 100, 300, 700, 1500, 3000, 6000, 20_000}
	var all sync.WaitGroup
	work := make(chan func())
	for range 16 {
		all.Go(func() {
			for do := range work {
				do()
			}
		})
	}
	for i := range n {
		length, message, approve := lengths[random.IntN(len(lengths))], random.IntN(4) == 0, random.IntN(3) > 0
		work <- func() {
			in := input(int64(i%50), int64(i), marked(i, length, "text"))
			if i%5 == 0 {
				in.IdempotencyKey = ptr(marker(i, "key"))
			}
			_, err := r.Push(key(r.t, owner), in)
			if err == nil && message {
				_, err = r.AddMessage(key(r.t, owner), dialog.MessageInput{DialogID: dec(i), Text: marked(i, length/2, "said"), IdempotencyKey: ptr(marker(i, "key"))})
			}
			if err == nil && approve {
				_, err = r.consent(int64(i), true)
			}
			assert.NoError(r.t, err)
		}
	}
	close(work)
	all.Wait()
	withdrawn = map[int]bool{}
	for _, i := range random.Perm(n)[:n/2] {
		withdrawn[i] = true
		r.withdraw(int64(i))
	}
	require.Zero(r.t, r.count("idempotency_keys WHERE about NOT IN (SELECT id FROM dialogs)"))
	require.Positive(r.t, r.count("idempotency_keys"))
	return withdrawn
}

var anyMarker = regexp.MustCompile(`marker-(?:text|said|key)-(\d{6})-`)

// remains counts the withdrawn dialogs of which something is in data, and the
// others.
func remains(data []byte, withdrawn map[int]bool) (gone, kept int) {
	found := map[int]bool{}
	for _, m := range anyMarker.FindAllSubmatch(data, -1) {
		i, _ := strconv.Atoi(string(m[1]))
		found[i] = true
	}
	for i := range found {
		if withdrawn[i] {
			gone++
		} else {
			kept++
		}
	}
	return gone, kept
}

func TestWithdrawnTextsLeaveTheFilesOfSQLite(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	path := strings.TrimPrefix(url, "sqlite:")
	r := newRoom(t, dbtest.Open(t, url), dialog.Config{})
	const n = 4000
	withdrawn := r.plant(n)
	waits, err := r.store.Unscrubbed(t.Context())
	require.NoError(t, err)
	require.True(t, waits, "the janitor knows of it")
	require.NoError(t, r.store.Scrub(t.Context()))
	for _, file := range []string{path, path + "-wal"} {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		gone, kept := remains(data, withdrawn)
		t.Logf("%s: %d bytes, %d withdrawn, %d kept", file, len(data), gone, kept)
		if file == path {
			require.Equal(t, n/2, kept)
		} else {
			require.Empty(t, data)
		}
		require.Zero(t, gone, file)
	}
}

// files gives the contents of the files of a table, its TOAST table and the
// indexes of both.
func (r *room) files(dir string, tables ...string) (data []byte) {
	r.t.Helper()
	for _, table := range tables {
		require.NoError(r.t, r.store.Query(r.t.Context(), func(rows *sql.Rows) error {
			var name, path string
			if err := rows.Scan(&name, &path); err != nil {
				return err
			}
			segments, err := filepath.Glob(filepath.Join(dir, path) + "*")
			for _, file := range segments {
				var part []byte
				if part, err = os.ReadFile(file); err != nil {
					return err
				}
				data = append(data, part...)
			}
			return err
		}, `WITH heaps AS (SELECT oid FROM pg_class WHERE oid = ?::text::regclass
				UNION SELECT reltoastrelid FROM pg_class WHERE oid = ?::text::regclass AND reltoastrelid <> 0)
			SELECT oid::regclass::text, pg_relation_filepath(oid) FROM heaps
			UNION SELECT indexrelid::regclass::text, pg_relation_filepath(indexrelid) FROM pg_index WHERE indrelid IN (SELECT oid FROM heaps)`,
			table, table))
	}
	return data
}

// VACUUM alone marks the room of withdrawn rows as free and closes gaps in
// pages, but zeroes nothing: what was there stays until a new row comes to lie
// there. VACUUM FULL writes new files.
func TestWithdrawnTextsLeaveTheFilesOfPostgres(t *testing.T) {
	t.Parallel()
	r := newRoom(t, dbtest.Open(t, dbtest.Postgres(t)), dialog.Config{})
	const n = 4000
	withdrawn := r.plant(n)
	var dir string
	require.NoError(t, r.store.Query(t.Context(), func(rows *sql.Rows) error { return rows.Scan(&dir) }, "SHOW data_directory"))
	for _, step := range []string{"", "VACUUM", "VACUUM FULL"} {
		if step != "" {
			r.exec(step + " dialogs")
			r.exec(step + " dialog_messages")
			r.exec(step + " idempotency_keys")
		}
		r.exec("CHECKPOINT") // what is in memory goes into the files
		gone, kept := remains(r.files(dir, "dialogs", "dialog_messages", "idempotency_keys"), withdrawn)
		t.Logf("%q: of %d withdrawn %d remain in the files, of %d kept %d", step, n/2, gone, n/2, kept)
		require.Equal(t, n/2, kept, "the search finds what is there")
		if step == "VACUUM FULL" {
			require.Zero(t, gone)
		}
	}
}
