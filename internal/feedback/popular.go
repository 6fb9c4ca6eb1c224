package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Popular gives the ids of the stickers that were chosen and liked most since a time, at
// most limit of them, the most popular first: a choice counts 1, and a vote on a query's
// answers that changed since then what is left of it by its age, one against the sticker
// that much less. It checks nobody's rights: a sticker may be private by now.
func (s *Service) Popular(ctx context.Context, since time.Time, limit int) (stickers []string, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		var count float64
		if err := rows.Scan(&id, &count); err != nil {
			return err
		}
		stickers = append(stickers, id)
		return nil
	}, `SELECT sticker_id, SUM(n) FROM (
			SELECT sticker_id, CAST(SUM(chosen) AS DOUBLE PRECISION) AS n FROM sticker_hours WHERE hour >= ? GROUP BY sticker_id
			UNION ALL
			SELECT sticker_id, SUM(weight_pos - weight_neg) / CAST(? AS DOUBLE PRECISION) AS n
				FROM query_scores WHERE owner_id = '' AND updated_at >= ? GROUP BY sticker_id
		) AS counted GROUP BY sticker_id HAVING SUM(n) > 0 ORDER BY 2 DESC, 1 LIMIT ?`,
		hourOf(since), weightOf(now()), since.UTC(), limit)
	if err != nil {
		return nil, fmt.Errorf("read which stickers are popular: %w", err)
	}
	return stickers, nil
}
