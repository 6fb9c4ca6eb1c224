package practice

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"
)

// tally is what a transaction adds to one ErrorFrequency.
type tally struct {
	digest [20]byte
	*row
	n    int64
	last time.Time
}

// id is the row's, which is derived from learner, category and subcategory.
func (t *tally) id() string { return "ef_" + base64.RawURLEncoding.EncodeToString(t.digest[:]) }

// tallies counts rows by learner, category and subcategory, sorted by id.
func tallies(rows []row) []tally {
	all := make([]tally, len(rows))
	var buffer [MaxKind*2 + 100]byte
	for i := range rows {
		r := &rows[i]
		all[i] = tally{digest: digest(buffer[:0], r.learner, r.Category, r.Subcategory), row: r, n: 1, last: r.made}
	}
	slices.SortFunc(all, func(a, b tally) int { return bytes.Compare(a.digest[:], b.digest[:]) })
	merged := all[:0]
	for _, t := range all {
		if n := len(merged); n > 0 && merged[n-1].digest == t.digest {
			same := &merged[n-1]
			same.n++
			if t.last.After(same.last) {
				same.last = t.last
			}
			continue
		}
		merged = append(merged, t)
	}
	return merged
}

// digest is SHA-256, cut to 160 bits, of the three with NUL between them, which
// none of them has.
func digest(buffer []byte, learner, category, subcategory string) [20]byte {
	buffer = append(append(buffer, learner...), 0)
	sum := sha256.Sum256(appendPair(buffer, category, subcategory))
	return [20]byte(sum[:20])
}

// pair is what a kind of error is sorted by among equals: category, NUL,
// subcategory. Sorted by bytes it is sorted by category and then by subcategory.
func pair(category, subcategory string) []byte {
	return appendPair(make([]byte, 0, len(category)+1+len(subcategory)), category, subcategory)
}

func appendPair(to []byte, category, subcategory string) []byte {
	return append(append(append(to, category...), 0), subcategory...)
}
