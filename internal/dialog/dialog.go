// Package dialog holds customers' talks with chatbots and what the customers
// said to their being kept and read.
package dialog

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/apperr"
	"parley/internal/idempotency"
	"parley/internal/langtag"
	"parley/internal/store"
)

// Limits of dialogs.
const (
	MaxText = 64 << 10 // bytes
	// MaxPush is how many dialogs one pushDialogs may hold.
	MaxPush = 50
	// MaxMessages is how many messages a dialog may have.
	MaxMessages = 1000
	// MaxSaid is how much of messages is read at a time, in bytes.
	MaxSaid = 16 << 20
)

// Language is a language tag as a client wrote it, valid or not.
type Language string

// Number is a chatbot's number as a client wrote it, valid or not.
type Number string

// PushInput is one dialog to push.
type PushInput struct {
	CustomerID     Number   `json:"customerId"`
	DialogID       Number   `json:"dialogId"`
	Text           string   `json:"text"`
	Language       Language `json:"language"`
	IdempotencyKey *string  `json:"idempotencyKey"`
}

// MessageInput is the input of addDialogMessage.
type MessageInput struct {
	DialogID       string  `json:"dialogId"`
	Text           string  `json:"text"`
	IdempotencyKey *string `json:"idempotencyKey"`
}

// ConsentInput is the input of setConsent.
type ConsentInput struct {
	DialogID string `json:"dialogId"`
	Approved bool   `json:"approved"`
}

// EraseInput is the input of eraseCustomer.
type EraseInput struct {
	CustomerID string `json:"customerId"`
}

// Filter narrows a list of dialogs; nil matches everything.
type Filter struct {
	// Language is a canonical tag, matched whole.
	Language   *string
	CustomerID *string
}

// Dialog is a customer's talk with a chatbot.
type Dialog struct {
	ID                   string
	DialogID, CustomerID int64
	// OwnerID is the account whose key pushed it; empty where analysts read.
	OwnerID        string
	Text, Language string
	CreatedAt      time.Time
	Approved       bool
	// ExpiresAt is when it is erased unless the customer agrees before; nil once
	// they did.
	ExpiresAt *time.Time
}

// Message is what was said in a dialog after its first text.
type Message struct {
	ID, Text  string
	CreatedAt time.Time
}

// Validate gives everything that is wrong with the dialog, each with its path
// below base, which is "input" when nothing is named.
func (in PushInput) Validate(base ...string) error {
	_, err := in.dialog(base)
	return err
}

// dialog gives the checked dialog without its id, owner and time.
func (in PushInput) dialog(base []string) (Dialog, error) {
	d := Dialog{Text: in.Text}
	var numberErr, customerErr, languageErr error
	d.CustomerID, customerErr = parseNumber(string(in.CustomerID), below(base, "customerId"))
	d.DialogID, numberErr = parseNumber(string(in.DialogID), below(base, "dialogId"))
	if d.Language, languageErr = langtag.Canonical(string(in.Language)); languageErr != nil {
		languageErr = at(languageErr, below(base, "language"))
	}
	return d, errors.Join(customerErr, numberErr, checkText(in.Text, below(base, "text")), languageErr,
		idempotency.CheckKey(in.IdempotencyKey, below(base, "idempotencyKey")...))
}

// Validate gives everything that is wrong with the message.
func (in MessageInput) Validate() error {
	_, err := parseNumber(in.DialogID, below(nil, "dialogId"))
	return errors.Join(err, checkText(in.Text, below(nil, "text")), idempotency.CheckKey(in.IdempotencyKey, below(nil, "idempotencyKey")...))
}

// below gives the path of a field of the input.
func below(base []string, field string) []string {
	if len(base) == 0 {
		return []string{"input", field}
	}
	return append(slices.Clip(base), field)
}

func at(err error, path []string) error {
	if coded := new(apperr.Error); errors.As(err, &coded) {
		coded.Path = path
	}
	return err
}

func badInput(path []string, format string, args ...any) *apperr.Error {
	e := apperr.New(apperr.BadInput, format, args...)
	e.Path = path
	return e
}

// parseNumber reads a chatbot's number: decimal digits, from 0 to
// 9223372036854775807.
func parseNumber(s string, path []string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, badInput(path, "It must be a whole number from 0 to 9223372036854775807.")
	}
	return int64(n), nil
}

func checkText(s string, path []string) error {
	if len(s) > MaxText {
		e := apperr.New(apperr.TooLarge, "A text has at most %d bytes.", MaxText)
		e.Path = path
		return e
	}
	if !store.Storable(s) {
		return badInput(path, "The text must be UTF-8 without NUL characters.")
	}
	if strings.TrimSpace(s) == "" {
		return badInput(path, "The text is blank.")
	}
	return nil
}

// idsOf gives the node ids of dialogs.
func idsOf(dialogs []*Dialog) []string {
	ids := make([]string, len(dialogs))
	for i, d := range dialogs {
		ids[i] = d.ID
	}
	return ids
}

// numbersOf gives the chatbot's numbers of dialogs.
func numbersOf(dialogs []*Dialog) []int64 {
	list := make([]int64, len(dialogs))
	for i, d := range dialogs {
		list[i] = d.DialogID
	}
	return list
}
