package fault

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// row is an event in the database.
type row struct {
	position             int64
	kind, object, parent string
	version              int64
	state                string
	committed            time.Time
}

// rowsOf reads a user's events from the log, in their order.
func rowsOf(t testing.TB, database, user string) []row {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	found, err := conn.Query(t.Context(), `SELECT position, type, object_id, parent_id, version, state, created_at
		FROM events WHERE audience = $1 AND position IS NOT NULL ORDER BY position`, "u:"+user)
	require.NoError(t, err)
	rows, err := pgx.CollectRows(found, func(r pgx.CollectableRow) (e row, err error) {
		return e, r.Scan(&e.position, &e.kind, &e.object, &e.parent, &e.version, &e.state, &e.committed)
	})
	require.NoError(t, err)
	return rows
}

// verdict is how well a client was served.
type verdict struct {
	name               string
	expected, sessions int
	// lost are events that never came, doubled changes that came under two
	// cursors, repeats cursors that came again.
	lost, doubled, repeats, resets int
	// longest is the longest time from a commit to the first arrival.
	longest  time.Duration
	problems []string
}

// judge compares what a client received since its first event with the rows.
func judge(rows []row, r *record) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := verdict{name: r.name, sessions: r.sessions, problems: slices.Clone(r.problems)}
	if len(r.deliveries) == 0 {
		v.problem("nothing came")
		return v
	}
	after := r.after
	if after < 0 {
		after = r.deliveries[0].position - 1
	}
	first := v.arrivals(r.deliveries)
	same := map[string]int64{}
	for _, e := range rows {
		if e.position <= after {
			continue
		}
		v.expected++
		v.compare(e, first)
		delete(first, e.position)
		what := fmt.Sprint(e.kind, " ", e.object, " version ", e.version, " ", e.state)
		if other, before := same[what]; before {
			v.doubled++
			v.problem("positions %d and %d say the same: %s", other, e.position, what)
		}
		same[what] = e.position
	}
	for position := range first {
		v.problem("position %d is not in the log behind %d", position, after)
	}
	return v
}

func (v *verdict) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

// arrivals gives the first arrival of each event by position. Each connection
// has to bring them in the order of the log.
func (v *verdict) arrivals(all []delivery) map[int64]delivery {
	first, last := map[int64]delivery{}, delivery{position: -1}
	for _, d := range all {
		if d.Reason != "" {
			v.resets++
			v.problem("the stream was reset: %s", d.Reason)
			continue
		}
		if d.session == last.session && d.position <= last.position {
			v.problem("in one connection %d came after %d", d.position, last.position)
		}
		last = d
		if _, again := first[d.position]; again {
			v.repeats++
			continue
		}
		first[d.position] = d
	}
	return first
}

// compare looks for a row among the arrivals.
func (v *verdict) compare(e row, first map[int64]delivery) {
	d, there := first[e.position]
	if !there {
		v.lost++
		v.problem("position %d was lost: %s %s version %d %s of %s", e.position, e.kind, e.object, e.version, e.state, e.committed.Format(time.StampMilli))
		return
	}
	if d.Typename != e.kind || d.object() != e.object || d.Version != 0 && d.Version != e.version {
		v.problem("position %d is %s %s version %d and came as %s %s version %d", e.position, e.kind, e.object, e.version, d.Typename, d.object(), d.Version)
	}
	v.longest = max(v.longest, d.arrived.Sub(e.committed))
}

// wrong lists what was promised and not kept.
func (v *verdict) wrong() string {
	const most = 30
	shown := v.problems
	if len(shown) > most {
		shown = append(slices.Clip(shown[:most]), "...")
	}
	return strings.Join(shown, "\n  ")
}

// table writes verdicts for people.
func table(all []verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-18s %8s %6s %8s %8s %12s %8s %12s\n", "client", "events", "lost", "doubled", "repeats", "connections", "resets", "longest gap")
	for _, v := range all {
		fmt.Fprintf(&b, "%-18s %8d %6d %8d %8d %12d %8d %12s\n", v.name, v.expected, v.lost, v.doubled, v.repeats, v.sessions, v.resets, v.longest.Round(time.Millisecond))
	}
	return b.String()
}
