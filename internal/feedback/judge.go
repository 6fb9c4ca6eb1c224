package feedback

import (
	"cmp"
	"slices"

	"parley/internal/apperr"
)

// sticker is what the writer must know of one.
type sticker struct {
	id string
	// owner is empty for a public one.
	owner string
}

// stickers are those that reports name and that are there: by id, and by name within a
// scope, which is an owner or empty.
type stickers struct {
	byID   map[string]sticker
	byName map[named]string
}

type named struct{ scope, key string }

// find gives the sticker that a voter means, if they may see it.
func (k *stickers) find(voter string, r ref) (sticker, bool) {
	ids := []string{r.given}
	if !r.id {
		ids = []string{k.byName[named{voter, r.key}], k.byName[named{"", r.key}]}
	}
	for _, id := range ids {
		if s, ok := k.byID[id]; ok && (s.owner == "" || s.owner == voter) {
			return s, true
		}
	}
	return sticker{}, false
}

// vote is one vote to be cast, or with the value 0 taken back.
type vote struct {
	id, voter, text, query string
	sticker                sticker
	value                  int
	// item is the place of its item in the report.
	item int
}

// judge gives what becomes of the items of a report, and the votes that this leaves.
func (r *report) judge(known *stickers) ([]ItemResult, []vote) {
	results, votes := make([]ItemResult, len(r.items)), make([]vote, 0, r.votes())
	said := map[string]int{}
	wrong := false
	for i := range r.items {
		some, result := r.judgeItem(i, known, said)
		results[i] = result
		wrong = wrong || result.Err != nil || len(result.Failed) > 0
		votes = append(votes, some...)
	}
	if !r.atomic || !wrong {
		return results, votes
	}
	for i := range results {
		results[i].Saved = 0
		if results[i].Err == nil {
			results[i].Err = apperr.New(apperr.Conflict, "Nothing was saved: something is wrong with another item.")
			if len(results[i].Failed) > 0 {
				results[i].Err = apperr.NotFoundf("Nothing was saved: some stickers do not exist.")
			}
		}
	}
	return results, nil
}

// judgeItem gives the votes of an item. said are the values of the votes of those before
// it, to which those of this one are added.
func (r *report) judgeItem(i int, known *stickers, said map[string]int) ([]vote, ItemResult) {
	it := &r.items[i]
	if it.err != nil {
		return nil, ItemResult{Err: it.err}
	}
	result := ItemResult{}
	votes := make([]vote, 0, len(it.refs))
	own := make(map[string]int, len(it.refs))
	for _, one := range it.refs {
		s, ok := known.find(r.voter, one)
		if !ok {
			if !slices.Contains(result.Failed, one.given) {
				result.Failed = append(result.Failed, one.given)
			}
			continue
		}
		v := vote{id: voteID(r.voter, it.query, s.id), voter: r.voter, text: it.text, query: it.query, sticker: s, value: one.value, item: i}
		for _, before := range []map[string]int{own, said} {
			if value, ok := before[v.id]; ok && value != v.value {
				return nil, ItemResult{Err: within(apperr.New(apperr.BadInput,
					"The sticker %q is said to fit and not to fit.", one.given), itemPath(i, "negative"))}
			}
		}
		if _, twice := own[v.id]; !twice {
			own[v.id] = v.value
			votes = append(votes, v)
		}
	}
	for id, value := range own {
		said[id] = value
	}
	result.Saved = len(votes)
	return votes, result
}

// merged joins the votes of several reports, by their ids: of one vote the last report
// counts.
func merged(ballots [][]vote) []vote {
	var all []vote
	for _, some := range ballots {
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b vote) int { return cmp.Compare(a.id, b.id) })
	last := all[:0]
	for _, v := range all {
		if n := len(last); n > 0 && last[n-1].id == v.id {
			last[n-1] = v
			continue
		}
		last = append(last, v)
	}
	return last
}
