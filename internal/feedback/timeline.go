package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"parley/internal/apperr"
)

// Bucket is the length of the times that a timeline counts by. Days and weeks are UTC's,
// and weeks begin on Monday.
type Bucket string

// The buckets.
const (
	Hour Bucket = "HOUR"
	Day  Bucket = "DAY"
	Week Bucket = "WEEK"
)

// MaxBuckets is the most of a timeline.
const MaxBuckets = 1000

// hours gives the length in hours, and by how many 1970 began after one of them.
func (b Bucket) hours() (length, shift int64) {
	switch b {
	case Day:
		return 24, 0
	case Week:
		return 168, 72 // 1970 began on a Thursday
	}
	return 1, 0
}

// Period is what happened in a bucket.
type Period struct {
	At time.Time
	// Searches were answered, of which Empty found nothing and Degraded looked for words
	// alone.
	Searches, Empty, Degraded int64
	// Votes were reported, and stickers Chosen.
	Votes, Chosen int64
}

// Timeline gives every bucket from the one that since is in to the last one that begins
// before until, which is now when it is nil; at most MaxBuckets. For ANALYST and ADMIN.
func (s *Service) Timeline(ctx context.Context, since time.Time, until *time.Time, bucket Bucket) ([]*Period, error) {
	if err := asAnalyst(ctx); err != nil {
		return nil, err
	}
	end := now()
	if until != nil {
		end = until.UTC()
	}
	length, shift := bucket.hours()
	at := func(t time.Time) int64 { return floor(floor(t.Unix(), 3600)+shift, length) }
	first, last := at(since), at(end.Add(-time.Microsecond))
	switch {
	case !since.Before(end):
		return nil, apperr.Argument("until", "A timeline ends after it begins.")
	case last-first >= MaxBuckets:
		return nil, apperr.Argument("since", "A timeline has at most %d buckets, this one has %d: take longer ones or less time.", MaxBuckets, last-first+1)
	}
	list := make([]*Period, last-first+1)
	for i := range list {
		list[i] = &Period{At: time.Unix(((first+int64(i))*length-shift)*3600, 0).UTC()}
	}
	index := "(id + " + strconv.FormatInt(shift, 10) + ") / " + strconv.FormatInt(length, 10)
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var n int64
		var p Period
		if err := rows.Scan(&n, &p.Searches, &p.Empty, &p.Degraded, &p.Votes, &p.Chosen); err != nil {
			return err
		}
		p.At = list[n-first].At
		*list[n-first] = p
		return nil
	}, "SELECT "+index+", CAST(SUM(searches) AS BIGINT), CAST(SUM(empty) AS BIGINT), CAST(SUM(degraded) AS BIGINT), CAST(SUM(votes) AS BIGINT), CAST(SUM(chosen) AS BIGINT)"+
		" FROM search_hours WHERE id >= ? AND id < ? GROUP BY "+index, max(0, first*length-shift), (last+1)*length-shift)
	if err != nil {
		return nil, fmt.Errorf("read the timeline of searches: %w", err)
	}
	return list, nil
}

// floor divides downwards.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
