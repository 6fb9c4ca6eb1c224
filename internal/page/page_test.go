package page_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/ent/gen/note"
	"parley/ent/gen/predicate"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const rows = 23

// orders are one by a time with ties and one by bytes with ties, some of them
// empty and some beyond ASCII, both ways; and two with a tie-break of their own
// in each of the four pairs of directions.
func orders() []page.Order[*gen.Note] {
	byTime := page.Order[*gen.Note]{Name: "TIME", Column: note.FieldCreatedAt, Key: func(n *gen.Note) (any, string) { return n.CreatedAt, n.ID }}
	byBytes := page.Order[*gen.Note]{Name: "BYTES", Column: note.FieldTitleKey, Key: func(n *gen.Note) (any, string) { return n.TitleKey, n.ID }}
	byText := page.Order[*gen.Note]{Name: "TEXT", Column: note.FieldLanguage, Key: func(n *gen.Note) (any, string) { return n.Language, n.ID }}
	all := []page.Order[*gen.Note]{byTime, byBytes, byText}
	for _, o := range all[:3] {
		o.Descending = true
		all = append(all, o)
	}
	for i := range 4 {
		down, tieDown := i&1 != 0, i&2 != 0
		all = append(all, page.Order[*gen.Note]{
			Name: "NUMBER" + []string{"", "TIEDOWN"}[i>>1], Column: note.FieldRevision, Descending: down,
			Key: func(n *gen.Note) (any, string) { return n.Revision, "" },
			Tie: &page.Tie[*gen.Note]{Column: note.FieldCreatedAt, Descending: tieDown, Key: func(n *gen.Note) any { return n.CreatedAt }},
		}, page.Order[*gen.Note]{
			Name: "TIMEBYTES" + []string{"", "TIEDOWN"}[i>>1], Column: note.FieldCreatedAt, Descending: down,
			Key: func(n *gen.Note) (any, string) { return n.CreatedAt, n.ID },
			Tie: &page.Tie[*gen.Note]{Column: note.FieldTitleKey, Descending: tieDown, Key: func(n *gen.Note) any { return n.TitleKey }},
		})
	}
	return all
}

func fill(t *testing.T, s *store.Store) {
	t.Helper()
	keys := [][]byte{{}, []byte("a"), []byte("a\x00"), []byte("\x00"), []byte("ä"), []byte("\xff\xff"), []byte("z")}
	// No two rows are equal in number and time, nor in time and key.
	at := time.Date(2024, 2, 29, 23, 59, 59, 999_999_000, time.UTC)
	err := s.Tx(auth.System(t.Context(), "test"), func(ctx context.Context) error {
		for i := range rows {
			when := at.Add(time.Duration(i/3) * time.Microsecond * 100_001)
			err := s.Client(ctx).Note.Create().SetID(store.NewID("note")).SetOwnerID("u").SetTitle("t").SetTitleKey(keys[i%len(keys)]).
				SetText("x").SetSearchKey("x").
				SetRevision(int64(i%4)<<53 - 2).SetLanguage([]string{"en", "de"}[i%2]).SetCreatedAt(when).Exec(ctx)
			if err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
}

func load(t testing.TB, s *store.Store, o page.Order[*gen.Note], args page.Args) (*page.Page[*gen.Note], error) {
	ctx := auth.System(t.Context(), "test")
	return page.Load(args, o, func(c page.Cut, limit int) ([]*gen.Note, error) {
		return s.Client(ctx).Note.Query().Where(predicate.Note(c.Where)).Order(note.OrderOption(c.Order)).Limit(limit).All(ctx)
	}, func() (int, error) { return s.Client(ctx).Note.Query().Count(ctx) })
}

func ids(edges []page.Edge[*gen.Note]) []string {
	var ids []string
	for _, e := range edges {
		ids = append(ids, e.Node.ID)
	}
	return ids
}

func ptr[T any](v T) *T { return &v }

func TestPagesOfEverySizeGiveTheWholeListInBothDirections(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		fill(t, s)
		for _, o := range orders() {
			whole, err := load(t, s, o, page.Args{First: ptr(100)})
			require.NoError(t, err, o.Name)
			require.True(t, len(whole.Edges) == rows && !whole.HasNext && !whole.HasPrevious, "%s: %+v", o.Name, whole)
			assert.True(t, sorted(whole.Edges, o), "%s descending %v is not in order", o.Name, o.Descending)
			n, err := whole.Count()
			assert.NoError(t, err)
			assert.Equal(t, rows, n)
			want := ids(whole.Edges)
			for _, size := range []int{1, 2, 5, rows - 1, rows, rows + 1} {
				assert.Equal(t, want, walk(t, s, o, size, false), "%s descending %v forward by %d", o.Name, o.Descending, size)
				assert.Equal(t, want, walk(t, s, o, size, true), "%s descending %v backward by %d", o.Name, o.Descending, size)
			}
			between, err := load(t, s, o, page.Args{First: ptr(50), After: &whole.Edges[3].Cursor, Before: &whole.Edges[9].Cursor})
			assert.True(t, err == nil && slices.Equal(ids(between.Edges), want[4:9]) && !between.HasNext,
				"%s between two cursors: %v, %v", o.Name, between, err)
		}
	})
}

// sorted compares as both databases must, so that they list alike.
func sorted(edges []page.Edge[*gen.Note], o page.Order[*gen.Note]) bool {
	compare := func(a, b *gen.Note) int {
		x, xid := o.Key(a)
		y, yid := o.Key(b)
		order, down := compareValues(x, y), o.Descending
		switch {
		case order == 0 && o.Tie != nil:
			order, down = compareValues(o.Tie.Key(a), o.Tie.Key(b)), o.Tie.Descending
		case order == 0:
			order = strings.Compare(xid, yid)
		}
		if down {
			return -order
		}
		return order
	}
	for i := 1; i < len(edges); i++ {
		if compare(edges[i-1].Node, edges[i].Node) >= 0 {
			return false
		}
	}
	return true
}

func compareValues(x, y any) int {
	switch x := x.(type) {
	case time.Time:
		return x.Compare(y.(time.Time))
	case []byte:
		return bytes.Compare(x, y.([]byte))
	case int64:
		return cmp.Compare(x, y.(int64))
	}
	return strings.Compare(x.(string), y.(string))
}

// walk follows the cursors from one end of the list to the other.
func walk(t *testing.T, s *store.Store, o page.Order[*gen.Note], size int, backward bool) []string {
	t.Helper()
	var all []string
	args := page.Args{First: &size}
	if backward {
		args = page.Args{Last: &size}
	}
	for range rows + 2 {
		p, err := load(t, s, o, args)
		require.NoError(t, err)
		if backward {
			all = append(ids(p.Edges), all...)
			if !p.HasPrevious {
				return all
			}
			args.Before = &p.Edges[0].Cursor
			continue
		}
		all = append(all, ids(p.Edges)...)
		if !p.HasNext {
			return all
		}
		args.After = &p.Edges[len(p.Edges)-1].Cursor
	}
	t.Fatal("the pages never end")
	return nil
}

func TestAPageBehindADeletedRowGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		fill(t, s)
		o := orders()[0]
		whole, err := load(t, s, o, page.Args{First: ptr(100)})
		require.NoError(t, err)
		err = s.Tx(auth.System(t.Context(), "test"), func(ctx context.Context) error {
			return s.Client(ctx).Note.DeleteOneID(whole.Edges[4].Node.ID).Exec(ctx)
		})
		require.NoError(t, err)
		p, err := load(t, s, o, page.Args{First: ptr(2), After: &whole.Edges[4].Cursor})
		require.NoError(t, err, "%v", p)
		assert.Equal(t, ids(whole.Edges[5:7]), ids(p.Edges), "%v", p)
	})
}

func TestSizesHaveADefaultAndALimit(t *testing.T) {
	t.Parallel()
	s := dbtest.Open(t, dbtest.SQLite(t))
	fill(t, s)
	for _, test := range []struct {
		args page.Args
		want int // or -1 for BAD_INPUT
		path string
	}{
		{page.Args{}, page.Usual, ""}, {page.Args{First: ptr(0)}, 0, ""}, {page.Args{Last: ptr(0)}, 0, ""}, {page.Args{First: ptr(page.Most)}, rows, ""},
		{page.Args{First: ptr(-1)}, -1, "first"}, {page.Args{Last: ptr(page.Most + 1)}, -1, "last"}, {page.Args{First: ptr(1), Last: ptr(1)}, -1, "last"},
	} {
		p, err := load(t, s, orders()[0], test.args)
		if test.want < 0 {
			all := apperr.List(err)
			assert.True(t, len(all) == 1 && all[0].Code == apperr.BadInput && all[0].Path[0] == test.path, "%+v gives %v", test.args, err)
			continue
		}
		assert.False(t, err != nil || len(p.Edges) != test.want || test.want == 0 && !p.HasNext && !p.HasPrevious,
			"%+v gives %d, %v", test.args, len(p.Edges), err)
	}
}

func TestCursorsOfAnotherOrderAndForgedOnesAreBadInput(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		fill(t, s)
		raw := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
		cursors := []string{
			"", "x", "!", "=", raw("pg1."), raw("pg1.{}"), raw("pg1.null"), raw("ev1.01J.5"), raw(`pg1.{"o":"TIME+","i":"a"}`),
			raw(`pg1.{"o":"TIME+","t":"2024-01-01T00:00:00Z","i":""}`), raw(`pg1.{"o":"TIME+","t":"2024-01-01T00:00:00+02:00","i":"a"}`),
			raw(`pg1.{"o":"TIME+","b":"YQ==","i":"a"}`), raw(`pg1.{"o":"TIME+","s":"now","i":"a"}`), raw(`pg1.{"o":"BYTES+","t":"2024-01-01T00:00:00Z","i":"a"}`),
			raw(`pg1.{"o":"BYTES+","i":"a"}`), raw(`pg1.{"o":"TEXT+","s":"\u0000","i":"a"}`), raw(`pg1.{"o":"TEXT+","s":"a","i":"\u0000"}`),
			raw(`pg1.{"o":"TIME+","t":"2024-01-01T00:00:00Z","i":"a","x":1}`), raw(`pg1.{"o":"TIME+","t":"2024-01-01T00:00:00Z","i":"a","k":{}}`),
			raw(`pg1.{"o":"NUMBER+","n":1,"i":"a"}`), raw(`pg1.{"o":"NUMBER+","n":1,"k":{}}`), raw(`pg1.{"o":"NUMBER+","n":1,"k":{"n":1}}`),
			raw(`pg1.{"o":"NUMBER+","n":1e2,"k":{"t":"2024-01-01T00:00:00Z"}}`), raw(`pg1.{"o":"NUMBER+","n":9223372036854775808,"k":{"t":"2024-01-01T00:00:00Z"}}`),
			raw(`pg1.{"o":"NUMBER+","s":"1","k":{"t":"2024-01-01T00:00:00Z"}}`), raw(`pg1.{"o":"NUMBER+","n":1,"i":"a","k":{"t":"2024-01-01T00:00:00Z"}}`),
			raw(`pg1.{"o":"TIMEBYTES+","t":"2024-01-01T00:00:00Z","k":{"s":"YQ=="}}`), raw(`pg1.{"o":"TIMEBYTES+","t":"2024-01-01T00:00:00Z","k":null}`),
			strings.Repeat("A", 1<<20),
		}
		for _, o := range orders() {
			p, err := load(t, s, o, page.Args{First: ptr(1)})
			require.NoError(t, err)
			cursors = append(cursors, p.Edges[0].Cursor)
		}
		for i, o := range orders() {
			for n, c := range cursors {
				own := n == len(cursors)-len(orders())+i
				for name, args := range map[string]page.Args{"after": {After: &c}, "before": {Before: &c}} {
					_, err := load(t, s, o, args)
					all := apperr.List(err)
					refused := len(all) == 1 && all[0].Code == apperr.BadInput && all[0].Path[0] == name
					assert.False(t, own != (err == nil) || !own && !refused, "%s %.60q in %s descending %v: %v", name, c, o.Name, o.Descending, err)
				}
			}
		}
	})
}

// Whatever a client sends as a cursor, the database never answers with an
// error of its own.
func FuzzCursor(f *testing.F) {
	f.Add("x")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`pg1.{"o":"TIME+","t":"2024-01-01T00:00:00Z","i":"a"}`)))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`pg1.{"o":"BYTES-","b":"","i":"a"}`)))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`pg1.{"o":"TEXT-","s":"é","i":"a"}`)))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`pg1.{"o":"NUMBER-","n":-1,"k":{"t":"2024-01-01T00:00:00Z"}}`)))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`pg1.{"o":"TIMEBYTES-","t":"2024-01-01T00:00:00Z","k":{"b":""}}`)))
	var stores []*store.Store
	for _, url := range []string{dbtest.SQLite(f), dbtest.Postgres(f)} {
		stores = append(stores, dbtest.Open(f, url))
	}
	f.Fuzz(func(t *testing.T, c string) {
		for _, s := range stores {
			for _, o := range orders() {
				_, err := load(t, s, o, page.Args{After: &c})
				assert.False(t, err != nil && !apperr.Is(err, apperr.BadInput), "%q: %v", c, err)
			}
		}
	})
}
