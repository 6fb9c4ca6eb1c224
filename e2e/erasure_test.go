package e2e

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// After a withdrawal no store gives the text away through its own interface:
// not PostgreSQL, not JetStream, not Redis.
func TestAWithdrawnTextIsInNoStore(t *testing.T) {
	t.Parallel()
	c := process.NewCluster(t)
	p := c.API()
	m := newMachine(t, p, "DIALOGS_PUSH", "DIALOGS_CONSENT", "DIALOGS_ERASE")
	analyst := account(t, p, "ANALYST")
	const kept, withdrawn = "quokka-that-stays", "quokka-that-goes"
	for number, text := range []string{kept, withdrawn, withdrawn} {
		must(t, m.push(t, number, text))
		m.Must(t, `mutation($i: AddDialogMessageInput!) { addDialogMessage(input: $i) { message { id } } }`,
			gqlclient.Vars{"i": gqlclient.Vars{"dialogId": number, "text": "And then " + text, "idempotencyKey": "key of " + text}}, nil)
		m.consent(t, number, true)
	}
	numbers(t, analyst)
	found := storesWith(t, c, kept)
	assert.Equal(t, "postgres:dialog_messages postgres:dialogs", strings.Join(found, " "), "a text that stays is in %v", found)
	m.consent(t, 1, false)
	m.consent(t, 2, false)
	found = storesWith(t, c, withdrawn)
	assert.Empty(t, found, "a withdrawn text is in %v", found)
	n := idempotencyKeys(t, setting(c, "DATABASE_URL"))
	assert.Equal(t, 1, n, "%d idempotency keys are left, want that of the message which stays", n)
}

func idempotencyKeys(t *testing.T, url string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(context.Background())
	must(t, conn.QueryRow(t.Context(), "SELECT COUNT(*) FROM idempotency_keys").Scan(&n))
	return n
}

// storesWith names the stores of the cluster that hold a word.
func storesWith(t *testing.T, c *process.Cluster, word string) []string {
	t.Helper()
	found := tablesWith(t, setting(c, "DATABASE_URL"), word)
	found = append(found, streamsWith(t, c.NATS.URL(), word)...)
	return append(found, keysWith(t, setting(c, "REDIS_URL"), word)...)
}

func setting(c *process.Cluster, name string) string {
	for _, v := range c.Env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

func tablesWith(t *testing.T, url, word string) (found []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
	must(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	for _, table := range tables {
		var n int
		must(t, conn.QueryRow(t.Context(), "SELECT COUNT(*) FROM "+pgx.Identifier{table}.Sanitize()+" AS r WHERE r::text LIKE '%' || $1 || '%'", word).Scan(&n))
		if n > 0 {
			found = append(found, "postgres:"+table)
		}
	}
	assert.GreaterOrEqual(t, len(tables), 20, "only %d tables were searched", len(tables))
	return found
}

func streamsWith(t *testing.T, url, word string) (found []string) {
	t.Helper()
	nc, err := nats.Connect(url)
	must(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	must(t, err)
	searched := 0
	names := js.StreamNames(t.Context())
	for name := range names.Name() {
		stream, err := js.Stream(t.Context(), name)
		must(t, err)
		searched++
		state := stream.CachedInfo().State
		for seq := max(1, state.FirstSeq); seq <= state.LastSeq; seq++ {
			msg, err := stream.GetMsg(t.Context(), seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			must(t, err)
			if bytes.Contains(msg.Data, []byte(word)) {
				found = append(found, "jetstream:"+name)
			}
		}
	}
	must(t, names.Err())
	assert.NotZero(t, searched, "no stream was searched")
	return found
}

func keysWith(t *testing.T, url, word string) (found []string) {
	t.Helper()
	options, err := redis.ParseURL(url)
	must(t, err)
	client := redis.NewClient(options)
	defer client.Close()
	keys := client.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		dump, err := client.Dump(t.Context(), keys.Val()).Result()
		require.False(t, err != nil && !errors.Is(err, redis.Nil), "%v", err)
		if strings.Contains(keys.Val()+dump, word) {
			found = append(found, "redis:"+keys.Val())
		}
	}
	must(t, keys.Err())
	return found
}
