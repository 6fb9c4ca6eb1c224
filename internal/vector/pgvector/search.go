package pgvector

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"parley/internal/vector"
)

const (
	// fewRows is up to how many rows are compared one by one in any case, and
	// fewShare up to which share of all rows: a graph has to be walked far to find
	// ten rows of a small share, and ends where pgvector stops it.
	fewRows  = 5000
	fewShare = 0.01
	// fewEach is the same for each hit that is wanted.
	fewEach = 20
	// mostSearching is the most candidates that pgvector begins a search with, and
	// mostVisited how many rows it visits before it gives up.
	mostSearching, mostVisited = 1000, 20_000
	// mostNumbers bounds the vectors that one search reads: 128 MiB.
	mostNumbers = 1 << 25
)

// search is a query on its way, in a transaction that sees one moment.
type search struct {
	*Index
	tx    *sql.Tx
	query vector.Query
	unit  []float32
	// filter has only labels that rows can have, and no empty clause.
	filter vector.Filter
	// share is about which part of all rows the filter keeps.
	share float64
}

// Search implements vector.Index. Hits are found by the graph, or by comparing
// with every row that counts: if the filter keeps few of them, and if the graph
// gave fewer than are wanted.
func (x *Index) Search(ctx context.Context, q vector.Query) ([]vector.Hit, error) {
	if err := q.Check(x.cfg.Dimension); err != nil {
		return nil, err
	}
	if q.After != nil && !text(q.After.ID) {
		return nil, invalidf("the id %q to continue after is not text", q.After.ID)
	}
	filter, ok := possible(q.Filter)
	if err := ctx.Err(); err != nil || !ok {
		return nil, err
	}
	// A snapshot for all statements, since the second way may follow the first.
	tx, err := x.cfg.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("search the index %s: begin: %w", x.cfg.Name, err)
	}
	defer tx.Rollback()
	s := &search{Index: x, tx: tx, query: q, unit: vector.Unit(q.Vector), filter: filter, share: 1}
	hits, err := s.run(ctx)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return nil, fmt.Errorf("search the index %s: %w", x.cfg.Name, err)
	}
	return hits, nil
}

// possible leaves out the labels that no row can have; it is false when a clause
// has no others.
func possible(f vector.Filter) (vector.Filter, bool) {
	kept := make(vector.Filter, len(f))
	for i, clause := range f {
		for _, label := range clause {
			if text(label) {
				kept[i] = append(kept[i], label)
			}
		}
		if len(kept[i]) == 0 {
			return nil, false
		}
	}
	return kept, true
}

func (s *search) run(ctx context.Context) ([]vector.Hit, error) {
	graph, err := s.useGraph(ctx)
	if err != nil {
		return nil, err
	}
	if graph {
		hits, whole, err := s.collect(ctx, true)
		if err != nil || whole {
			return hits, err
		}
	}
	hits, _, err := s.collect(ctx, false)
	return hits, err
}

// useGraph tells that the filter keeps too many rows to compare with each. What
// the planner expects decides where it is far from the bound; near it, and where
// the planner knows little, rows are counted up to the bound.
func (s *search) useGraph(ctx context.Context) (bool, error) {
	all, err := s.expected(ctx, condition{})
	if err != nil {
		return false, err
	}
	few := max(fewRows, fewEach*s.query.K, int(fewShare*all))
	if all <= float64(few) || len(s.filter) == 0 {
		return all > float64(few), nil
	}
	kept := conditionOf(s.filter, 0)
	expected, err := s.expected(ctx, kept)
	if err != nil {
		return false, err
	}
	s.share = min(1, max(expected, float64(few))/all)
	if expected > 2*float64(few) {
		return true, nil
	}
	n := 0
	err = s.tx.QueryRowContext(ctx, countKept(s.table, kept), append(slices.Clone(kept.values), few+1)...).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("count what the filter keeps: %w", err)
	}
	return n > few, nil
}

// expected is how many rows the planner expects to meet a condition.
func (s *search) expected(ctx context.Context, c condition) (float64, error) {
	var raw []byte
	if err := s.tx.QueryRowContext(ctx, explainKept(s.table, c), c.values...).Scan(&raw); err != nil {
		return 0, fmt.Errorf("estimate what the filter keeps: %w", err)
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal(raw, &plans); err != nil || len(plans) != 1 {
		return 0, errors.Join(fmt.Errorf("read the plan %s", raw), err)
	}
	return plans[0].Plan.Rows, nil
}

// found is a row with its score, and its distance as pgvector computes it.
type found struct {
	vector.Hit
	distance float64
}

// collect gives the hits, best first. It reads a window of rows that is somewhat
// larger than what is wanted, and a larger one while rows outside of it could
// still be among the hits: rows at its end may score the same within what pgvector
// rounds, or lie before the page. whole is false when the graph ended too early.
func (s *search) collect(ctx context.Context, graph bool) (hits []vector.Hit, whole bool, err error) {
	most := mostNumbers / s.cfg.Dimension
	for limit := s.query.K + s.query.K/4 + 16; ; limit *= 4 {
		limit = min(limit, most)
		if err := s.set(ctx, graph, limit); err != nil {
			return nil, false, err
		}
		rows, err := s.window(ctx, graph, limit)
		if err != nil {
			return nil, false, err
		}
		hits := s.rank(rows)
		switch {
		case len(rows) < limit && !graph, s.beyond(rows, hits):
			return hits, true, nil
		case graph && (len(rows) < limit || limit > fewRows):
			return nil, false, nil
		case limit == most:
			return nil, false, fmt.Errorf("more than %d rows score alike", most)
		}
	}
}

// beyond tells that rows outside of a window score less than its hits, or less
// than the least score.
func (s *search) beyond(rows []found, hits []vector.Hit) bool {
	if len(rows) == 0 {
		return false
	}
	score := -rows[0].distance
	for _, r := range rows {
		score = min(score, -r.distance)
	}
	score += s.margin
	return len(hits) == s.query.K && score < hits[len(hits)-1].Score ||
		s.query.MinScore != nil && score < *s.query.MinScore
}

func (s *search) set(ctx context.Context, graph bool, limit int) error {
	statement, values := exactSettings, []any(nil)
	if graph {
		// As many of them as without a filter are to be rows that it keeps.
		candidates := min(mostSearching, max(int(float64(s.cfg.Searching)/s.share), 2*limit))
		if s.query.After != nil {
			// How far the page lies behind the first one isn't known, and a scan that
			// goes on behind its first candidates misses more.
			candidates = mostSearching
		}
		statement, values = graphSettings, []any{strconv.Itoa(candidates), strconv.Itoa(max(mostVisited, 2*limit))}
	}
	if _, err := s.tx.ExecContext(ctx, statement, values...); err != nil {
		return fmt.Errorf("set how it is searched: %w", err)
	}
	return nil
}

// window reads the nearest rows that the filter keeps and that may lie after the
// page before.
func (s *search) window(ctx context.Context, graph bool, limit int) ([]found, error) {
	c := conditionOf(s.filter, 2)
	if a := s.query.After; a != nil {
		c.and("unit <#> $1::real[]::vector >= $?", -a.Score-s.margin, 2)
	}
	rows, err := s.tx.QueryContext(ctx, nearest(s.table, c, graph), append([]any{s.unit, limit}, c.values...)...)
	if err != nil {
		return nil, fmt.Errorf("read the nearest rows: %w", err)
	}
	defer rows.Close()
	all := make([]found, 0, min(limit, fewRows))
	unit := make([]float32, s.cfg.Dimension)
	for rows.Next() {
		var f found
		var raw sql.RawBytes
		if err := rows.Scan(&f.ID, &raw, &f.distance); err != nil {
			return nil, fmt.Errorf("read the nearest rows: %w", err)
		}
		if err := decode(unit, raw); err != nil {
			return nil, fmt.Errorf("read row %q: %w", f.ID, err)
		}
		f.Score = vector.Cosine(s.unit, unit)
		all = append(all, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the nearest rows: %w", err)
	}
	return all, nil
}

// decode reads what pgvector's vector_send gives: the dimension and an unused
// number in 16 bits each, then float32, all big-endian.
func decode(into []float32, raw []byte) error {
	if len(raw) != 4+4*len(into) || int(binary.BigEndian.Uint16(raw)) != len(into) {
		return fmt.Errorf("its vector has %d bytes", len(raw))
	}
	for i := range into {
		into[i] = math.Float32frombits(binary.BigEndian.Uint32(raw[4+4*i:]))
	}
	return nil
}

// rank gives the hits among rows.
func (s *search) rank(rows []found) []vector.Hit {
	hits := make([]vector.Hit, 0, len(rows))
	for _, r := range rows {
		if s.query.MinScore != nil && r.Score < *s.query.MinScore || s.query.After != nil && !s.query.After.Before(r.Hit) {
			continue
		}
		hits = append(hits, r.Hit)
	}
	slices.SortFunc(hits, func(a, b vector.Hit) int {
		switch {
		case a.Before(b):
			return -1
		case b.Before(a):
			return 1
		default:
			return 0
		}
	})
	return hits[:min(len(hits), s.query.K)]
}
