package feedback

import (
	"math"
	"time"
)

// HalfLife is the time in which a vote loses half of its weight.
const HalfLife = 90 * 24 * time.Hour

// landmark is when a vote has the weight 1 in the database.
var landmark = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// weightOf is what a vote of a time adds to the sums of its score. It grows with the
// time instead of the older ones shrinking, so that a sum is written by adding to it and
// is divided by weightOf(now) when it is read: G. Cormode, V. Shkapenyuk, D. Srivastava,
// B. Xu, "Forward Decay: A Practical Time Decay Model for Streaming Systems", ICDE 2009.
// A float64 holds it for 250 years.
func weightOf(at time.Time) float64 {
	return math.Exp2(float64(at.Sub(landmark)) / float64(HalfLife))
}
