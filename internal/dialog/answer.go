package dialog

import (
	"fmt"
	"time"
)

// answer is what is kept with an idempotency key of a dialog or message, to give
// it again: all else of it is what the repeated call says.
func answer(id string, created time.Time) []string {
	return []string{id, created.Format(time.RFC3339Nano)}
}

func answered(values []string) (id string, created time.Time, err error) {
	if len(values) != 2 {
		return "", time.Time{}, fmt.Errorf("the answer kept with an idempotency key is %q", values)
	}
	if created, err = time.Parse(time.RFC3339Nano, values[1]); err != nil {
		return "", time.Time{}, fmt.Errorf("the time kept with an idempotency key: %w", err)
	}
	return values[0], created.UTC(), nil
}
