package page

import (
	"cmp"
	"slices"
)

// Slice gives one page of rows that are in memory, in any order. The order must be by a
// text, ascending, with ties broken by the id.
func Slice[T any](args Args, order Order[T], all []T) (*Page[T], error) {
	key := func(row T) (string, string) {
		value, id := order.Key(row)
		text, _ := value.(string)
		return text, id
	}
	compare := func(a, b T) int {
		x, xid := key(a)
		y, yid := key(b)
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(xid, yid))
	}
	rows := func(_ Cut, limit int) ([]T, error) {
		after, err := order.parse(args.After, "after")
		if err != nil {
			return nil, err
		}
		before, err := order.parse(args.Before, "before")
		if err != nil {
			return nil, err
		}
		against := func(row T, at *sortKey) int {
			value, id := key(row)
			text, _ := at.value.(string)
			tie, _ := at.tie.(string)
			return cmp.Or(cmp.Compare(value, text), cmp.Compare(id, tie))
		}
		var found []T
		for _, row := range all {
			if (after == nil || against(row, after) > 0) && (before == nil || against(row, before) < 0) {
				found = append(found, row)
			}
		}
		slices.SortFunc(found, compare)
		if args.Last != nil {
			slices.Reverse(found)
		}
		return found[:min(len(found), limit)], nil
	}
	return Load(args, order, rows, func() (int, error) { return len(all), nil })
}
