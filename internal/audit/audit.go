// Package audit writes down who read which customers' dialogs.
package audit

import (
	"time"
)

// Action is how dialogs were read.
type Action string

// The actions.
const (
	List   Action = "LIST"
	Read   Action = "READ"
	Export Action = "EXPORT"
)

// Entry says who read which dialogs.
type Entry struct {
	ID string
	At time.Time
	// ReaderID is nil for the command line, KeyID for people.
	ReaderID, KeyID *string
	Action          Action
	// DialogIDs are the chatbot's numbers.
	DialogIDs []int64
}

// Filter narrows a list of entries; nil matches everything.
type Filter struct {
	ReaderID *string `json:"readerId"`
	// DialogID is a decimal number of any size.
	DialogID *string    `json:"dialogId"`
	Since    *time.Time `json:"since"`
}
