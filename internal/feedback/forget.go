package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"parley/internal/domain"
	"parley/internal/page"
	"parley/internal/store"
)

// Forget deletes the votes on stickers and what counts them, inside the transaction of
// the context, in which the stickers were deleted before: so no vote is cast meanwhile.
func (s *Service) Forget(ctx context.Context, stickers ...string) error {
	if len(stickers) == 0 {
		return nil
	}
	if !store.InTx(ctx) {
		return fmt.Errorf("feedback: Forget outside of a transaction")
	}
	stickers = slices.Sorted(slices.Values(stickers))
	in, arg := store.Among(s.store, "sticker_id", stickers)
	if _, err := s.store.Exec(ctx, "DELETE FROM votes WHERE "+in, arg); err != nil {
		return fmt.Errorf("delete the votes on stickers: %w", err)
	}
	gained := changes{}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		c := &change{}
		if err := rows.Scan(&id, &c.query, &c.sticker, &c.owner, &c.positives, &c.negatives, &c.text); err != nil {
			return err
		}
		c.positives, c.negatives = -c.positives, -c.negatives
		gained[id] = c
		return nil
	}, `SELECT s.id, s.query_id, s.sticker_id, s.owner_id, s.positives, s.negatives, q.text
		FROM query_scores s JOIN search_queries q ON q.id = s.query_id WHERE `+in+" ORDER BY s.id"+s.lockOf("s"), arg)
	if err != nil {
		return fmt.Errorf("read the scores of stickers: %w", err)
	}
	if err := s.count(ctx, gained, now()); err != nil {
		return err
	}
	if _, err := s.store.Exec(ctx, "DELETE FROM sticker_hours WHERE "+in, arg); err != nil {
		return fmt.Errorf("delete what was chosen: %w", err)
	}
	return nil
}

// lockOf locks the rows of one table of a join where there is more than one writer.
func (s *Service) lockOf(table string) string {
	if s.store.Postgres() {
		return " FOR UPDATE OF " + table
	}
	return ""
}

// step is how many votes one transaction deletes, and how many rows are read at a time.
const step = 500

// deleteAccount deletes the account's votes and corrects what counts them.
func (s *Service) deleteAccount(ctx context.Context, account string) error {
	return s.deleteVotesOf(ctx, "v.voter = ?", account)
}

// deleteVotesOf deletes the votes that match, some in each transaction.
func (s *Service) deleteVotesOf(ctx context.Context, condition string, args ...any) error {
	for {
		var n int
		err := s.store.Tx(ctx, func(ctx context.Context) error {
			ids, gained, err := s.uncount(ctx, condition, args)
			if n = len(ids); err != nil || n == 0 {
				return err
			}
			if err := s.deleteVotes(ctx, ids); err != nil {
				return err
			}
			if err := s.count(ctx, gained, now()); err != nil {
				return err
			}
			return s.store.Erased(ctx)
		})
		if err != nil {
			return fmt.Errorf("delete votes: %w", err)
		}
		if n < step {
			return nil
		}
	}
}

// uncount locks some votes and gives what their scores lose.
func (s *Service) uncount(ctx context.Context, condition string, args []any) (ids []string, gained changes, err error) {
	gained = changes{}
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var v vote
		var at time.Time
		if err := rows.Scan(&v.id, &v.query, &v.sticker.id, &v.value, (*moment)(&at), &v.sticker.owner, &v.text); err != nil {
			return err
		}
		ids = append(ids, v.id)
		gained.of(v).add(v.value, at, -1)
		return nil
	}, `SELECT v.id, v.query_id, v.sticker_id, v.value, v.at, s.owner_id, q.text FROM votes v
		JOIN query_scores s ON s.query_id = v.query_id AND s.sticker_id = v.sticker_id
		JOIN search_queries q ON q.id = v.query_id
		WHERE `+condition+" ORDER BY v.id LIMIT ?"+s.lockOf("v"), append(slices.Clone(args), step)...)
	return ids, gained, err
}

// exportedVote is a vote as its voter is given it.
type exportedVote struct {
	Query   string    `json:"query"`
	Sticker string    `json:"stickerId"`
	Value   int       `json:"value"`
	At      time.Time `json:"at"`
}

// exportAccount writes the account's votes.
func (s *Service) exportAccount(ctx context.Context, account string, write domain.Write) error {
	type row struct {
		id string
		exportedVote
	}
	return page.All(step,
		func(after string, limit int) (list []row, err error) {
			err = s.store.Query(ctx, func(rows *sql.Rows) error {
				var r row
				err := rows.Scan(&r.id, &r.Query, &r.Sticker, &r.Value, (*moment)(&r.At))
				list = append(list, r)
				return err
			}, `SELECT v.id, q.text, v.sticker_id, v.value, v.at FROM votes v JOIN search_queries q ON q.id = v.query_id
				WHERE v.voter = ? AND v.id > ? ORDER BY v.id LIMIT ?`, account, after, limit)
			if err != nil {
				return nil, fmt.Errorf("read the votes of an account: %w", err)
			}
			return list, nil
		},
		func(r row) string { return r.id },
		func(r row) error { return write("Vote", r.exportedVote) })
}

// mostQueries is how many queries are kept: of those without votes, the ones that were
// searched for longest ago leave.
const mostQueries = 1_000_000

// expire deletes queries that nobody used for Config.Keep, what happened in the hours
// before that, and votes of visitors that are as old.
func (s *Service) expire(ctx context.Context) error {
	return s.expireBefore(ctx, now().Add(-s.cfg.Keep), mostQueries)
}

func (s *Service) expireBefore(ctx context.Context, limit time.Time, most int) error {
	if err := s.deleteVotesOf(ctx, "v.voter >= ? AND v.voter < ? AND v.at < ?", VisitorPrefix, VisitorPrefix+"~", limit); err != nil {
		return err
	}
	for _, table := range []struct{ name, column string }{{"search_hours", "id"}, {"sticker_hours", "hour"}} {
		if err := s.deleteRows(ctx, table.name, table.column+" < ?", hourOf(limit)); err != nil {
			return err
		}
	}
	oldest := limit
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var at time.Time
		err := rows.Scan((*moment)(&at))
		if at.After(oldest) {
			oldest = at
		}
		return err
	}, "SELECT last_at FROM search_queries ORDER BY last_at DESC, id DESC LIMIT 1 OFFSET ?", most)
	if err != nil {
		return fmt.Errorf("look which queries expire: %w", err)
	}
	// Of the moment itself some are within the number.
	return s.deleteRows(ctx, "search_queries", "last_at <= ? AND votes = 0", oldest)
}

// deleteRows deletes the rows that match, some in each transaction.
func (s *Service) deleteRows(ctx context.Context, table, condition string, arg any) error {
	for {
		// The condition stands twice: a row that is used again meanwhile stays.
		n, err := s.store.Exec(ctx, "DELETE FROM "+table+" WHERE "+condition+" AND id IN (SELECT id FROM "+table+" WHERE "+condition+" LIMIT ?)", arg, arg, step)
		if err != nil {
			return fmt.Errorf("expire rows of %s: %w", table, err)
		}
		if n == 0 {
			return nil
		}
	}
}
