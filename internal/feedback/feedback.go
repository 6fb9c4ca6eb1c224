// Package feedback counts what is searched for and keeps what people say of the
// answers: one vote per voter, query and sticker. The votes on a query's stickers are
// what its ranking learns from, and what analysts read.
package feedback

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"parley/internal/apperr"
	"parley/internal/embedding"
	"parley/internal/event"
	"parley/internal/store"
)

// Limits of feedback.
const (
	MaxQuery    = 255 // characters of a query, normalised
	MaxItems    = 100 // items of one call
	MaxStickers = 50  // stickers of one item, both sides together
	MaxName     = 255 // characters of a sticker's name
)

// Item is what is said of the answers to one query. Stickers are named by their ids or
// their names: of a name the voter's own private sticker is meant, else the public one.
type Item struct {
	Query    string   `json:"query"`
	Positive []string `json:"positive"`
	Negative []string `json:"negative"`
}

// ReportInput is the input of reportFeedback.
type ReportInput struct {
	Items          []*Item `json:"items"`
	Atomic         bool    `json:"atomic"`
	IdempotencyKey *string `json:"idempotencyKey"`
}

// RevokeItem names the votes on one query that are taken back.
type RevokeItem struct {
	Query    string   `json:"query"`
	Stickers []string `json:"stickers"`
}

// RevokeInput is the input of revokeFeedback.
type RevokeInput struct {
	Items []*RevokeItem `json:"items"`
}

// ItemResult is what became of one item: how many of its votes stand now, or were taken
// back, and the stickers that were unknown. Without votes because of an error, Err says
// why.
type ItemResult struct {
	Saved  int
	Failed []string
	Err    error
}

// Report is the answer to a call.
type Report struct {
	// Results are in the order of the items.
	Results []ItemResult
	// Cursor is the place in the event log before the call.
	Cursor event.Cursor
}

// checkQuery gives the normalised form of a query, or why it has none.
func checkQuery(text string, path ...string) (string, error) {
	if len(text) > 16*MaxQuery || !store.Storable(text) {
		if store.Storable(text) {
			return "", within(tooLong(utf8.RuneCountInString(text)), path)
		}
		return "", within(apperr.New(apperr.BadInput, "A query must be UTF-8 without NUL characters."), path)
	}
	normal := embedding.Normalize(text)
	switch n := utf8.RuneCountInString(normal); {
	case n == 0:
		return "", within(apperr.New(apperr.BadInput, "Give a query: this one is empty."), path)
	case n > MaxQuery:
		return "", within(tooLong(n), path)
	}
	return normal, nil
}

func tooLong(n int) *apperr.Error {
	return apperr.New(apperr.BadInput, "A query has at most %d characters, this one has %d.", MaxQuery, n)
}

// within sets the path of an error that was made for it.
func within(e *apperr.Error, path []string) error {
	e.Path = slices.Clone(path)
	return e
}

func checkItems(n int) error {
	if n < 1 || n > MaxItems {
		return apperr.Input("items", "Give 1 to %d items, these are %d.", MaxItems, n)
	}
	return nil
}

func itemPath(i int, field string) []string {
	return []string{"input", "items", strconv.Itoa(i), field}
}

// ref is a sticker as a client names it.
type ref struct {
	given string
	// id tells that it has the form of an id; key is otherwise the name folded.
	id  bool
	key string
	// value is 1, -1, or 0 for a vote that is taken back.
	value int
}

func refOf(given string, value int) ref {
	if _, ok := store.Prefix(given); ok {
		return ref{given: given, id: true, value: value}
	}
	return ref{given: given, key: nameKey(given), value: value}
}

// nameKey is the folded form in which names of stickers are unique: NFKC, case folded.
func nameKey(name string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
}

// refsOf checks the stickers of an item.
func refsOf(i int, positive, negative []string) ([]ref, error) {
	if n := len(positive) + len(negative); n > MaxStickers {
		return nil, within(apperr.New(apperr.BadInput, "An item names at most %d stickers, this one names %d.", MaxStickers, n), itemPath(i, "positive"))
	}
	refs := make([]ref, 0, len(positive)+len(negative))
	for _, side := range []struct {
		field string
		given []string
		value int
	}{{"positive", positive, 1}, {"negative", negative, -1}} {
		for _, name := range side.given {
			if !store.Storable(name) || name == "" || len(name) > 4*MaxName {
				return nil, within(apperr.New(apperr.BadInput, "A sticker is named by its id or its name, 1 to %d characters of UTF-8 without NUL.", MaxName), itemPath(i, side.field))
			}
			refs = append(refs, refOf(name, side.value))
		}
	}
	return refs, nil
}

// derived gives an id that follows from parts: 160 bits of SHA-256 over them with NUL
// between them, which none of them has.
func derived(prefix string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return prefix + "_" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:20])
}

func queryID(text string) string                 { return derived("sq", text) }
func scoreID(query, sticker string) string       { return derived("qs", query, sticker) }
func voteID(voter, query, sticker string) string { return derived("vote", voter, query, sticker) }

// hourOf numbers the hours since 1970.
func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// moment reads a time that SQLite may give as a text, since the type of a column is
// lost in RETURNING.
type moment time.Time

// Scan reads a time of either database.
func (m *moment) Scan(value any) error {
	switch v := value.(type) {
	case time.Time:
		*m = moment(v.UTC())
		return nil
	case string:
		t, err := time.Parse("2006-01-02 15:04:05.999999999-07:00", v)
		*m = moment(t.UTC())
		return err
	}
	return fmt.Errorf("%T is no time", value)
}
