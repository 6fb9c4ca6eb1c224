package page

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"parley/internal/apperr"
)

// sortKey is that of a row in an order: the value of the order's column,
// and what breaks ties, which without a Tie is the id.
type sortKey struct {
	value, tie any
}

// cursor is the JSON inside a list cursor. Of ID and Tie the order has one.
type cursor struct {
	Order string `json:"o"`
	value
	ID  string `json:"i,omitempty"`
	Tie *value `json:"k,omitempty"`
}

// value is one of the types that a list can be sorted by.
type value struct {
	Time   *time.Time `json:"t,omitempty"`
	Bytes  *[]byte    `json:"b,omitempty"`
	Text   *string    `json:"s,omitempty"`
	Number *int64     `json:"n,omitempty"`
}

func valueOf(v any) (out value) {
	switch v := v.(type) {
	case time.Time:
		v = v.UTC()
		out.Time = &v
	case []byte:
		if v == nil {
			v = []byte{}
		}
		out.Bytes = &v
	case string:
		out.Text = &v
	case int64:
		out.Number = &v
	}
	return out
}

func (v value) any() any {
	switch {
	case v.Time != nil:
		return *v.Time
	case v.Bytes != nil:
		return *v.Bytes
	case v.Text != nil:
		return *v.Text
	case v.Number != nil:
		return *v.Number
	}
	return nil
}

const cursorMark = "pg1."

// mark names an order and its direction.
func (o Order[T]) mark() string {
	if o.Descending {
		return o.Name + "-"
	}
	return o.Name + "+"
}

// format gives the cursor of a row.
func (o Order[T]) format(p sortKey) string {
	c := cursor{Order: o.mark(), value: valueOf(p.value)}
	if o.Tie == nil {
		c.ID, _ = p.tie.(string)
	} else {
		tie := valueOf(p.tie)
		c.Tie = &tie
	}
	data, err := json.Marshal(c)
	if err != nil { // a time beyond the year 9999
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append([]byte(cursorMark), data...))
}

// parse reads what format of the same order gave, and nothing else: a forged
// cursor must not reach the database with a value of another type.
func (o Order[T]) parse(s *string, argument string) (*sortKey, error) {
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
	p := sortKey{value: c.any(), tie: c.ID}
	if o.Tie != nil && c.Tie != nil {
		p.tie = c.Tie.any()
	}
	usual := o.sortKeyOf(blank[T]())
	if !alike(p.value, usual.value) || !alike(p.tie, usual.tie) || o.Tie == nil && c.ID == "" || o.format(p) != *s {
		return nil, bad
	}
	return &p, nil
}

// alike tells whether a value has the type of the usual one and can be stored:
// Postgres keeps no NUL in texts.
func alike(v, usual any) bool {
	text, _ := v.(string)
	return reflect.TypeOf(v) == reflect.TypeOf(usual) && !strings.ContainsRune(text, 0)
}

// blank gives a row without values; T is mostly a pointer.
func blank[T any]() T {
	var row T
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		row, _ = reflect.New(t.Elem()).Interface().(T)
	}
	return row
}
