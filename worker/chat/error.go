package chat

import (
	"errors"
	"fmt"
)

// ErrNone is what Open gives for a folder that has no chat template.
var ErrNone = errors.New("no chat template")

// Error is a template that can't be read or rendered: bad syntax, something
// that is not supported, or what Python would have raised.
type Error struct {
	// Line is where in the template, counted from 1.
	Line    int
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("chat template, line %d: %s", e.Line, e.Message)
}

// Raised is a template's own refusal, by raise_exception: its roles don't
// alternate, say, or it knows no tools.
type Raised struct {
	Line int
	// Message is the template's sentence.
	Message string
}

func (e *Raised) Error() string {
	return fmt.Sprintf("chat template refuses, line %d: %s", e.Line, e.Message)
}

// at gives err a line where it has none yet.
func at(line int, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	var raised *Raised
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &raised):
		if raised.Line == 0 {
			raised.Line = line
		}
		return err
	}
	return &Error{Line: line, Message: err.Error()}
}

func failAt(line int, format string, values ...any) error {
	return &Error{Line: line, Message: fmt.Sprintf(format, values...)}
}
