package pipeline

import (
	"cmp"
	"slices"
)

// nearest gives items in the order of how far their size is from one, of equals those
// that came first.
func nearest[T any](items []T, size int, of func(T) int) []T {
	sorted := slices.Clone(items)
	distance := func(t T) int { return max(of(t)-size, size-of(t)) }
	slices.SortStableFunc(sorted, func(a, b T) int { return cmp.Compare(distance(a), distance(b)) })
	return sorted
}
