package live

import "time"

// MaxPending is the bound of a watch.
const MaxPending = maxPending

// CheckEvery sets how often a hub that does not run yet compares itself with
// the database.
func (h *Hub) CheckEvery(d time.Duration) { h.check = d }
