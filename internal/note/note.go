// Package note holds notes and their translations.
package note

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/ent/gen"
	"parley/ent/gen/note"
	"parley/ent/gen/translation"
	"parley/internal/apperr"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// Limits of a note.
const (
	MaxTitle = 200      // characters
	MaxText  = 64 << 10 // bytes
	// MaxTargets is how many languages one call may ask for.
	MaxTargets = 20
	// MaxNotes is how many notes one translateNotes may name.
	MaxNotes = 50
)

// Undetermined is the language of a text that no language was found for.
const Undetermined = "und"

// What a note's text is written in.
const (
	FormatText = note.FormatTEXT
	FormatHTML = note.FormatHTML
)

// States of a translation.
const (
	Pending   = translation.StatePENDING
	Ready     = translation.StateREADY
	Stale     = translation.StateSTALE
	Failed    = translation.StateFAILED
	Cancelled = translation.StateCANCELLED
)

// CreateNoteInput is the input of createNote. Without a language the text's is
// detected, without a format it is FormatText.
type CreateNoteInput struct {
	Title    string  `json:"title"`
	Text     string  `json:"text"`
	Language *string `json:"language"`
	// Format is nil in fingerprints when it is FormatText: keys from before there
	// were formats stay good.
	Format         *note.Format `json:"format,omitempty"`
	IdempotencyKey *string      `json:"idempotencyKey"`
}

// Validate reports every problem of the input.
func (in CreateNoteInput) Validate() error {
	return errors.Join(checkTitle(in.Title), checkText("text", in.Text), checkKey(in.IdempotencyKey))
}

// UpdateNoteInput is the input of updateNote; nil fields stay as they are.
type UpdateNoteInput struct {
	ID       string       `json:"id"`
	Title    *string      `json:"title"`
	Text     *string      `json:"text"`
	Language *string      `json:"language"`
	Format   *note.Format `json:"format"`
	// ExpectedVersion refuses the edit when the note has another version.
	ExpectedVersion *int `json:"expectedVersion"`
}

// Validate reports every problem of the input.
func (in UpdateNoteInput) Validate() error {
	var errs []error
	if in.Title != nil {
		errs = append(errs, checkTitle(*in.Title))
	}
	if in.Text != nil {
		errs = append(errs, checkText("text", *in.Text))
	}
	if in.Title == nil && in.Text == nil && in.Language == nil && in.Format == nil {
		errs = append(errs, apperr.Input("title", "Say what to change: title, text, language or format."))
	}
	return errors.Join(errs...)
}

// TranslateNoteInput is the input of translateNote.
type TranslateNoteInput struct {
	NoteID         string   `json:"noteId"`
	Languages      []string `json:"languages"`
	IdempotencyKey *string  `json:"idempotencyKey"`
}

// TranslateNotesInput is the input of translateNotes.
type TranslateNotesInput struct {
	NoteIds        []string `json:"noteIds"`
	Languages      []string `json:"languages"`
	IdempotencyKey *string  `json:"idempotencyKey"`
}

// Validate reports every problem of the input.
func (in TranslateNotesInput) Validate() error {
	var errs []error
	if n := len(in.NoteIds); n == 0 || n > MaxNotes {
		errs = append(errs, apperr.Input("noteIds", "Name 1 to %d notes.", MaxNotes))
	}
	if n := len(in.Languages); n == 0 || n > MaxTargets {
		errs = append(errs, apperr.Input("languages", "Name 1 to %d languages.", MaxTargets))
	}
	return errors.Join(append(errs, checkKey(in.IdempotencyKey))...)
}

// Filter narrows a list of notes; zero values match everything.
type Filter struct {
	Language *string `json:"language"`
	// Text is looked for in title and text, whatever its case.
	Text *string `json:"text"`
	// TranslatedInto keeps notes that have a READY translation into it.
	TranslatedInto *string `json:"translatedInto"`
}

// OrderField is what a list of notes is sorted by.
type OrderField string

// The orders.
const (
	OrderCreated OrderField = "CREATED_AT"
	OrderUpdated OrderField = "UPDATED_AT"
	OrderTitle   OrderField = "TITLE"
)

// Order sorts a list of notes.
type Order struct {
	Field      OrderField
	Descending bool
}

// Stats counts notes and translations.
type Stats struct {
	Total      int
	ByLanguage []*LanguageCount
	ByTarget   []*LanguageCount
	ByState    []*StateCount
}

// LanguageCount is a number of notes or translations of one language.
type LanguageCount struct {
	Language string
	Count    int
}

// StateCount is a number of translations in one state.
type StateCount struct {
	State translation.State
	Count int
}

func checkKey(key *string) error { return idempotency.CheckKey(key, "input", "idempotencyKey") }

func checkTitle(title string) error {
	if strings.TrimSpace(title) == "" {
		return apperr.Input("title", "A note needs a title.")
	}
	if n := utf8.RuneCountInString(title); n > MaxTitle {
		return apperr.Input("title", "A title has at most %d characters, this one has %d.", MaxTitle, n)
	}
	return checkUTF8("title", title)
}

func checkText(field, text string) error {
	if strings.TrimSpace(text) == "" {
		return apperr.Input(field, "A note needs a text.")
	}
	if len(text) > MaxText {
		e := apperr.New(apperr.TooLarge, "A text has at most %d bytes, this one has %d.", MaxText, len(text))
		e.Path = []string{"input", field}
		return e
	}
	return checkUTF8(field, text)
}

func checkUTF8(field, text string) error {
	if !store.Storable(text) {
		return apperr.Input(field, "The %s must be UTF-8 without NUL characters.", field)
	}
	return nil
}

// fold is how titles and texts are compared: compatibility forms joined, lower
// case.
func fold(s string) string { return strings.ToLower(norm.NFKC.String(s)) }

// cached is a note as the cache keeps it.
type cached struct {
	Note         *gen.Note          `json:"note"`
	Translations []*gen.Translation `json:"translations"`
}

// cacheFor is how long a note may be read from the cache.
const cacheFor = 300 * time.Second

func cacheKey(id string) string { return "note:" + id }
