package app

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/jobspec"
)

// A table that keeps something of accounts and that no domain's Delete knows of
// makes this fail: either way it is in the database before, and after.
func TestNothingOfADeletedAccountIsLeftInAnyTable(t *testing.T) {
	onBothOffline(t, func(t *testing.T, p *parts) {
		gone, stays := settle(t, p, "quokka", 100), settle(t, p, "wombat", 200)
		before := database(t, p)
		tables := map[string]bool{}
		for column := range holding(before, gone.words()...) {
			name, _, _ := strings.Cut(column, ".")
			tables[name] = true
		}
		for name := range before {
			require.NotEqual(t, tables[name], impersonal[name] != "", "table %s: let the account of this test have something in it, or say why nobody has", name)
		}

		require.NoError(t, p.domains.DeleteAccount(t.Context(), gone.user))
		after := database(t, p)
		for column := range holding(after, gone.words()...) {
			require.Contains(t, remains, column)
		}
		require.Empty(t, holding(after, gone.word))
		for name, rows := range before {
			if name == "events" {
				continue
			}
			for _, row := range rows {
				if len(holding(map[string]table{name: {row}}, stays.words()...)) > 0 {
					require.Contains(t, after[name], row, "another account's row")
				}
			}
		}
		require.True(t, apperr.Is(p.domains.DeleteAccount(t.Context(), gone.user), apperr.NotFound), "once is enough")
		require.True(t, apperr.Is(p.domains.ExportAccount(t.Context(), gone.user, func(string, any) error { return nil }), apperr.NotFound))
		dirty, err := p.store.Unscrubbed(t.Context())
		require.NoError(t, err)
		require.Equal(t, !p.store.Postgres(), dirty, "the files are scrubbed")
	})
}

func TestTheRunsOfADeletedAccountAreTakenBack(t *testing.T) {
	onBothOffline(t, func(t *testing.T, p *parts) {
		gone, stays := settle(t, p, "quokka", 100), settle(t, p, "wombat", 200)
		require.Equal(t, gone.shared.RunID, stays.shared.RunID)
		require.NoError(t, p.domains.DeleteAccount(t.Context(), gone.user))
		system := auth.System(t.Context(), "test")
		for _, j := range []*gen.Job{gone.queued, gone.running, gone.finished} {
			r, err := p.store.Client(system).Run.Get(system, j.RunID)
			require.NoError(t, err)
			require.JSONEq(t, "{}", string(r.Payload))
		}
		r, err := p.store.Client(system).Run.Get(system, gone.shared.RunID)
		require.NoError(t, err)
		require.Contains(t, string(r.Payload), "What everybody says.")
		var taken []string
		require.NoError(t, p.store.Query(t.Context(), func(rows *sql.Rows) error {
			var run string
			err := rows.Scan(&run)
			taken = append(taken, run)
			return err
		}, "SELECT run_id FROM outbox WHERE action = 'CANCEL'"))
		require.ElementsMatch(t, []string{gone.queued.RunID, gone.running.RunID, gone.written.RunID}, taken)

		stale, _, _ := p.jobs.Counts()
		gone.report(gone.running, jobspec.ResultDone, jobspec.Translated{Text: "too late, quokka", Model: "mini"})
		now, _, _ := p.jobs.Counts()
		require.Equal(t, stale+1, now)
		require.Empty(t, holding(database(t, p), gone.word))

		stays.report(stays.shared, jobspec.ResultDone, jobspec.Translated{Text: "Lo que dicen todos.", Model: "mini"})
		j, err := p.jobs.Get(stays.as(auth.RoleUser), stays.shared.ID)
		require.NoError(t, err)
		require.Equal(t, "SUCCEEDED", string(j.State))
	})
}

// A call that was let in before may commit at any moment: here just when each
// domain has deleted what there was.
func TestWhatIsWrittenDuringADeletionGoesToo(t *testing.T) {
	onBothOffline(t, func(t *testing.T, p *parts) {
		gone := settle(t, p, "quokka", 100)
		require.NoError(t, p.domains.Seed(t.Context(), gone.user))
		late := domain.Domain{Name: "late"}
		calls := 0
		late.Account.Export = func(context.Context, string, domain.Write) error { return nil }
		late.Account.Delete = func(context.Context, string) error {
			if calls++; calls == 1 {
				gone.word += " again"
				gone.write()
				gone.practise()
				gone.push(300)
				gone.say()
			}
			return nil
		}
		set, err := domain.NewSet(append(p.announced(), late)...)
		require.NoError(t, err)
		require.NoError(t, set.DeleteAccount(t.Context(), gone.user))
		require.Equal(t, 2, calls)
		for column := range holding(database(t, p), append(gone.words(), "quokka")...) {
			require.Contains(t, remains, column)
		}
	})
}

func TestADeletionThatFailedGoesOnWhenItIsAskedForAgain(t *testing.T) {
	onBothOffline(t, func(t *testing.T, p *parts) {
		gone := settle(t, p, "quokka", 100)
		full := errors.New("full")
		broken := domain.Domain{Name: "broken", Account: domain.Account{
			Delete: func(context.Context, string) error { return full },
			Export: func(context.Context, string, domain.Write) error { return nil },
		}}
		set, err := domain.NewSet(append(p.announced(), broken)...)
		require.NoError(t, err)
		require.ErrorIs(t, set.DeleteAccount(t.Context(), gone.user), full)
		_, err = p.accounts.Named(t.Context(), gone.email)
		require.NoError(t, err, "whoever asks again finds the account")
		require.NoError(t, p.domains.DeleteAccount(t.Context(), gone.user))
		require.Empty(t, holding(database(t, p), gone.word))
	})
}

func TestAnExportHoldsEverythingButSecrets(t *testing.T) {
	onBothOffline(t, func(t *testing.T, p *parts) {
		l := settle(t, p, "quokka", 100)
		settle(t, p, "wombat", 200)
		var out bytes.Buffer
		kinds := map[string]string{}
		require.NoError(t, p.domains.ExportAccount(t.Context(), l.user, func(kind string, row any) error {
			data, err := json.Marshal(row)
			require.NoError(t, err)
			kinds[kind] += string(data)
			return writeRow(&out, kind, row)
		}))
		for _, kind := range []string{
			"User", "ApiKey", "Note", "Translation", "Conversation", "Utterance", "LearnerError", "ErrorFrequency",
			"Dialog", "DialogMessage", "StreamPosition", "Glossary", "Image", "Sticker", "ContentRequest", "Post", "PostReport", "Profile",
		} {
			require.Contains(t, kinds[kind], l.word, kind)
		}
		require.Contains(t, kinds["Job"], l.queued.ID)
		require.Contains(t, kinds["ConsentChange"], "WITHDRAWN")
		require.Contains(t, kinds["AuditEntry"], `"100"`)
		require.Contains(t, kinds["Session"], "expiresAt")
		require.Contains(t, kinds["Vote"], "what everybody looks for")
		for _, kind := range []string{"Follow", "Block", "PostLike", "FeedMark"} {
			require.NotEmpty(t, kinds[kind], kind)
		}
		require.Len(t, kinds, 27, "a new kind is checked here: %v", slices.Sorted(maps.Keys(kinds)))
		require.NotContains(t, out.String(), "wombat")
		for _, secret := range secrets(t, p) {
			for _, form := range []string{
				secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
			} {
				require.NotContains(t, out.String(), form)
			}
		}
	})
}

// secrets are what an export must not hold: hashes, and answers to calls, in which
// secrets are sealed.
func secrets(t *testing.T, p *parts) (found []string) {
	t.Helper()
	for name, rows := range database(t, p) {
		for _, row := range rows {
			for column, value := range row {
				if strings.HasSuffix(column, "_hash") || name == "idempotency_keys" && (column == "fingerprint" || column == "id") {
					found = append(found, value)
				}
				if name == "idempotency_keys" && column == "answer" && row["operation"] == "createApiKey" {
					var answer []string
					require.NoError(t, json.Unmarshal([]byte(value), &answer))
					found = append(found, answer[1])
				}
			}
		}
	}
	require.Greater(t, len(found), 10)
	return found
}

func TestARowOfAnExportIsAnObjectWithItsType(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, writeRow(&out, "Empty", struct{}{}))
	require.NoError(t, writeRow(&out, "Note", map[string]string{"text": "a\nb"}))
	require.Equal(t, "{\"type\":\"Empty\"}\n{\"type\":\"Note\",\"text\":\"a\\nb\"}\n", out.String())
	require.ErrorContains(t, writeRow(&out, "Note", []int{1}), "no JSON object")
	require.Error(t, writeRow(&out, "Note", make(chan int)))
}

// The commands are another process: the running one is told by the event log.
func TestTheCommandsSeedExportAndDeleteAnAccountOfARunningServer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		email, refresh := w.account(t)
		var got struct {
			Refresh struct {
				AccessToken string
				Viewer      struct{ ID string }
			}
		}
		w.Anonymous.Must(t, `mutation($r: String!) { refresh(input: {refreshToken: $r}) { accessToken viewer { id } } }`, gqlclient.Vars{"r": refresh}, &got)
		c := w.Anonymous.As(got.Refresh.AccessToken)
		for range 2 {
			u, err := SeedUser(t.Context(), w.cfg, email)
			require.NoError(t, err)
			require.Equal(t, got.Refresh.Viewer.ID, u.ID)
		}
		var seen struct {
			Notes         struct{ TotalCount int }
			Conversations struct {
				Nodes []struct{ Utterances struct{ TotalCount int } }
			}
			ErrorFrequencies struct{ Nodes []struct{ Frequency string } }
		}
		c.Must(t, `{ notes { totalCount } conversations { nodes { utterances { totalCount } } } errorFrequencies { nodes { frequency } } }`, nil, &seen)
		require.Equal(t, 3, seen.Notes.TotalCount)
		require.Len(t, seen.Conversations.Nodes, 1)
		require.Equal(t, 3, seen.Conversations.Nodes[0].Utterances.TotalCount)
		require.Len(t, seen.ErrorFrequencies.Nodes, 4)
		require.Equal(t, "2", seen.ErrorFrequencies.Nodes[0].Frequency)

		var out bytes.Buffer
		_, err := ExportUser(t.Context(), w.cfg, email, &out)
		require.NoError(t, err)
		lines := map[string]int{}
		for line := range strings.Lines(out.String()) {
			var row struct{ Type string }
			require.NoError(t, json.Unmarshal([]byte(line), &row))
			lines[row.Type]++
		}
		require.Equal(t, map[string]int{"User": 1, "Session": 2, "Note": 3, "Conversation": 1, "Utterance": 3, "LearnerError": 5, "ErrorFrequency": 4, "Post": 1, "Follow": 3}, lines)

		s, stays := c.MustDial(t), w.Owner.MustDial(t)
		u, err := DeleteUser(t.Context(), w.cfg, strings.ToUpper(email))
		require.NoError(t, err)
		require.Equal(t, got.Refresh.Viewer.ID, u.ID)
		require.Equal(t, 4403, s.Closed(t))
		r, _ := stays.Subscribe(t, "{ viewer { id } }", nil).Next(t)
		require.NoError(t, r.Err())
		_, err = c.Dial(t.Context())
		require.Error(t, err)
		for _, command := range []func() error{
			func() error { _, err := DeleteUser(t.Context(), w.cfg, email); return err },
			func() error { _, err := ExportUser(t.Context(), w.cfg, email, &out); return err },
			func() error { _, err := SeedUser(t.Context(), w.cfg, email); return err },
		} {
			require.True(t, apperr.Is(command(), apperr.NotFound))
		}
	})
}
