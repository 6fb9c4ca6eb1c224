package page

// All calls each with every row that there is, however many, while it holds no
// more than one part of them: read gives at most limit rows whose ids come after
// one id, in the order of their ids.
func All[T any](limit int, read func(after string, limit int) ([]T, error), id func(T) string, each func(T) error) error {
	for after := ""; ; {
		rows, err := read(after, limit)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := each(row); err != nil {
				return err
			}
			after = id(row)
		}
		if len(rows) < limit {
			return nil
		}
	}
}
