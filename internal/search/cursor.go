package search

import (
	"encoding/base64"
	"encoding/json"
	"slices"

	"parley/internal/apperr"
)

// cursor is the place of a hit in an answer.
type cursor struct {
	// Index is the search index that the answer was made from, "" for words alone, and
	// Window the name of the answer.
	Index  string `json:"x,omitempty"`
	Window string `json:"w"`
	// Place is that of the hit, from 0, and ID the sticker's.
	Place int    `json:"p"`
	ID    string `json:"i"`
}

// maxCursor bounds what is decoded, maxPlace how far behind a place may be said to be.
const (
	maxCursor = 400
	maxPlace  = 1 << 20
)

func (w *window) cursor(place int) string {
	return cursor{w.index, w.name, place, w.hits[place].ID}.text()
}

func (c cursor) text() string {
	data, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func parseCursor(s string) (c cursor, err error) {
	refused := apperr.Argument("after", "This is no place in an answer to a search.")
	if len(s) > maxCursor {
		return c, refused
	}
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(data, &c) != nil || c.Window == "" || c.Place < 0 || c.Place > maxPlace {
		return cursor{}, refused
	}
	return c, nil
}

// in gives where the hits begin that come after the place in an answer. In another answer
// than its own it is behind the same sticker, or where that would be.
func (c cursor) in(w *window) int {
	if w.name != c.Window || c.Place >= len(w.hits) || w.hits[c.Place].ID != c.ID {
		if at := slices.IndexFunc(w.hits, func(r ranked) bool { return r.ID == c.ID }); at >= 0 {
			return at + 1
		}
	}
	return c.Place + 1
}
