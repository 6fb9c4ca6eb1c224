// Package practice holds what learners said, the errors in it, and how frequent
// each kind of error is.
package practice

import (
	"errors"
	"slices"
	"time"

	"parley/internal/apperr"
	"parley/internal/idempotency"
	"parley/internal/langtag"
	"parley/internal/store"
)

// Limits of practice.
const (
	MaxText       = 8 << 10 // bytes of an utterance
	MaxKind       = 200     // bytes of a category or a subcategory
	MaxKey        = 128     // bytes of a client key or an external id
	MaxIndex      = 9999
	MaxErrors     = 500 // items of one recordErrors
	MaxUtterances = 100 // items of one addUtterances
	MaxTop        = 100
)

// StartInput is the input of startConversation.
type StartInput struct {
	ExternalID     *string `json:"externalId"`
	Language       *string `json:"language"`
	IdempotencyKey *string `json:"idempotencyKey"`
}

// Validate reports every problem of the input.
func (in StartInput) Validate() error {
	var errs []error
	if in.ExternalID != nil {
		errs = append(errs, checkName("externalId", "An external id", *in.ExternalID, MaxKey))
	}
	if in.Language != nil {
		if _, err := langtag.Canonical(*in.Language); err != nil {
			errs = append(errs, within(err, "language"))
		}
	}
	errs = append(errs, idempotency.CheckKey(in.IdempotencyKey, "idempotencyKey"))
	return within(errors.Join(errs...), "input")
}

// UtteranceInput is one utterance to record.
type UtteranceInput struct {
	ConversationID string  `json:"conversationId"`
	Text           string  `json:"text"`
	ClientKey      *string `json:"clientKey"`
}

// Validate reports every problem of the input. The paths begin at its fields.
func (in *UtteranceInput) Validate() error {
	var errs []error
	if err := checkID("conv", in.ConversationID, "conversationId"); err != nil {
		errs = append(errs, err)
	}
	switch {
	case len(in.Text) > MaxText:
		e := apperr.New(apperr.TooLarge, "An utterance has at most %d bytes, this one has %d.", MaxText, len(in.Text))
		e.Path = []string{"text"}
		errs = append(errs, e)
	case !store.Storable(in.Text):
		errs = append(errs, at("text", "The text must be UTF-8 without NUL characters."))
	}
	if in.ClientKey != nil {
		if err := checkName("clientKey", "A client key", *in.ClientKey, MaxKey); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ErrorInput is one error to record.
type ErrorInput struct {
	UtteranceID    string  `json:"utteranceId"`
	ConversationID *string `json:"conversationId"`
	ExternalID     *string `json:"externalId"`
	ClientKey      string  `json:"clientKey"`
	Index          int     `json:"index"`
	Category       string  `json:"category"`
	Subcategory    string  `json:"subcategory"`
	StartOffset    *int    `json:"startOffset"`
	EndOffset      *int    `json:"endOffset"`
}

// Validate reports every problem of the input that shows without a look at the
// utterance. The paths begin at its fields.
func (in *ErrorInput) Validate() error {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	note(checkID("utt", in.UtteranceID, "utteranceId"))
	if in.ConversationID != nil {
		note(checkID("conv", *in.ConversationID, "conversationId"))
	}
	if in.ExternalID != nil {
		note(checkName("externalId", "An external id", *in.ExternalID, MaxKey))
	}
	note(checkName("clientKey", "A client key", in.ClientKey, MaxKey))
	if in.Index < 0 || in.Index > MaxIndex {
		note(at("index", "An index is 0 to %d.", MaxIndex))
	}
	note(checkName("category", "A category", in.Category, MaxKind))
	note(checkName("subcategory", "A subcategory", in.Subcategory, MaxKind))
	note(in.checkOffsets())
	return errors.Join(errs...)
}

func (in *ErrorInput) checkOffsets() error {
	start, end := in.StartOffset, in.EndOffset
	switch {
	case start == nil && end == nil:
		return nil
	case start == nil:
		return at("startOffset", "Give both offsets or none.")
	case end == nil:
		return at("endOffset", "Give both offsets or none.")
	case *start < 0:
		return at("startOffset", "An offset is not negative.")
	case *end < *start:
		return at("endOffset", "An error can't end before it begins.")
	}
	return nil
}

// Status is what became of one recorded error.
type Status string

// The statuses.
const (
	Recorded  Status = "RECORDED"
	Duplicate Status = "DUPLICATE"
	Refused   Status = "REFUSED"
)

// Result is what became of one error: Err is why it was refused.
type Result struct {
	Status  Status
	ErrorID string
	Err     error
}

// Frequency is how often a learner made errors of one kind.
type Frequency struct {
	Category, Subcategory string
	Frequency             int64
	LastAt                time.Time
}

// checkID is store.CheckID whose errors all name the field.
func checkID(prefix, id, field string) error {
	err := store.CheckID(prefix, id)
	if err == nil {
		return nil
	}
	return within(err, field)
}

// checkName refuses what is not 1 to most bytes of text.
func checkName(field, what, value string, most int) error {
	if value == "" || len(value) > most {
		return at(field, "%s has 1 to %d bytes, this one has %d.", what, most, len(value))
	}
	if !store.Storable(value) {
		return at(field, "%s must be UTF-8 without NUL characters.", what)
	}
	return nil
}

func at(field, format string, args ...any) *apperr.Error {
	return apperr.Argument(field, format, args...)
}

// within puts path before the paths of all coded errors in a tree. An error
// without any is returned as it is.
func within(err error, path ...string) error {
	coded := apperr.List(err)
	if len(coded) == 0 {
		return err
	}
	var errs []error
	for _, e := range coded {
		inner := *e
		inner.Path = append(slices.Clone(path), e.Path...)
		errs = append(errs, &inner)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
