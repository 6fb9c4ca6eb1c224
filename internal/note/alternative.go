package note

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"parley/ent/gen"
	"parley/ent/gen/translation"
	"parley/internal/apperr"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Alternative is another way to translate a text, as clients are shown it.
type Alternative = jobspec.Alternative

// withoutAlternatives are the columns of translations that lists read: the alternatives may
// be ten times the text, and are read where they are asked for.
var withoutAlternatives = slices.DeleteFunc(slices.Clone(translation.Columns), func(c string) bool { return c == translation.FieldAlternatives })

// CheckAlternatives refuses a number of alternatives that can't be asked for.
func CheckAlternatives(first int) error {
	if first < 0 || first > jobspec.MaxAlternatives {
		return apperr.Argument("first", "Ask for 0 to %d alternatives, not %d.", jobspec.MaxAlternatives, first)
	}
	return nil
}

// Alternatives gives those of translations that the viewer may see, by the translation's id,
// the best first.
func (s *Service) Alternatives(ctx context.Context, translations []string) (map[string][]*Alternative, error) {
	rows, err := s.store.Client(ctx).Translation.Query().Where(translation.IDIn(translations...), translation.TextNotNil()).
		Select(translation.FieldID, translation.FieldAlternatives).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read alternatives: %w", err)
	}
	byID := make(map[string][]*Alternative, len(rows))
	for _, t := range rows {
		if len(t.Alternatives) == 0 {
			continue
		}
		var all []*Alternative
		if err := json.Unmarshal(t.Alternatives, &all); err != nil {
			return nil, fmt.Errorf("decode the alternatives of %s: %w", t.ID, err)
		}
		byID[t.ID] = all
	}
	return byID, nil
}

// setAlternatives stores what a worker sent beside a translation. What no row can hold is
// left out: the translation does not fail for it.
func setAlternatives(u *gen.TranslationUpdate, all []jobspec.Alternative) error {
	all = slices.DeleteFunc(slices.Clone(all), func(a jobspec.Alternative) bool { return !store.Storable(a.Text) })
	if len(all) == 0 {
		u.ClearAlternatives()
		return nil
	}
	data, err := json.Marshal(all[:min(len(all), jobspec.MaxAlternatives)])
	if err != nil {
		return fmt.Errorf("encode alternatives: %w", err)
	}
	u.SetAlternatives(data)
	return nil
}
