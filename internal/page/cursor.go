package page

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"parley/internal/apperr"
)

// position is the place of a row in an order.
type position struct {
	value any
	id    string
}

// cursor is the JSON inside a list cursor. Exactly one of the values is set.
type cursor struct {
	Order string     `json:"o"`
	Time  *time.Time `json:"t,omitempty"`
	Bytes *[]byte    `json:"b,omitempty"`
	Text  *string    `json:"s,omitempty"`
	ID    string     `json:"i"`
}

const cursorMark = "pg1."

// mark names an order and its direction.
func (o Order[T]) mark() string {
	if o.Descending {
		return o.Name + "-"
	}
	return o.Name + "+"
}

// format gives the cursor of a place.
func (o Order[T]) format(value any, id string) string {
	c := cursor{Order: o.mark(), ID: id}
	switch v := value.(type) {
	case time.Time:
		v = v.UTC()
		c.Time = &v
	case []byte:
		if v == nil {
			v = []byte{}
		}
		c.Bytes = &v
	case string:
		c.Text = &v
	}
	data, err := json.Marshal(c)
	if err != nil { // a time beyond the year 9999
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append([]byte(cursorMark), data...))
}

// parse reads what format of the same order gave, and nothing else: a forged
// cursor must not reach the database with a value of another type.
func (o Order[T]) parse(s *string, argument string) (*position, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // no cursor is a valid answer
	}
	bad := apperr.Argument(argument, "This is not a cursor of this list in this order.")
	raw, err := base64.RawURLEncoding.DecodeString(*s)
	text, ok := strings.CutPrefix(string(raw), cursorMark)
	if err != nil || !ok {
		return nil, bad
	}
	var c cursor
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return nil, bad
	}
	p := position{id: c.ID}
	switch {
	case c.Time != nil:
		p.value = *c.Time
	case c.Bytes != nil:
		p.value = *c.Bytes
	case c.Text != nil:
		p.value = *c.Text
	}
	usual, _ := o.Key(blank[T]())
	// Postgres keeps no NUL in texts.
	if p.id == "" || reflect.TypeOf(p.value) != reflect.TypeOf(usual) || o.format(p.value, p.id) != *s ||
		strings.ContainsRune(p.id, 0) || c.Text != nil && strings.ContainsRune(*c.Text, 0) {
		return nil, bad
	}
	return &p, nil
}

// blank gives a row without values; T is mostly a pointer.
func blank[T any]() T {
	var row T
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		row, _ = reflect.New(t.Elem()).Interface().(T)
	}
	return row
}
