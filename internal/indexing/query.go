package indexing

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"parley/internal/jobspec"
	"parley/internal/store"
)

// row is what is stored of one side of an object in an index, without its vector.
type row struct {
	id                    int64
	index, source, object string
	side                  Side
	// version and content are those of the vector or failure.
	version           int64
	content           string
	hasVector, failed bool
	tries             int
	// retryAt is zero where no further try is due.
	retryAt time.Time
	// job makes the vector now, "" for none; ordinal, jobVersion and jobContent are of the
	// last one.
	job        string
	ordinal    int
	jobVersion int64
	jobContent string
}

const rowColumns = `id, index_id, source, object_id, side, version, content, vector IS NOT NULL, failure IS NOT NULL,
	tries, retry_at, COALESCE(job_id, ''), ordinal, job_version, job_content`

func (s *Service) rows(ctx context.Context, condition string, args ...any) (all []row, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var r row
		var retry sql.NullTime
		err := rows.Scan(&r.id, &r.index, &r.source, &r.object, &r.side, &r.version, &r.content, &r.hasVector, &r.failed,
			&r.tries, &retry, &r.job, &r.ordinal, &r.jobVersion, &r.jobContent)
		r.retryAt = retry.Time
		all = append(all, r)
		return err
	}, "SELECT "+rowColumns+" FROM embeddings WHERE "+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("read embeddings: %w", err)
	}
	return all, nil
}

// rowsOf gives the rows of objects in an index.
func (s *Service) rowsOf(ctx context.Context, index, source string, ids []string) ([]row, error) {
	condition, arg := store.Among(s.store, "object_id", ids)
	return s.rows(ctx, "index_id = ? AND source = ? AND "+condition, index, source, arg)
}

// rowsBetween gives the rows of the objects behind one and up to another, "" for the last.
func (s *Service) rowsBetween(ctx context.Context, index, source, after, last string) ([]row, error) {
	if last == "" {
		return s.rows(ctx, "index_id = ? AND source = ? AND object_id > ?", index, source, after)
	}
	return s.rows(ctx, "index_id = ? AND source = ? AND object_id > ? AND object_id <= ?", index, source, after, last)
}

// rowsOfJobs gives the rows that jobs were made for, locked.
func (s *Service) rowsOfJobs(ctx context.Context, jobs []string) ([]row, error) {
	condition, arg := store.Among(s.store, "job_id", jobs)
	return s.rows(ctx, condition+" ORDER BY id"+s.store.ForUpdate(), arg)
}

const rowConflict = " ON CONFLICT (index_id, source, object_id, side) DO UPDATE SET "

// assign notes that a job makes the vectors of wants, in their order.
func (s *Service) assign(ctx context.Context, index, job string, wants []want) error {
	_, err := s.store.InsertRows(ctx,
		"INSERT INTO embeddings (index_id, source, object_id, side, tries, job_id, ordinal, job_version, job_content) VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
		rowConflict+`tries = excluded.tries, retry_at = NULL, job_id = excluded.job_id, ordinal = excluded.ordinal,
			job_version = excluded.job_version, job_content = excluded.job_content`,
		len(wants), func(i int, args []any) []any {
			w := wants[i]
			return append(args, index, w.source, w.object, string(w.side), w.tries, job, w.ordinal, w.version, w.content)
		})
	return err
}

// outcome is what became of one side of an object: a vector, or the words of a failure.
type outcome struct {
	row
	vector  jobspec.Vector
	failure string
	// again is when the next try is due; zero where the failure is for good. A vector of
	// an older version stays until then.
	again time.Time
}

// settle writes outcomes of the rows' jobVersion and jobContent.
func (s *Service) settle(ctx context.Context, all []outcome) error {
	_, err := s.store.InsertRows(ctx,
		"INSERT INTO embeddings (index_id, source, object_id, side, version, content, vector, failure, tries, retry_at, job_version, job_content) VALUES ",
		"(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		rowConflict+`failure = excluded.failure, tries = excluded.tries, retry_at = excluded.retry_at, job_id = NULL,
			job_version = excluded.job_version, job_content = excluded.job_content,
			version = CASE WHEN excluded.retry_at IS NULL THEN excluded.version ELSE embeddings.version END,
			content = CASE WHEN excluded.retry_at IS NULL THEN excluded.content ELSE embeddings.content END,
			vector = CASE WHEN excluded.retry_at IS NULL THEN excluded.vector ELSE embeddings.vector END`,
		len(all), func(i int, args []any) []any {
			o := all[i]
			version, content := o.jobVersion, o.jobContent
			var vector []byte
			var failure *string
			var again *time.Time
			if o.failure == "" {
				vector = o.vector
			} else {
				failure = &o.failure
			}
			if !o.again.IsZero() {
				again, version, content = &o.again, 0, ""
			}
			return append(args, o.index, o.source, o.object, string(o.side), version, content, vector, failure, o.tries, again, o.jobVersion, o.jobContent)
		})
	return err
}

// renew says that vectors are those of a newer version as well, also those that jobs make.
func (s *Service) renew(ctx context.Context, version int64, ids []int64) error {
	condition, arg := store.Among(s.store, "id", ids)
	_, err := s.store.Exec(ctx, `UPDATE embeddings SET job_version = ?,
		version = CASE WHEN job_id IS NULL AND retry_at IS NULL AND vector IS NOT NULL AND content = job_content THEN ? ELSE version END
		WHERE `+condition, version, version, arg)
	if err != nil {
		return fmt.Errorf("renew embeddings: %w", err)
	}
	return nil
}

func (s *Service) deleteRows(ctx context.Context, ids []int64) error {
	condition, arg := store.Among(s.store, "id", ids)
	if _, err := s.store.Exec(ctx, "DELETE FROM embeddings WHERE "+condition, arg); err != nil {
		return fmt.Errorf("delete embeddings: %w", err)
	}
	return nil
}

// deleteVectors deletes what all indexes have of objects.
func (s *Service) deleteVectors(ctx context.Context, source string, ids []string) error {
	condition, arg := store.Among(s.store, "object_id", ids)
	if _, err := s.store.Exec(ctx, "DELETE FROM embeddings WHERE source = ? AND "+condition, source, arg); err != nil {
		return fmt.Errorf("delete embeddings: %w", err)
	}
	return nil
}

// deleteLost deletes some embeddings whose index is gone and tells how many.
func (s *Service) deleteLost(ctx context.Context, limit int) (int64, error) {
	n, err := s.store.Exec(ctx, `DELETE FROM embeddings WHERE id IN (SELECT id FROM embeddings
		WHERE NOT EXISTS (SELECT 1 FROM search_indexes WHERE search_indexes.id = embeddings.index_id) LIMIT ?)`, limit)
	if err != nil {
		return 0, fmt.Errorf("delete the embeddings of an index that is gone: %w", err)
	}
	return n, nil
}

// jobsInFlight gives the jobs that an index waits for. The states are literals, as in the
// partial index of an owner's active jobs.
func (s *Service) jobsInFlight(ctx context.Context, index string) (ids []string, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT id FROM jobs WHERE owner_id = ? AND parent_id = ? AND (state = 'QUEUED' OR state = 'RUNNING')", owner, index)
	if err != nil {
		return nil, fmt.Errorf("read the jobs of an index: %w", err)
	}
	return ids, nil
}

// counts are how many sides of objects stand how in an index.
type counts struct {
	all, done, failed int
	// waiting are those that wait for another try than the first, or for its end.
	waiting int
}

func (s *Service) count(ctx context.Context, index string) (c counts, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&c.all, &c.done, &c.failed, &c.waiting) },
		`SELECT COUNT(*), COUNT(*) FILTER (WHERE vector IS NOT NULL),
			COUNT(*) FILTER (WHERE vector IS NULL AND failure IS NOT NULL AND job_id IS NULL AND retry_at IS NULL),
			COUNT(*) FILTER (WHERE retry_at IS NOT NULL OR job_id IS NOT NULL AND tries > 0) FROM embeddings WHERE index_id = ?`, index)
	if err != nil {
		return c, fmt.Errorf("count embeddings: %w", err)
	}
	return c, nil
}

// due gives objects with a try that is due, by source.
func (s *Service) due(ctx context.Context, index string, limit int) (map[string][]string, error) {
	bySource := map[string][]string{}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var source, object string
		err := rows.Scan(&source, &object)
		bySource[source] = append(bySource[source], object)
		return err
	}, "SELECT DISTINCT source, object_id FROM embeddings WHERE index_id = ? AND retry_at IS NOT NULL AND retry_at <= ? LIMIT ?", index, store.Now(), limit)
	if err != nil {
		return nil, fmt.Errorf("read which embeddings are due: %w", err)
	}
	return bySource, nil
}

// Failure is why one side of an object has no vector.
type Failure struct {
	Source, ObjectID string
	Side             Side
	Message          string
}

// failures gives those of an index, by object.
func (s *Service) failures(ctx context.Context, index string, limit int) (all []*Failure, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		f := &Failure{}
		err := rows.Scan(&f.Source, &f.ObjectID, &f.Side, &f.Message)
		all = append(all, f)
		return err
	}, "SELECT source, object_id, side, failure FROM embeddings WHERE index_id = ? AND failure IS NOT NULL AND vector IS NULL ORDER BY object_id, side LIMIT ?", index, limit)
	if err != nil {
		return nil, fmt.Errorf("read the failures of an index: %w", err)
	}
	return all, nil
}

// stored is a vector as it is stored.
type stored struct {
	index, object string
	side          Side
	vector        jobspec.Vector
}

func (s *Service) stored(ctx context.Context, query string, args ...any) (all []stored, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var v stored
		var bytes []byte
		err := rows.Scan(&v.index, &v.object, &v.side, &bytes)
		v.vector = slices.Clone(bytes)
		all = append(all, v)
		return err
	}, "SELECT index_id, object_id, side, vector FROM embeddings WHERE vector IS NOT NULL AND "+query, args...)
	if err != nil {
		return nil, fmt.Errorf("read vectors: %w", err)
	}
	return all, nil
}

// storedOf gives the vectors of objects in indexes.
func (s *Service) storedOf(ctx context.Context, indexes []string, source string, ids []string) ([]stored, error) {
	objects, objectArg := store.Among(s.store, "object_id", ids)
	in, inArg := store.Among(s.store, "index_id", indexes)
	return s.stored(ctx, "source = ? AND "+objects+" AND "+in, source, objectArg, inArg)
}

// storedAfter gives vectors of an index in the order of the objects' ids.
func (s *Service) storedAfter(ctx context.Context, index, source string, side Side, after string, limit int) ([]stored, error) {
	return s.stored(ctx, "index_id = ? AND source = ? AND side = ? AND object_id > ? ORDER BY object_id LIMIT ?", index, source, string(side), after, limit)
}
